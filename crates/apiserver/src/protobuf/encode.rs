//! Writing the protobuf form: the JSON value of an object, by the same table of field numbers.
//!
//! Fields that the table does not have cannot be written and are left out. Go writes zero values of fields that are no
//! pointers, and reads absent ones as zero, so that leaving them out means the same.

use super::table::{self, Field, Kind, Shape};
use super::wire::{put_bytes, put_tag, put_varint};
use super::{MAGIC, STANDARD};
use base64::Engine;
use serde_json::{Map, Value};

/// Types of `meta.v1`, whatever the group.
const META_KINDS: [&str; 7] =
    ["APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "DeleteOptions", "PartialObjectMetadata", "Status"];
const VARINT: u32 = 0;
const FIXED64: u32 = 1;

/// Whether objects of this type can be written.
pub fn knows(api_version: &str, kind: &str) -> bool {
    table::object(api_version, kind).is_some()
}

/// An object, or a list of objects, in its envelope. `None`: the type has no protobuf form.
pub fn encode(object: &Value) -> Option<Vec<u8>> {
    let (api_version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
    let fields = object.as_object()?;
    let mut raw = Vec::new();
    if META_KINDS.contains(&kind) {
        put_message(fields, table::message(&format!("meta.v1.{kind}")), &mut raw);
    } else if let Some(own) = table::object(api_version, kind) {
        put_message(fields, own, &mut raw);
    } else {
        let item = kind.strip_suffix("List")?;
        let item = if META_KINDS.contains(&item) {
            table::message(&format!("meta.v1.{item}"))
        } else {
            table::object(api_version, item)?
        };
        put_list(object, item, &mut raw);
    }
    Some(envelope(api_version, kind, &raw))
}

/// A frame of a watch: its length in four bytes, then a bare WatchEvent (upstream's raw serializer) with the object in an
/// envelope.
pub fn watch_frame(kind: &str, object: &Value) -> Option<Vec<u8>> {
    let mut extension = Vec::new();
    put_bytes(1, &encode(object)?, &mut extension);
    let mut event = Vec::new();
    put_bytes(1, kind.as_bytes(), &mut event);
    put_bytes(2, &extension, &mut event);
    let length = u32::try_from(event.len()).ok()?;
    Some([&length.to_be_bytes()[..], &event].concat())
}

fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut meta = Vec::new();
    put_bytes(1, api_version.as_bytes(), &mut meta);
    put_bytes(2, kind.as_bytes(), &mut meta);
    let mut out = MAGIC.to_vec();
    put_bytes(1, &meta, &mut out);
    put_bytes(2, raw, &mut out);
    put_bytes(3, b"", &mut out);
    put_bytes(4, b"", &mut out);
    out
}

fn put_list(list: &Value, item: &[Field], out: &mut Vec<u8>) {
    let mut metadata = Vec::new();
    if let Some(fields) = list["metadata"].as_object() {
        put_message(fields, table::message("meta.v1.ListMeta"), &mut metadata);
    }
    put_bytes(1, &metadata, out);
    for object in list["items"].as_array().into_iter().flatten().filter_map(Value::as_object) {
        let mut bytes = Vec::new();
        put_message(object, item, &mut bytes);
        put_bytes(2, &bytes, out);
    }
}

fn put_message(object: &Map<String, Value>, fields: &[Field], out: &mut Vec<u8>) {
    for field in fields {
        if field.shape == Shape::Inline {
            let Kind::Message(inner) = field.kind else { continue };
            let mut bytes = Vec::new();
            put_message(object, table::message(inner), &mut bytes);
            if !bytes.is_empty() {
                put_bytes(field.number, &bytes, out);
            }
            continue;
        }
        let Some(value) = object.get(field.name).filter(|value| !value.is_null()) else { continue };
        match field.shape {
            Shape::One | Shape::Inline => put_value(field.number, value, &field.kind, out),
            Shape::Repeated => {
                let items = value.as_array().into_iter().flatten();
                items.for_each(|item| put_value(field.number, item, &field.kind, out));
            }
            Shape::Map => {
                for (key, mapped) in value.as_object().into_iter().flatten() {
                    let mut pair = Vec::new();
                    put_bytes(1, key.as_bytes(), &mut pair);
                    put_value(2, mapped, &field.kind, &mut pair);
                    put_bytes(field.number, &pair, out);
                }
            }
        }
    }
}

fn put_value(number: u32, value: &Value, kind: &Kind, out: &mut Vec<u8>) {
    match kind {
        Kind::String => put_bytes(number, value.as_str().unwrap_or_default().as_bytes(), out),
        Kind::Bytes => put_bytes(number, &STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default(), out),
        Kind::Bool => {
            put_tag(number, VARINT, out);
            put_varint(u64::from(value.as_bool().unwrap_or_default()), out);
        }
        Kind::Integer => {
            put_tag(number, VARINT, out);
            put_varint(value.as_i64().unwrap_or_default().cast_unsigned(), out);
        }
        Kind::Double => {
            put_tag(number, FIXED64, out);
            out.extend_from_slice(&value.as_f64().unwrap_or_default().to_bits().to_le_bytes());
        }
        Kind::Message(name) => put_bytes(number, &message_bytes(name, value), out),
    }
}

/// A message; some have a JSON form that is no object of their fields.
fn message_bytes(name: &str, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let text = value.as_str().unwrap_or_default();
    let mut number = |field: u32, value: i64| {
        put_tag(field, VARINT, &mut out);
        put_varint(value.cast_unsigned(), &mut out);
    };
    match name {
        "api.resource.Quantity" => put_bytes(1, text.as_bytes(), &mut out),
        "meta.v1.Time" | "meta.v1.MicroTime" => {
            if let Ok(time) = text.parse::<jiff::Timestamp>() {
                number(1, time.as_second());
                number(2, i64::from(time.subsec_nanosecond()));
            }
        }
        "util.intstr.IntOrString" => match value.as_i64() {
            Some(value) => {
                number(1, 0);
                number(2, value);
            }
            None => {
                number(1, 1);
                put_bytes(3, text.as_bytes(), &mut out);
            }
        },
        "meta.v1.FieldsV1" | "runtime.RawExtension" | "apiextensions.v1.JSON" => {
            put_bytes(1, value.to_string().as_bytes(), &mut out);
        }
        _ if name.ends_with(".ExtraValue") => {
            let items = value.as_array().into_iter().flatten();
            items.for_each(|item| put_bytes(1, item.as_str().unwrap_or_default().as_bytes(), &mut out));
        }
        _ => {
            if let Some(fields) = value.as_object() {
                put_message(fields, table::message(name), &mut out);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn round_trip(object: Value) {
        let bytes = encode(&object).unwrap();
        assert_eq!(super::super::decode(&bytes, ("", "")).unwrap(), object);
    }

    #[test]
    fn what_is_written_is_read_again() {
        round_trip(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"a": "b", "é": ""},
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {".": {}}}}]},
            "spec": {"hostNetwork": true, "securityContext": {"supplementalGroups": [1, -2]},
                "volumes": [{"name": "v", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "x"}}],
                "containers": [{"name": "c", "ports": [{"containerPort": 80}],
                    "livenessProbe": {"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 3},
                    "readinessProbe": {"tcpSocket": {"port": 80}},
                    "resources": {"requests": {"cpu": "100m"}}}]}}));
        round_trip(json!({"apiVersion": "v1", "kind": "Secret", "data": {"k": "AAEC"}}));
        let times = json!({"acquireTime": "2026-01-02T03:04:05.000006Z", "leaseTransitions": -1});
        round_trip(json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": times}));
    }

    #[test]
    fn lists_errors_and_frames() {
        let list = json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {"resourceVersion": "7"},
            "items": [{"metadata": {"name": "a"}}]});
        assert!(encode(&list).unwrap().starts_with(MAGIC));
        let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 404});
        assert!(encode(&status).unwrap().starts_with(MAGIC));
        let frame = watch_frame("ADDED", &json!({"apiVersion": "v1", "kind": "ConfigMap"})).unwrap();
        let length = u32::from_be_bytes(frame[..4].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), frame.len() - 4);
        // field 1, the type, without an envelope around; the object in field 1 of field 2 has one
        assert_eq!(frame[4..11], *b"\x0a\x05ADDED");
        assert_eq!(frame[15..19], *MAGIC);
        assert!(encode(&json!({"apiVersion": "example.com/v1", "kind": "Own"})).is_none());
    }
}
