//! Custom resources in the version that someone wants: made once for each entry and version, by a webhook where the
//! definition names one (`k8s.io/apiextensions-apiserver/pkg/apiserver/conversion`).
//!
//! Objects that are converted together are sent together, so that a list costs few questions; who wants the same single
//! object as someone else waits for the answer to that one's question. What an answer must be like stands in the
//! registry, how it is got in `webhook_client`.

use crate::answer;
use crate::cache::Entry;
use crate::endpoints::view;
use crate::server::Api;
use api::status::Status;
use bytes::Bytes;
use registry::Resource;
use registry::custom::{ConversionWebhook, Custom};
use serde_json::Value;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Upstream's default for webhooks that do not say otherwise, in seconds; conversions cannot.
const TIMEOUT_SECONDS: u64 = 30;
/// The most that one review asks for: what comes back has about the same size, and must be answered in time.
const MAX_REVIEW_OBJECTS: usize = 500;
const MAX_REVIEW_BYTES: usize = 2 << 20;
/// Single objects are asked for one after the other where they share one of so many turns.
const TURNS: usize = 32;

/// Whose turn it is to ask for a single object.
#[derive(Debug, Default)]
pub struct Conversions {
    turns: [Mutex<()>; TURNS],
    hasher: std::hash::RandomState,
}

impl Conversions {
    fn turn(&self, key: &str) -> &Mutex<()> {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key.as_bytes());
        // The remainder is less than the number of turns.
        &self.turns[usize::try_from(hasher.finish() % TURNS as u64).unwrap_or(0)]
    }
}

/// The row's webhook, with what forms are kept by.
fn webhook(row: &Resource) -> Option<(&Arc<Custom>, &ConversionWebhook)> {
    let custom = row.custom.as_ref()?;
    Some((custom, custom.webhook.as_ref()?))
}

/// Whether a webhook converts between the row's versions.
pub fn asks_webhook(row: &Resource) -> bool {
    webhook(row).is_some()
}

/// The JSON of an entry in the row's version.
///
/// # Errors
/// 500 where a webhook has no good answer.
pub async fn served_json(api: &Api, row: &Resource, entry: &Entry) -> Result<Bytes, Status> {
    let Some((custom, webhook)) = webhook(row) else { return Ok(view::served_json(row, entry)) };
    match entry.form(custom) {
        Some(json) => Ok(json),
        // Boxed: every watch holds room for the state of this, and hardly any comes here.
        None => Box::pin(convert_one(api, row, (custom, webhook), entry)).await,
    }
}

/// Waits for the turn to ask for a single object, and asks if nobody has meanwhile.
async fn convert_one(
    api: &Api,
    row: &Resource,
    (custom, webhook): (&Arc<Custom>, &ConversionWebhook),
    entry: &Entry,
) -> Result<Bytes, Status> {
    let _turn = api.conversions.turn(&entry.key).lock().await;
    if let Some(json) = entry.form(custom) {
        return Ok(json);
    }
    let mut made = convert_entries(api, row, (custom, webhook), &[entry]).await?;
    made.pop().ok_or_else(|| Status::internal("a conversion is missing"))
}

/// The object of an entry in the row's version.
///
/// # Errors
/// As [`served_json`].
pub async fn served_value(api: &Api, row: &Resource, entry: &Entry) -> Result<Value, Status> {
    if webhook(row).is_none() {
        return Ok(view::served_value(row, entry));
    }
    let json = served_json(api, row, entry).await?;
    serde_json::from_slice(&json).map_err(Status::internal)
}

/// The same for many, in their order.
///
/// # Errors
/// As [`served_json`].
pub async fn served_jsons(api: &Api, row: &Resource, entries: &[Arc<Entry>]) -> Result<Vec<Bytes>, Status> {
    let Some((custom, webhook)) = webhook(row) else {
        return Ok(entries.iter().map(|entry| view::served_json(row, entry)).collect());
    };
    let missing: Vec<&Entry> =
        entries.iter().map(|entry| &**entry).filter(|entry| entry.form(custom).is_none()).collect();
    let mut made = convert_entries(api, row, (custom, webhook), &missing).await?.into_iter();
    let mut missing = missing.into_iter().peekable();
    let json = |entry: &Arc<Entry>| {
        let is_made = missing.next_if(|next| std::ptr::eq(*next, &**entry)).is_some();
        let json = if is_made { made.next() } else { entry.form(custom) };
        json.ok_or_else(|| Status::internal("a conversion is missing"))
    };
    entries.iter().map(json).collect()
}

/// The values of many.
///
/// # Errors
/// As [`served_json`].
pub async fn served_values(api: &Api, row: &Resource, entries: &[Arc<Entry>]) -> Result<Vec<Value>, Status> {
    if webhook(row).is_none() {
        return Ok(entries.iter().map(|entry| view::served_value(row, entry)).collect());
    }
    let jsons = served_jsons(api, row, entries).await?;
    jsons.iter().map(|json| serde_json::from_slice(json).map_err(Status::internal)).collect()
}

/// An object of the row's version in the form that is stored.
///
/// # Errors
/// As [`served_json`].
pub async fn to_stored(api: &Api, row: &Resource, object: Value) -> Result<Value, Status> {
    match webhook(row) {
        Some((_, webhook)) => one(api, webhook, object, webhook.stored()).await,
        None => Ok(view::to_stored(row, object)),
    }
}

/// An object of one version of a resource in another.
///
/// # Errors
/// As [`served_json`].
pub async fn between(api: &Api, from: &Resource, to: &Resource, object: Value) -> Result<Value, Status> {
    match webhook(to) {
        Some((_, webhook)) => one(api, webhook, object, &to.version).await,
        None => Ok(view::to_served(to, view::to_stored(from, object))),
    }
}

async fn one(api: &Api, webhook: &ConversionWebhook, object: Value, version: &str) -> Result<Value, Status> {
    let mut object = if webhook.concerns(&object, version) {
        let mut converted = ask(api, webhook, &[object], version).await?;
        converted.pop().ok_or_else(|| Status::internal("a conversion is missing"))?
    } else {
        object
    };
    webhook.prune(&mut object, version);
    Ok(object)
}

/// Makes the forms of entries that have none yet, and keeps them.
async fn convert_entries(
    api: &Api,
    row: &Resource,
    (custom, webhook): (&Arc<Custom>, &ConversionWebhook),
    entries: &[&Entry],
) -> Result<Vec<Bytes>, Status> {
    let mut made = Vec::with_capacity(entries.len());
    let mut rest = entries;
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(batch_len(rest));
        rest = later;
        let mut objects: Vec<Value> = batch.iter().map(|entry| entry.value()).collect();
        objects.iter_mut().for_each(|object| webhook.fill_in(object));
        let (sent, originals): (Vec<usize>, Vec<Value>) = objects
            .iter()
            .enumerate()
            .filter(|(_, object)| webhook.concerns(object, &row.version))
            .map(|(at, object)| (at, object.clone()))
            .unzip();
        for (at, object) in sent.into_iter().zip(ask(api, webhook, &originals, &row.version).await?) {
            objects[at] = object;
        }
        for (entry, mut object) in batch.iter().zip(objects) {
            webhook.prune(&mut object, &row.version);
            let json = answer::wire(&object);
            entry.keep_form(custom, Some(json.clone()));
            made.push(json);
        }
    }
    Ok(made)
}

/// How many of the entries are sent together; at least one.
fn batch_len(entries: &[&Entry]) -> usize {
    let mut bytes = 0;
    let fits = |entry: &&&Entry| {
        bytes += entry.frame_bytes();
        bytes <= MAX_REVIEW_BYTES
    };
    entries.iter().take(MAX_REVIEW_OBJECTS).take_while(fits).count().max(1)
}

/// One question to the webhook; none for no objects.
async fn ask(api: &Api, webhook: &ConversionWebhook, originals: &[Value], version: &str) -> Result<Vec<Value>, Status> {
    if originals.is_empty() {
        return Ok(Vec::new());
    }
    let uid = crate::metadata::uuid();
    let review = webhook.request(&uid, originals, version);
    let body = serde_json::to_vec(&review).map_err(Status::internal)?;
    let answered = api.webhooks.post(api, &webhook.client, "", TIMEOUT_SECONDS, body).await;
    let converted = match answered {
        Ok(bytes) => webhook.accept(&uid, &bytes, originals, version),
        Err(error) => Err(webhook.unanswered(originals, error.to_string())),
    };
    // Upstream's errors of conversion are no API errors, and so have no reason.
    converted.map_err(|error| Status::unreasoned(error.to_string()))
}
