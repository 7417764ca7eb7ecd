//! `GET` of a collection.

use super::options;
use super::page::{self, Page};
use super::view::{self, Include};
use crate::accept::{Form, Media};
use crate::answer::{self, Answer};
use crate::body::{Body, Piece};
use crate::call::Call;
use crate::conversion;
use crate::selection::Selection;
use api::status::Status;
use bytes::Bytes;
use registry::Storage;
use serde_json::{Value, json};

/// Answers with one page.
pub async fn list(call: &mut Call<'_>) -> Result<Answer, Status> {
    options::check_list_numbers(call)?;
    let selection = Selection::of(call.info, &call.row)?;
    let page = page::read(call, &selection).await?;
    match call.accept.form {
        Form::Object if call.accept.media == Media::Json && matches!(call.row.storage, Storage::Own) => {
            Ok(answer::answer(200, "application/json", concatenated(call, &page)))
        }
        Form::Object if call.accept.media == Media::Json && call.row.custom.is_some() => {
            Ok(answer::answer(200, "application/json", concatenated_custom(call, page).await?))
        }
        _ => transformed(call, page).await,
    }
}

/// The cached bytes, one after the other; nothing is parsed or serialized.
fn concatenated(call: &Call<'_>, page: &Page) -> Body {
    let head = format!(
        "{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{},\"items\":[",
        call.row.kind,
        call.row.api_version(),
        page.metadata
    );
    let mut pieces = Vec::with_capacity(page.entries.len() * 2 + 2);
    pieces.push(Bytes::from(head).into());
    for (at, entry) in page.entries.iter().enumerate() {
        // Items of built-in lists carry neither kind nor apiVersion.
        pieces.push(Bytes::from_static(if at == 0 { b"{" } else { b",{" }).into());
        pieces.push(Piece::Item(entry.clone()));
    }
    pieces.push(Bytes::from_static(b"]}\n").into());
    Body::pieces(pieces)
}

/// The same for custom resources, whose items carry `kind` and `apiVersion`.
async fn concatenated_custom(call: &Call<'_>, page: Page) -> Result<Body, Status> {
    let items = conversion::served_jsons(call.api, &call.row, &page.entries).await?;
    let list = of(call, Vec::new(), page.metadata);
    // The list is made with all that it has, but for its items, which stand last.
    let head = format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{},\"items\":[",
        list["kind"], list["apiVersion"], list["metadata"]
    );
    let mut pieces = Vec::with_capacity(items.len() * 2 + 2);
    pieces.push(Bytes::from(head).into());
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            pieces.push(Bytes::from_static(b",").into());
        }
        pieces.push(item.into());
    }
    pieces.push(Bytes::from_static(b"]}\n").into());
    Ok(Body::pieces(pieces))
}

async fn transformed(call: &Call<'_>, page: Page) -> Result<Answer, Status> {
    let objects = conversion::served_values(call.api, &call.row, &page.entries).await?;
    in_form(call, objects, page.metadata)
}

/// A list of these objects in the form that is asked for.
///
/// # Errors
/// 406 for forms that a list has not.
pub fn in_form(call: &Call<'_>, objects: Vec<Value>, metadata: Value) -> Result<Answer, Status> {
    let objects = objects.into_iter();
    let meta = call.accept.meta_version;
    let value = match call.accept.form {
        Form::Table => view::table(&call.row, objects, metadata, Include::of(call)?, call.api.clock.now(), true, meta),
        Form::Partial => {
            let list = match (&call.row.custom, call.row.group.split('.').next().unwrap_or_default()) {
                (Some(_), _) => "unstructured.UnstructuredList".to_owned(),
                (None, "") => format!("core.{}List", call.row.kind),
                (None, group) => format!("{group}.{}List", call.row.kind),
            };
            return Err(Status::not_acceptable_because(format!(
                "you requested PartialObjectMetadata, but the requested object is a list (*{list})"
            )));
        }
        Form::PartialList => {
            let items: Vec<Value> = objects.map(|object| view::partial(&object, meta)).collect();
            // An empty list is Go's nil slice.
            let items = if items.is_empty() { Value::Null } else { items.into() };
            json!({"kind": "PartialObjectMetadataList", "apiVersion": meta, "metadata": metadata, "items": items})
        }
        Form::Object => {
            let items = objects.collect();
            of(call, items, metadata)
        }
    };
    Ok(answer::object(200, call.accept.media, &value))
}

/// A list of objects in their served form. Items of built-in lists carry neither `kind` nor `apiVersion`; those of custom
/// resources do, since Go has no type for them.
pub fn of(call: &Call<'_>, mut items: Vec<Value>, mut metadata: Value) -> Value {
    if call.row.custom.is_none() {
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.remove("kind");
            item.remove("apiVersion");
        }
    } else if metadata.get("continue").is_none() {
        metadata["continue"] = "".into();
    }
    json!({"kind": call.row.list_kind(), "apiVersion": call.row.api_version(), "metadata": metadata, "items": items})
}
