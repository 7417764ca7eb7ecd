//! Writing the status of a definition.

use super::{GROUP, MANAGER, PLURAL};
use crate::server::Api;
use api::apply::{Writer, reset_fields, update_managed_fields};
use serde_json::Value;

/// Writes the status that was planned. Should someone else have been faster, their change leads to another plan.
pub(super) async fn write(api: &Api, name: &str, revision: u64, old: &Value, planned: &Value) {
    let Some(row) = api.rows.stored(GROUP, PLURAL) else { return };
    let Some(schema) = row.schema() else { return };
    let mut new = planned.clone();
    let reset = reset_fields(GROUP, PLURAL, "status", true);
    let now = api::time::format_seconds(api.clock.now());
    let api_version = row.api_version();
    let writer = Writer {
        schema,
        manager: MANAGER,
        api_version: &api_version,
        subresource: "status",
        reset: &reset,
        now: &now,
        versions: None,
    };
    update_managed_fields(Some(old), &mut new, &writer);
    if let Err(error) = super::put(api, name, revision, &new).await {
        tracing::error!(definition = name, %error, "the status of a definition cannot be written");
    }
}
