//! Ports that are defined twice, in one container or in several.

use super::super::defaults::CONTAINER_LISTS;
use crate::At;
use std::collections::BTreeMap;

/// A port that was seen: host address, host port, and where it stands.
struct Seen {
    host_ip: String,
    host_port: i64,
    path: String,
}

pub(super) fn warn(spec: &At, warnings: &mut Vec<String>) {
    let mut seen: BTreeMap<(i64, &str), Vec<Seen>> = BTreeMap::new();
    for list in CONTAINER_LISTS {
        for container in spec.at(list).items() {
            for port in container.at("ports").items() {
                let number = |field: &str| port.at(field).int().unwrap_or(0);
                let (ip, protocol) = (port.at("hostIP").str(), port.at("protocol").str());
                let (own, host) = (number("containerPort"), number("hostPort"));
                let path = port.path().to_string();
                if !ip.is_empty() && host == 0 {
                    let name = port.at("name").str();
                    let quoted =
                        format!("{{Name:{name} HostPort:0 ContainerPort:{own} Protocol:{protocol} HostIP:{ip}}}");
                    warnings.push(format!("{path}: hostIP set without hostPort: {quoted}"));
                }
                let others = seen.entry((own, protocol)).or_default();
                warnings.extend(
                    others
                        .iter()
                        .filter_map(|other| conflict(ip, host, other))
                        .map(|(kind, other)| format!("{path}: {kind} port definition with {other}")),
                );
                others.push(Seen { host_ip: ip.to_owned(), host_port: host, path });
            }
        }
    }
}

/// How a port of the same number and protocol gets in the way of another.
fn conflict<'s>(ip: &str, host: i64, other: &'s Seen) -> Option<(&'static str, &'s str)> {
    let kind = if ip == other.host_ip && host == other.host_port {
        "duplicate"
    } else if host == 0 || other.host_port == 0 {
        "overlapping"
    } else if host == other.host_port && ip.is_empty() != other.host_ip.is_empty() {
        "dangerously ambiguous"
    } else {
        return None;
    };
    Some((kind, &other.path))
}
