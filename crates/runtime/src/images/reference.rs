//! Image names: parsing and the short forms that Docker made common.

use std::fmt;

/// Longest name that the distribution specification allows, without tag and digest.
const NAME_LENGTH_MAX: usize = 255;
/// Longest tag.
const TAG_LENGTH_MAX: usize = 128;

/// A full image name: `docker.io/library/nginx:latest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Registry host, with port if given.
    pub domain: String,
    /// Path below it.
    pub repository: String,
    /// `None` only when there is a digest.
    pub tag: Option<String>,
    /// `sha256:…`
    pub digest: Option<String>,
}

/// The name is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing there.
    #[error("invalid reference format: repository name must have at least one component")]
    Empty,
    /// Capitals in the repository.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// Anything else.
    #[error("invalid reference format")]
    Format,
    /// Too long.
    #[error("invalid reference format: repository name must not be more than {NAME_LENGTH_MAX} characters")]
    TooLong,
}

impl Reference {
    /// Parses and completes a name as Docker does: `nginx` is `docker.io/library/nginx:latest`.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(valid_digest(digest)?.to_owned())),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(valid_tag(tag)?.to_owned())),
            _ => (rest, None),
        };
        let (domain, repository) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest.to_owned()),
            _ => ("docker.io", name.to_owned()),
        };
        let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
        let official = domain == "docker.io" && !repository.contains('/');
        let repository = if official && !repository.is_empty() { format!("library/{repository}") } else { repository };
        check_name(domain, &repository)?;
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { domain: domain.to_owned(), repository, tag, digest })
    }

    /// The name without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.repository)
    }

    /// Whether the registry is on this machine, and so spoken to without TLS.
    pub fn is_loopback(&self) -> bool {
        let host = match self.domain.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => self.domain.split(':').next().unwrap_or(&self.domain),
        };
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// A digest that this store can check: sha256.
pub(crate) fn valid_digest(digest: &str) -> Result<&str, ReferenceError> {
    let hexadecimal = digest.strip_prefix("sha256:").ok_or(ReferenceError::Format)?;
    let good = hexadecimal.len() == 64 && hexadecimal.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if good { Ok(digest) } else { Err(ReferenceError::Format) }
}

fn valid_tag(tag: &str) -> Result<&str, ReferenceError> {
    let first = tag.bytes().next().ok_or(ReferenceError::Format)?;
    let good = tag.len() <= TAG_LENGTH_MAX
        && (first.is_ascii_alphanumeric() || first == b'_')
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if good { Ok(tag) } else { Err(ReferenceError::Format) }
}

fn check_name(domain: &str, repository: &str) -> Result<(), ReferenceError> {
    if repository.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ReferenceError::Uppercase(repository.to_owned()));
    }
    if domain.len() + 1 + repository.len() > NAME_LENGTH_MAX {
        return Err(ReferenceError::TooLong);
    }
    let domain_good =
        domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'));
    if domain_good && repository.split('/').all(valid_component) { Ok(()) } else { Err(ReferenceError::Format) }
}

/// Lower-case letters and digits, with single separators `.`, `_`, `__` or dashes between them.
fn valid_component(component: &str) -> bool {
    let bytes = component.as_bytes();
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    letter(*first)
        && letter(*last)
        && bytes.iter().all(|b| letter(*b) || matches!(b, b'.' | b'_' | b'-'))
        && !component.contains("..")
        && !component.contains("___")
        && !component.contains("._")
        && !component.contains("_.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(input: &str, expected: Expect) {
        let output = match Reference::parse(input) {
            Ok(reference) => reference.to_string(),
            Err(error) => format!("error: {error}"),
        };
        expected.assert_eq(&output);
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        check("nginx", expect!["docker.io/library/nginx:latest"]);
        check("nginx:1.27", expect!["docker.io/library/nginx:1.27"]);
        check("bitnami/redis", expect!["docker.io/bitnami/redis:latest"]);
        check("index.docker.io/library/nginx", expect!["docker.io/library/nginx:latest"]);
        check("localhost/app", expect!["localhost/app:latest"]);
        check("localhost:5000/app:v1", expect!["localhost:5000/app:v1"]);
        check("registry.k8s.io/pause:3.10", expect!["registry.k8s.io/pause:3.10"]);
        check("quay.io/a/b/c_d__e-f", expect!["quay.io/a/b/c_d__e-f:latest"]);
        let digest = "a".repeat(64);
        assert_eq!(
            Reference::parse(&format!("nginx@sha256:{digest}")).unwrap().to_string(),
            format!("docker.io/library/nginx@sha256:{digest}")
        );
    }

    #[test]
    fn bad_names_are_refused_in_words() {
        check("", expect!["error: invalid reference format: repository name must have at least one component"]);
        check("Nginx", expect!["error: invalid reference format: repository name (library/Nginx) must be lowercase"]);
        check("nginx:", expect!["error: invalid reference format"]);
        check("nginx:la test", expect!["error: invalid reference format"]);
        check("ngi nx", expect!["error: invalid reference format"]);
        check("-nginx", expect!["error: invalid reference format"]);
        check("a//b", expect!["error: invalid reference format"]);
        check("nginx@sha256:12", expect!["error: invalid reference format"]);
        check("nginx@md5:d41d8cd98f00b204e9800998ecf8427e", expect!["error: invalid reference format"]);
        check("a/../b", expect!["error: invalid reference format"]);
    }

    #[test]
    fn only_this_machine_is_loopback() {
        let loopback = |name: &str| Reference::parse(name).unwrap().is_loopback();
        assert!(loopback("localhost:5000/a"));
        assert!(loopback("127.0.0.1:5000/a"));
        assert!(!loopback("nginx"));
        assert!(!loopback("127.0.0.1.example.com/a"));
    }
}
