//! Names of controllers: a domain and a path.

use crate::{At, names};
use api::field::{Error, ErrorList, Path};

pub(super) fn validate_domain_prefixed_path(name: &At, errors: &mut ErrorList) {
    errors.extend(domain_prefixed_path(&name.path(), name.str()));
}

/// `IsDomainPrefixedPath`
pub fn domain_prefixed_path(at: &Path, name: &str) -> ErrorList {
    if name.is_empty() {
        return vec![Error::required(at, "")];
    }
    let parts = name.split_once('/').filter(|(domain, path)| !domain.is_empty() && !path.is_empty());
    let Some((domain, path)) = parts else {
        return vec![Error::invalid(at, name, "must be a domain-prefixed path (such as \"acme.io/foo\")")];
    };
    let wrong = names::dns1123_subdomain(domain).into_iter();
    let mut errors: ErrorList = wrong.map(|wrong| Error::invalid(at, domain, wrong)).collect();
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    if !path.bytes().all(is_path) {
        let wrong = r"Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')";
        errors.push(Error::invalid(at, path, wrong));
    }
    errors
}
