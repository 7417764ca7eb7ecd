//! Fields of the pod that `fieldRef` may name (`pkg/fieldpath`). Pure.

use crate::pod;
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Addresses, which are known before they stand in the status.
#[derive(Debug, Clone, Copy, Default)]
pub struct Addresses<'a> {
    /// The pod's.
    pub pod: &'a [IpAddr],
    /// The node's.
    pub host: &'a [IpAddr],
}

/// The field's value; `None` for a path that cannot be referred to.
pub fn value(pod: &Pod, path: &str, addresses: &Addresses<'_>) -> Option<String> {
    if let Some((map, key)) = subscript(path) {
        let values = match map {
            "metadata.labels" => pod.metadata.labels.as_ref(),
            "metadata.annotations" => pod.metadata.annotations.as_ref(),
            _ => return None,
        };
        return Some(values.and_then(|v| v.get(key)).cloned().unwrap_or_default());
    }
    let joined = |ips: &[IpAddr]| ips.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(",");
    let first = |ips: &[IpAddr]| ips.first().map(IpAddr::to_string).unwrap_or_default();
    let spec = pod::spec(pod);
    Some(match path {
        "metadata.name" => pod::name(pod).to_owned(),
        "metadata.namespace" => pod::namespace(pod).to_owned(),
        "metadata.uid" => pod::uid(pod).0,
        "metadata.labels" => format_map(pod.metadata.labels.as_ref()),
        "metadata.annotations" => format_map(pod.metadata.annotations.as_ref()),
        "spec.nodeName" => spec.node_name.clone().unwrap_or_default(),
        "spec.serviceAccountName" => spec.service_account_name.clone().unwrap_or_default(),
        "status.hostIP" => first(addresses.host),
        "status.hostIPs" => joined(addresses.host),
        "status.podIP" => first(addresses.pod),
        "status.podIPs" => joined(addresses.pod),
        _ => return None,
    })
}

/// `metadata.labels['key']`
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, key) = path.strip_suffix("']")?.split_once("['")?;
    Some((map, key))
}

/// One `key="value"` a line (`FormatMap`).
fn format_map(map: Option<&BTreeMap<String, String>>) -> String {
    map.into_iter().flatten().map(|(key, value)| format!("{key}={}", quote(value))).collect::<Vec<_>>().join("\n")
}

/// A string as Go's `%q` prints it.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => quoted.push_str(&format!("\\x{:02x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
