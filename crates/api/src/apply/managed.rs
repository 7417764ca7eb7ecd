//! `metadata.managedFields`: reading it, writing it, and keeping it small.

use crate::fieldset::{FieldSetError, Set};
use crate::meta::{ObjectMeta, metadata_mut};
use serde_json::{Map, Value};

use super::MAX_UPDATE_MANAGERS;

/// Under which name updates are kept together that are too many to keep apart.
const ANCIENT_CHANGES: &str = "ancient-changes";

/// What kind of write made an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    /// Server-side apply. Stands before updates on the wire.
    Apply,
    /// Everything else.
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One entry: a manager and what it owns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    pub(super) subresource: String,
    /// As it stands on the wire; empty where it is missing.
    pub(super) time: String,
    pub(super) set: Set,
}

impl Entry {
    /// Whether two entries are of one manager: appliers are told apart without their version.
    pub(super) fn same_manager(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    fn into_value(self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: String| {
            if !value.is_empty() {
                map.insert(key.to_owned(), Value::String(value));
            }
        };
        put("manager", self.manager);
        put("operation", self.operation.name().to_owned());
        put("apiVersion", self.api_version);
        put("time", self.time);
        put("fieldsType", "FieldsV1".to_owned());
        put("subresource", self.subresource);
        map.insert("fieldsV1".to_owned(), self.set.into_value());
        Value::Object(map)
    }
}

/// Why a `managedFields` list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ManagedError {
    #[error("unsupported fieldsType: {0:?}")]
    FieldsType(String),
    #[error("unsupported operation: {0:?}")]
    Operation(String),
    #[error("entry is not an object")]
    NotAnObject,
    #[error("error decoding set: {0}")]
    Fields(#[from] FieldSetError),
}

/// The entries of an object.
pub(super) fn of_object(object: &Value) -> Result<Vec<Entry>, ManagedError> {
    match object.metadata().get("managedFields") {
        Some(Value::Array(list)) => decode(list.clone()),
        _ => Ok(Vec::new()),
    }
}

/// Reads the list. Of entries of the same manager the last holds.
pub(super) fn decode(list: Vec<Value>) -> Result<Vec<Entry>, ManagedError> {
    let mut entries: Vec<Entry> = Vec::with_capacity(list.len());
    for value in list {
        let Value::Object(mut map) = value else {
            return Err(ManagedError::NotAnObject);
        };
        let mut text = |key: &str| match map.remove(key) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let fields_type = text("fieldsType");
        if fields_type != "FieldsV1" {
            return Err(ManagedError::FieldsType(fields_type));
        }
        let operation = match text("operation").as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            other => return Err(ManagedError::Operation(other.to_owned())),
        };
        let (manager, api_version) = (text("manager"), text("apiVersion"));
        let (subresource, time) = (text("subresource"), text("time"));
        let set = map.remove("fieldsV1").map(Set::from_owned).transpose()?.unwrap_or_default();
        let entry = Entry { manager, operation, api_version, subresource, time, set };
        match entries.iter_mut().find(|other| other.same_manager(&entry)) {
            Some(other) => *other = entry,
            None => entries.push(entry),
        }
    }
    Ok(entries)
}

/// Takes `metadata.managedFields` off an object.
pub(super) fn take(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata").and_then(Value::as_object_mut).and_then(|metadata| metadata.remove("managedFields"))
}

/// Whether a list can be read at all: what [`decode`] finds out, without the work.
pub(super) fn is_readable(list: &[Value]) -> bool {
    defect(list).is_none()
}

/// Why the `managedFields` of an object cannot be read, in upstream's words.
pub fn managed_fields_defect(object: &Value) -> Option<String> {
    object.metadata().get("managedFields").and_then(Value::as_array).and_then(|list| defect(list))
}

fn defect(list: &[Value]) -> Option<String> {
    list.iter().enumerate().find_map(|(index, entry)| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let fields_type = text("fieldsType");
        if !matches!(text("operation"), "Apply" | "Update") {
            return Some("operation must be `Apply` or `Update`".to_owned());
        }
        if text("apiVersion").is_empty() {
            return Some("apiVersion must not be empty".to_owned());
        }
        if fields_type.is_empty() {
            return Some(format!("missing fieldsType in managed fields entry {index}"));
        }
        if fields_type != "FieldsV1" {
            return Some(format!("invalid fieldsType {fields_type:?} in managed fields entry {index}"));
        }
        // Upstream shows the whole entry here, in Go's form.
        let error = entry.get("fieldsV1").and_then(|fields| Set::check(fields).err())?;
        Some(format!("error decoding versioned set: error decoding set: {error}"))
    })
}

/// Whether the entries of a readable list can be judged without reading them: each path has its usual spelling, no
/// manager has two entries, and there is no need to merge old ones.
pub(super) fn is_plain(list: &[Value]) -> bool {
    fn identity(entry: &Value) -> [&str; 4] {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let operation = text("operation");
        let version = if operation == "Apply" { "" } else { text("apiVersion") };
        [text("manager"), operation, version, text("subresource")]
    }
    let canonical = |entry: &Value| entry.get("fieldsV1").is_some_and(|fields| Set::check(fields) == Ok(true));
    list.len() < MAX_UPDATE_MANAGERS
        && list.iter().all(canonical)
        && (1..list.len()).all(|at| list[..at].iter().all(|other| identity(other) != identity(&list[at])))
}

/// Writes the entries, and those that were not looked at, in upstream's order: appliers first, then by time, manager,
/// version and subresource.
pub(super) fn put(object: &mut Value, entries: Vec<Entry>, untouched: Vec<Value>) {
    let mut list = untouched;
    list.extend(entries.into_iter().filter(|entry| !entry.set.is_empty()).map(Entry::into_value));
    if list.is_empty() {
        take(object);
        return;
    }
    // Times are RFC 3339 in UTC with whole seconds, so that text order is time order; `Apply` comes before `Update`.
    fn key(entry: &Value) -> [&str; 5] {
        let fields = ["operation", "time", "manager", "apiVersion", "subresource"];
        fields.map(|field| entry.get(field).and_then(Value::as_str).unwrap_or_default())
    }
    list.sort_by(|a, b| key(a).cmp(&key(b)));
    metadata_mut(object).insert("managedFields".to_owned(), list.into());
}

/// Merges the oldest updates until there are at most [`MAX_UPDATE_MANAGERS`], one bucket for each version.
pub(super) fn cap(entries: &mut Vec<Entry>) {
    let updates = entries.iter().filter(|entry| entry.operation == Operation::Update).count();
    if updates <= MAX_UPDATE_MANAGERS {
        return;
    }
    let (mut old, mut kept): (Vec<Entry>, Vec<Entry>) =
        std::mem::take(entries).into_iter().partition(|entry| entry.operation == Operation::Update);
    old.sort_by(|a, b| (&a.time, &a.manager).cmp(&(&b.time, &b.manager)));
    let mut count = old.len();
    let mut oldest: Vec<Entry> = Vec::new();
    for entry in old {
        let bucket = oldest.iter_mut().find(|first| first.api_version == entry.api_version);
        match bucket {
            Some(bucket) if count > MAX_UPDATE_MANAGERS => {
                bucket.manager = ANCIENT_CHANGES.to_owned();
                bucket.subresource.clear();
                bucket.time = entry.time;
                bucket.set = std::mem::take(&mut bucket.set).union(entry.set);
                count -= 1;
            }
            Some(_) => kept.push(entry),
            None => oldest.push(entry),
        }
    }
    kept.append(&mut oldest);
    *entries = kept;
}

/// Keeps the old times when nothing but times differs between `old` and `new`, so that a write that changes nothing is
/// no write (upstream's `IgnoreManagedFieldsTimestampsTransformer`).
pub fn retain_timestamps(old: &Value, new: &mut Value) {
    let (Some(Value::Array(was)), Some(Value::Array(is))) =
        (old.metadata().get("managedFields"), new.metadata().get("managedFields"))
    else {
        return;
    };
    let same_but_time = |(a, b): (&Value, &Value)| match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let others = |map: &Map<String, Value>| map.keys().filter(|key| *key != "time").count();
            others(a) == others(b) && a.iter().all(|(key, value)| key == "time" || b.get(key) == Some(value))
        }
        _ => false,
    };
    if was.len() != is.len() || !was.iter().zip(is).all(same_but_time) || !same_but_managed_fields(old, new) {
        return;
    }
    let was = Value::Array(was.clone());
    metadata_mut(new).insert("managedFields".to_owned(), was);
}

fn same_but_managed_fields(old: &Value, new: &Value) -> bool {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return false;
    };
    let same_keys = |a: &Map<String, Value>, b: &Map<String, Value>, except: &str| {
        a.len() == b.len() && a.iter().all(|(key, value)| key == except || b.get(key) == Some(value))
    };
    let (Some(Value::Object(a)), Some(Value::Object(b))) = (old.get("metadata"), new.get("metadata")) else {
        return false;
    };
    same_keys(old, new, "metadata") && same_keys(a, b, "managedFields")
}
