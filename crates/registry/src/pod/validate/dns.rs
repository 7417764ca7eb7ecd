//! The pod's resolver and its own names.

use crate::At;
use crate::names;
use api::field::ErrorList;

/// What the resolvers of Linux's C libraries can hold.
const MAX_NAMESERVERS: usize = 3;
const MAX_SEARCH_PATHS: usize = 32;
const MAX_SEARCH_CHARACTERS: usize = 2048;
/// What the kernel takes as a host name.
const MAX_HOSTNAME_CHARACTERS: usize = 64;

/// `validatePodDNSConfig`
pub(super) fn validate_dns_config(spec: &At, errors: &mut ErrorList) {
    let config = spec.at("dnsConfig");
    let (nameservers, searches) = (config.at("nameservers"), config.at("searches"));
    if spec.at("dnsPolicy").str() == "None" {
        if !config.exists() {
            errors.push(config.required("must provide `dnsConfig` when `dnsPolicy` is None"));
            return;
        }
        if nameservers.is_empty() {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.push(nameservers.required(detail));
            return;
        }
    }
    if nameservers.len() > MAX_NAMESERVERS {
        errors.push(nameservers.invalid(format!("must not have more than {MAX_NAMESERVERS} nameservers")));
    }
    nameservers.items().for_each(|server| server.check_unless_kept(errors, names::ip));
    if searches.len() > MAX_SEARCH_PATHS {
        errors.push(searches.invalid(format!("must not have more than {MAX_SEARCH_PATHS} search paths")));
    }
    let characters: usize = searches.strings().map(|path| path.len() + 1).sum();
    if characters.saturating_sub(1) > MAX_SEARCH_CHARACTERS {
        let detail =
            format!("must not have more than {MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list");
        errors.push(searches.invalid(detail));
    }
    for search in searches.items().filter(|search| search.str() != ".") {
        let text = search.str().strip_suffix('.').unwrap_or(search.str());
        let wrong = names::dns1123_subdomain_with_underscore(text);
        errors.extend(wrong.into_iter().map(|w| search.invalid_value(text, w)));
    }
    for option in config.at("options").items().filter(|option| option.at("name").is_empty()) {
        errors.push(option.required("must not be empty"));
    }
}

/// `hostname`, `subdomain` and `hostnameOverride` (KEP-4762).
pub(super) fn validate_hostname(spec: &At, errors: &mut ErrorList) {
    for field in ["hostname", "subdomain"] {
        if !spec.at(field).is_empty() {
            spec.at(field).check(errors, names::dns1123_label);
        }
    }
    let own = spec.at("hostnameOverride");
    if !own.exists() {
        return;
    }
    if own.len() > MAX_HOSTNAME_CHARACTERS {
        errors.push(own.too_long(MAX_HOSTNAME_CHARACTERS));
    }
    own.check(errors, names::dns1123_subdomain);
    if spec.at("setHostnameAsFQDN").bool() {
        errors.push(own.forbidden("may not be specified when setHostnameAsFQDN is true"));
    }
    if spec.at("hostNetwork").bool() {
        errors.push(own.forbidden("may not be specified when hostNetwork is true"));
    }
}
