//! Names of controllers: a domain and a path.

use crate::{At, names};
use api::field::ErrorList;

/// `IsDomainPrefixedPath`
pub(super) fn validate_domain_prefixed_path(name: &At, errors: &mut ErrorList) {
    if name.is_empty() {
        errors.push(name.required(""));
        return;
    }
    let parts = name.str().split_once('/').filter(|(domain, path)| !domain.is_empty() && !path.is_empty());
    let Some((domain, path)) = parts else {
        errors.push(name.invalid("must be a domain-prefixed path (such as \"acme.io/foo\")"));
        return;
    };
    errors.extend(names::dns1123_subdomain(domain).into_iter().map(|wrong| name.invalid_value(domain, wrong)));
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    if !path.bytes().all(is_path) {
        let wrong = r"Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')";
        errors.push(name.invalid_value(path, wrong));
    }
}
