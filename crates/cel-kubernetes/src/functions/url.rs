//! URLs as Go's `url.ParseRequestURI` reads them, which upstream's `url` and `isURL` call: no fragments, spaces in paths
//! and queries allowed, ports numeric. What not: resolving references; nobody asks for it.

use super::Outcome;
use crate::evaluate::EvaluateError;
use crate::value::{Key, Url, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// What Go escapes in a path: everything but what RFC 3986 calls unreserved, and what separates or has a meaning there.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// Each `%` has two hexadecimal digits behind it.
fn is_escaped_well(text: &str) -> bool {
    let hex = |part: &str| part.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    text.split('%').skip(1).all(hex)
}

fn decoded(text: &str) -> Option<String> {
    is_escaped_well(text).then(|| percent_decode_str(text).decode_utf8_lossy().into_owned())
}

/// Parses an absolute URL, or a path from the root.
pub(super) fn parse(text: &str) -> Option<Url> {
    if text.is_empty() || text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return None;
    }
    let (scheme, rest) = if text.starts_with('/') { ("", text) } else { text.split_once(':')? };
    let is_scheme = scheme.is_empty() && text.starts_with('/')
        || scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !is_scheme {
        return None;
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(after) if !scheme.is_empty() => after.split_at(after.find('/').unwrap_or(after.len())),
        // `mailto:a@b`: opaque, without host and path.
        _ if !rest.starts_with('/') => ("", ""),
        _ => ("", rest),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let valid = is_host(split_port(host)?.0) && is_escaped_well(path);
    valid.then(|| Url {
        text: text.to_owned(),
        scheme: scheme.to_lowercase(),
        host: host.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
    })
}

/// Host and port; `None`: what stands for a port is none.
fn split_port(host: &str) -> Option<(&str, &str)> {
    let colon = match host.rfind(']') {
        Some(end) => host[end..].find(':').map(|at| end + at),
        None => host.rfind(':'),
    };
    let Some(colon) = colon else { return Some((host, "")) };
    let port = &host[colon + 1..];
    port.bytes().all(|b| b.is_ascii_digit()).then_some((&host[..colon], port))
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').is_some_and(|address| {
            let address = address.split_once("%25").map_or(address, |(address, _zone)| address);
            address.parse::<Ipv6Addr>().is_ok()
        }),
        None => {
            is_escaped_well(host) && !host.contains([' ', ':', '"', '<', '>', '[', ']', '\\', '^', '`', '{', '|', '}'])
        }
    }
}

/// The path as it is sent: as it was written where that is allowed.
fn escaped_path(path: &str) -> String {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@[]%/".contains(&b);
    if path.bytes().all(allowed) {
        return path.to_owned();
    }
    utf8_percent_encode(&percent_decode_str(path).decode_utf8_lossy(), PATH).to_string()
}

/// The values of each key, in their order. What is not encoded well is left out.
fn query(query: &str) -> Value {
    let mut map: BTreeMap<Key, Vec<Value>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let (Some(key), Some(value)) = (decoded(&key.replace('+', " ")), decoded(&value.replace('+', " "))) {
            map.entry(Key::String(key.into())).or_default().push(Value::text(&value));
        }
    }
    Value::Map(Arc::new(map.into_iter().map(|(key, list)| (key, Value::List(Arc::new(list)))).collect()))
}

/// A part of a URL.
pub(super) fn part(name: &str, url: &Url) -> Outcome {
    let (hostname, port) = split_port(&url.host).unwrap_or((&url.host, ""));
    Ok(match name {
        "getScheme" => Value::text(&url.scheme),
        "getHost" => Value::text(&url.host),
        "getHostname" => Value::text(hostname.trim_matches(['[', ']'])),
        "getPort" => Value::text(port),
        "getEscapedPath" => Value::text(&escaped_path(&url.path)),
        "getQuery" => query(&url.query),
        _ => return Err(EvaluateError::NoOverload),
    })
}
