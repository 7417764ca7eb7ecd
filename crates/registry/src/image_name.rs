//! Whether an image name can be one (`distribution/reference`'s `ParseNormalizedNamed`), in its words, and whether it
//! is one for the newest image. Pure.

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageNameError {
    /// Upper case in the repository.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    UpperCase(String),
    /// 64 hexadecimal digits would be an id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    Id(String),
    /// Anything else.
    #[error("invalid reference format")]
    Format,
}

/// Digits of an image id.
const ID_DIGITS: usize = 64;
/// The longest tag.
const MAX_TAG_LENGTH: usize = 128;
/// The shortest digest, in digits.
const MIN_DIGEST_DIGITS: usize = 32;

/// Checks `[domain/]path[:tag][@digest]`.
///
/// # Errors
/// What is wrong, in the order in which upstream looks.
pub fn check(name: &str) -> Result<(), ImageNameError> {
    if name.len() == ID_DIGITS && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(ImageNameError::Id(name.to_owned()));
    }
    let (domain, remainder) = split_domain(name);
    let repository = remainder.split(':').next().unwrap_or_default();
    if repository.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(ImageNameError::UpperCase(repository.to_owned()));
    }
    let (named, digest) = remainder.split_once('@').map_or((remainder, None), |(named, digest)| (named, Some(digest)));
    let (path, tag) = named.split_once(':').map_or((named, None), |(path, tag)| (path, Some(tag)));
    let fine = domain.is_none_or(is_domain)
        && path.split('/').all(is_path_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest);
    if fine { Ok(()) } else { Err(ImageNameError::Format) }
}

/// Whether a name means the newest image: by the tag `latest`, or by none and no digest. What is no name does not.
pub(crate) fn is_latest(name: &str) -> bool {
    let (named, digest) = name.split_once('@').map_or((name, None), |(named, digest)| (named, Some(digest)));
    // A colon before the last slash belongs to a registry's port.
    let tag = named.rsplit('/').next().and_then(|last| Some(last.split_once(':')?.1));
    check(name).is_ok() && tag.map_or(digest.is_none(), |tag| tag == "latest")
}

/// What stands before the first slash is a domain if it looks like one.
fn split_domain(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || first.chars().any(|c| c.is_ascii_uppercase()) =>
        {
            (Some(first), rest)
        }
        _ => (None, name),
    }
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = domain.rsplit_once(':').map_or((domain, None), |(host, port)| (host, Some(port)));
    let component = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let literal = host.starts_with('[') && host.ends_with(']');
    (literal || host.split('.').all(component))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Runs of lower-case letters and digits, between them one dot, one or two underscores, or dashes.
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ends = component.starts_with(alphanumeric) && component.ends_with(alphanumeric);
    let separators = component.split(alphanumeric).filter(|s| !s.is_empty());
    let known = |s: &str| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-');
    ends && separators.into_iter().all(known)
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= MAX_TAG_LENGTH && tag.starts_with(word) && tag.chars().all(|c| word(c) || c == '.' || c == '-')
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, digits)| {
        !algorithm.is_empty() && digits.len() >= MIN_DIGEST_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "nginx",
            "centos:7",
            "docker.io/library/nginx:latest",
            "localhost/x",
            "127.0.0.1:9/no/img:1",
            "a/b__c/d-e.f",
            "registry.k8s.io/pause@sha256:0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        assert_eq!(
            check("Bad_Name/UPPER:tag:tag").unwrap_err().to_string(),
            "invalid reference format: repository name (UPPER) must be lowercase"
        );
        for name in ["", "a:", "a::b", "-a", "a..b", "a b", "a@sha256:1"] {
            assert_eq!(check(name), Err(ImageNameError::Format), "{name}");
        }
    }
}
