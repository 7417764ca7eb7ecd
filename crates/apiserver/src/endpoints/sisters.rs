//! The other versions of an object that have entries in its `managedFields`: who owns what is judged in their own version.
//!
//! Settling ownership is pure, webhooks are not: what a webhook has to convert is noted, asked for, and then all is settled
//! once more.

use super::view;
use crate::call::Call;
use crate::conversion;
use api::apply::{Reset, Versions, reset_fields_of_custom};
use api::meta::{ObjectMeta, metadata_mut};
use api::schema::Schema;
use api::status::Status;
use registry::Resource;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How often ownership is settled anew with what webhooks have converted; each round has all that the one before lacked.
const MAX_ROUNDS: usize = 8;

/// The versions of one resource.
#[derive(Debug)]
pub struct Sisters {
    rows: BTreeMap<String, Arc<Resource>>,
    /// The row of the path. It stands for versions that a definition has but that are not served.
    own: Arc<Resource>,
    /// The part of the object that is written.
    subresource: String,
    memo: Mutex<Memo>,
}

/// What webhooks have converted, and what they should.
#[derive(Debug, Default)]
struct Memo {
    made: Vec<(Value, String, Value)>,
    wanted: Vec<(Value, String)>,
    rounds: usize,
}

impl Sisters {
    /// Those of an object with entries of another version than the one of the path.
    pub fn of(call: &Call<'_>, object: &Value) -> Option<Arc<Self>> {
        let own = call.row.api_version();
        let entries = object.metadata().get("managedFields").and_then(Value::as_array);
        let is_foreign = |entry: &Value| entry["apiVersion"] != *own;
        if !entries.is_some_and(|entries| entries.iter().any(is_foreign)) {
            return None;
        }
        let prefix = call.row.storage_prefix();
        let all = call.api.rows.all().into_iter().filter(|row| row.storage_prefix() == prefix);
        let rows = all.map(|row| (row.api_version(), row)).collect();
        Some(Arc::new(Self {
            rows,
            own: call.row.clone(),
            subresource: call.info.subresource.clone(),
            memo: Mutex::default(),
        }))
    }

    fn memo(&self) -> std::sync::MutexGuard<'_, Memo> {
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row_of(&self, object: &Value) -> Option<&Arc<Resource>> {
        self.rows.get(object["apiVersion"].as_str()?)
    }
}

impl Versions for Sisters {
    fn schema(&self, api_version: &str) -> Option<&Schema> {
        let is_declared = || self.own.custom.as_ref().is_some_and(|custom| custom.scales.contains_key(api_version));
        let row = self.rows.get(api_version).or_else(|| is_declared().then_some(&self.own))?;
        row.schema()
    }

    /// Of a custom resource, an endpoint of the object puts back the status of its own version alone, that of the status all
    /// versions that have one.
    fn reset(&self, api_version: &str) -> Option<Reset> {
        self.own.custom.as_ref()?;
        match self.subresource.as_str() {
            "" => Some(Reset::default()),
            "status" => {
                let has_status = self.rows.get(api_version).is_some_and(|row| row.has(registry::Subresource::Status));
                Some(if has_status { reset_fields_of_custom("status", true) } else { Reset::default() })
            }
            _ => None,
        }
    }

    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        let (from, to) = (self.row_of(object)?, self.rows.get(api_version)?);
        let mut object = object.clone();
        if object["apiVersion"] == *api_version {
            return Some(object);
        }
        metadata_mut(&mut object).remove("managedFields");
        if !conversion::asks_webhook(to) {
            let revision = object.resource_version().to_owned();
            let mut served = view::to_served(to, view::to_stored(from, object));
            // The stored form has none.
            if !revision.is_empty() {
                metadata_mut(&mut served).insert("resourceVersion".to_owned(), revision.into());
            }
            return Some(served);
        }
        let mut memo = self.memo();
        let made = memo.made.iter().find(|(asked, version, _)| version == api_version && *asked == object);
        if let Some((.., made)) = made {
            return Some(made.clone());
        }
        memo.wanted.push((object, api_version.to_owned()));
        None
    }
}

/// Has webhooks convert what was missing; `true`: there was something, so that ownership has to be settled once more.
///
/// # Errors
/// 500 where a webhook has no good answer.
pub async fn resolve(call: &Call<'_>) -> Result<bool, Status> {
    let Some(sisters) = &call.sisters else { return Ok(false) };
    let wanted = {
        let mut memo = sisters.memo();
        memo.rounds += 1;
        if memo.rounds > MAX_ROUNDS { Vec::new() } else { std::mem::take(&mut memo.wanted) }
    };
    let any = !wanted.is_empty();
    for (object, version) in wanted {
        let (Some(from), Some(to)) = (sisters.row_of(&object), sisters.rows.get(&version)) else { continue };
        let made = conversion::between(call.api, from, to, object.clone()).await?;
        sisters.memo().made.push((object, version, made));
    }
    Ok(any)
}
