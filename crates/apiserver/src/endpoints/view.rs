//! How objects look to a client: served version, Table, PartialObjectMetadata; and the GET of one object.

use crate::accept::{Form, Media};
use crate::answer::{self, Answer};
use crate::cache::Entry;
use crate::call::Call;
use crate::conversion;
use api::status::Status;
use bytes::Bytes;
use jiff::Timestamp;
use registry::custom::Custom;
use registry::{Resource, Storage};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The object in the version of the path. Not for rows whose versions a webhook converts: see `conversion`.
pub fn served_value(row: &Resource, entry: &Entry) -> Value {
    let Some(custom) = &row.custom else { return to_served(row, entry.value()) };
    match entry.form(custom) {
        Some(json) => serde_json::from_slice(&json).unwrap_or_default(), // what was made from a value always parses
        None => make_form(row, custom, entry).0,
    }
}

/// The first reader of a custom resource in this version makes its form for all.
fn make_form(row: &Resource, custom: &Arc<Custom>, entry: &Entry) -> (Value, Bytes) {
    let stored = entry.value();
    let served = to_served(row, stored.clone());
    if served == stored {
        entry.keep_form(custom, None);
        return (served, entry.json());
    }
    let json = answer::wire(&served);
    entry.keep_form(custom, Some(json.clone()));
    (served, json)
}

/// The stored form in the version of the path.
pub fn to_served(row: &Resource, stored: Value) -> Value {
    match &row.storage {
        Storage::Own => stored,
        Storage::Shared { conversion, .. } => {
            let mut served = conversion.to_served(stored);
            // A custom resource's conversion has done that already.
            if let Some(schema) = row.schema().filter(|_| row.custom.is_none()) {
                // Drops what this version does not show when it is empty; what was stored has the right types.
                let _ = api::codec::conform(&mut served, schema);
            }
            served
        }
    }
}

/// The form that is stored.
pub fn to_stored(row: &Resource, served: Value) -> Value {
    match &row.storage {
        Storage::Own => served,
        Storage::Shared { conversion, .. } => conversion.to_stored(served),
    }
}

/// The object's JSON in the version of the path; shared with the cache where nothing is to convert.
pub fn served_json(row: &Resource, entry: &Entry) -> Bytes {
    match (&row.storage, &row.custom) {
        (Storage::Own, _) => entry.json(),
        (_, Some(custom)) => entry.form(custom).unwrap_or_else(|| make_form(row, custom, entry).1),
        (Storage::Shared { .. }, None) => answer::wire(&served_value(row, entry)),
    }
}

/// What `includeObject` of a Table asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// Only the cells.
    None,
    /// PartialObjectMetadata.
    Metadata,
    /// All of it.
    Object,
}

impl Include {
    /// Reads the query.
    ///
    /// # Errors
    /// 400 for other words.
    pub fn of(call: &Call<'_>) -> Result<Self, Status> {
        // An option of tables alone.
        if call.accept.form != Form::Table {
            return Ok(Self::Metadata);
        }
        match call.info.query.get("includeObject").unwrap_or_default() {
            "" | "Metadata" => Ok(Self::Metadata),
            "None" => Ok(Self::None),
            "Object" => Ok(Self::Object),
            other => Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', \
                 'Object', 'None', or empty"
            ))),
        }
    }
}

/// `PartialObjectMetadata` of an object.
pub fn partial(object: &Value, meta_version: &str) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
    json!({"kind": "PartialObjectMetadata", "apiVersion": meta_version, "metadata": metadata})
}

/// The same as JSON, around an object's `metadata` as it stands in the cache.
pub fn partial_json(metadata: &str, meta_version: &str) -> String {
    format!("{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"{meta_version}\",\"metadata\":{metadata}}}")
}

/// A Table of objects (in their served form); `columns` only where they are due.
pub fn table(
    row: &Resource,
    objects: impl Iterator<Item = Value>,
    metadata: Value,
    include: Include,
    now: Timestamp,
    columns: bool,
    meta_version: &str,
) -> Value {
    let rows: Vec<Value> = objects
        .map(|mut object| {
            let printed = row.printer.row(&object, now);
            row.strategy.hide_in_table(&mut object);
            let mut out = Map::new();
            out.insert("cells".to_owned(), printed.cells.into());
            if !printed.conditions.is_empty() {
                out.insert("conditions".to_owned(), printed.conditions.into());
            }
            match include {
                Include::None => {}
                Include::Metadata => drop(out.insert("object".to_owned(), partial(&object, meta_version))),
                Include::Object => drop(out.insert("object".to_owned(), object)),
            }
            if !out.contains_key("object") {
                out.insert("object".to_owned(), Value::Null);
            }
            Value::Object(out)
        })
        .collect();
    let definitions: Vec<Value> = row
        .printer
        .columns()
        .iter()
        .map(|column| {
            json!({"name": column.name, "type": column.kind, "format": column.format,
            "description": column.description, "priority": column.priority})
        })
        .collect();
    let definitions = if columns { Value::from(definitions) } else { Value::Null };
    json!({"kind": "Table", "apiVersion": meta_version, "metadata": metadata, "columnDefinitions": definitions,
        "rows": rows})
}

/// One object in the client's form.
///
/// # Errors
/// 406 for forms that one object has not.
pub async fn one(call: &Call<'_>, code: u16, entry: &Entry) -> Result<Answer, Status> {
    match call.accept.form {
        Form::Object if call.accept.media == Media::Json => {
            Ok(answer::json(code, conversion::served_json(call.api, &call.row, entry).await?))
        }
        // Built-in versions differ in all but metadata.
        Form::Partial if call.accept.media == Media::Json && call.row.custom.is_none() => {
            let json = partial_json(entry.json_of_metadata().get(), call.accept.meta_version);
            Ok(answer::json(code, json.into()))
        }
        _ => one_value(call, code, conversion::served_value(call.api, &call.row, entry).await?),
    }
}

/// The same for an object that is not in the cache (dry run), in its served form.
///
/// # Errors
/// As [`one`].
pub fn one_value(call: &Call<'_>, code: u16, object: Value) -> Result<Answer, Status> {
    let value = match call.accept.form {
        Form::Object => object,
        Form::PartialList if call.row.custom.is_some() => return Err(Status::plain(500, "", "content is not a list")),
        Form::PartialList => {
            let group =
                if call.row.group.is_empty() { "core" } else { call.row.group.split('.').next().unwrap_or_default() };
            return Err(Status::not_acceptable_because(format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list (*{group}.{})",
                call.row.kind
            )));
        }
        Form::Partial => partial(&object, call.accept.meta_version),
        Form::Table => {
            let revision = object.get("metadata").and_then(|m| m.get("resourceVersion")).cloned();
            let metadata = revision.map_or_else(|| json!({}), |revision| json!({"resourceVersion": revision}));
            table(
                &call.row,
                std::iter::once(object),
                metadata,
                Include::of(call)?,
                call.api.clock.now(),
                true,
                call.accept.meta_version,
            )
        }
    };
    Ok(answer::object(code, call.accept.media, &value))
}

/// `GET` of one object.
pub async fn get(call: &mut Call<'_>) -> Result<Answer, Status> {
    let asked = call.info.query.get("resourceVersion").unwrap_or_default();
    if !asked.is_empty() {
        let revision = asked.parse().map_err(|_| super::options::bad_revision(asked))?;
        super::page::reach(call, revision).await?;
    }
    let entry = super::page::entry(call, &call.info.name)?;
    one(call, 200, &entry).await
}
