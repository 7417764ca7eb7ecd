//! Options of the connecting subresources: checked in upstream's words, and as the kubelet's API spells them.

use crate::request::Query;
use api::field::{Error, Path};
use api::status::{Status, Subject};

/// Percent encoding of a query value.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

/// `PodLogOptions`, checked; the kubelet takes the same names.
pub(super) fn log(query: &Query, pod: &str) -> Result<String, Status> {
    let mut errors = Vec::new();
    let mut number = |name: &str, least: i64, words: &str| -> Result<(), Status> {
        let Some(text) = query.get(name).filter(|text| !text.is_empty()) else {
            return Ok(());
        };
        let value: i64 = text
            .parse()
            .map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))?;
        if value < least {
            errors.push(Error::invalid(&Path::new(name), value, words));
        }
        Ok(())
    };
    number("tailLines", 0, "must be greater than or equal to 0")?;
    number("limitBytes", 1, "must be greater than 0")?;
    number("sinceSeconds", 1, "must be greater than 0")?;
    if query.get("sinceSeconds").is_some() && query.get("sinceTime").is_some() {
        let words = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors = vec![Error::forbidden(&Path::default(), words)];
    }
    if !errors.is_empty() {
        return Err(Status::invalid(&Subject { group: "", resource: "PodLogOptions", name: pod }, &errors));
    }
    let mut pairs = Vec::new();
    for name in ["follow", "previous", "timestamps"] {
        if query.flag(name) {
            pairs.push(format!("{name}=true"));
        }
    }
    for name in ["sinceSeconds", "sinceTime", "tailLines", "limitBytes", "stream"] {
        if let Some(value) = query.get(name).filter(|value| !value.is_empty()) {
            pairs.push(format!("{name}={}", encode(value)));
        }
    }
    Ok(pairs.join("&"))
}

/// Options of exec and attach, as the kubelet spells them.
pub(super) fn streams(query: &Query, command: bool) -> String {
    let mut pairs = Vec::new();
    for (name, own) in [("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")] {
        if query.flag(name) {
            pairs.push(format!("{own}=1"));
        }
    }
    if command {
        pairs.extend(query.all("command").map(|part| format!("command={}", encode(part))));
    }
    pairs.join("&")
}

/// The ports of a port-forward over WebSocket channels.
pub(super) fn port_forward(query: &Query) -> String {
    let ports = query.all("ports").flat_map(|ports| ports.split(','));
    ports.map(|port| format!("port={}", encode(port))).collect::<Vec<_>>().join("&")
}
