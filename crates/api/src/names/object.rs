//! The rules that kinds choose from for their objects' names (`ValidateNameFunc`).

use super::{dns1035_label, dns1123_label, dns1123_subdomain, path_segment, path_segment_prefix};

/// A name before a generated suffix may end in a dash: this is the name as if it went on with a letter
/// (`maskTrailingDash`, which takes one more character away).
pub fn mask_trailing_dash(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let mut masked = rest.to_owned();
            masked.pop();
            masked.push('a');
            masked
        }
        _ => prefix.to_owned(),
    }
}

/// `NameIsDNSSubdomain`: the rule for most objects' names, and for what stands before a generated suffix.
pub fn name_is_dns_subdomain(name: &str, prefix: bool) -> Vec<String> {
    if prefix { dns1123_subdomain(&mask_trailing_dash(name)) } else { dns1123_subdomain(name) }
}

/// `NameIsDNSLabel`
pub fn name_is_dns_label(name: &str, prefix: bool) -> Vec<String> {
    if prefix { dns1123_label(&mask_trailing_dash(name)) } else { dns1123_label(name) }
}

/// `NameIsDNS1035Label`
pub fn name_is_dns1035_label(name: &str, prefix: bool) -> Vec<String> {
    if prefix { dns1035_label(&mask_trailing_dash(name)) } else { dns1035_label(name) }
}

/// `ValidatePathSegmentName`
pub fn name_is_path_segment(name: &str, prefix: bool) -> Vec<String> {
    if prefix { path_segment_prefix(name) } else { path_segment(name) }
}
