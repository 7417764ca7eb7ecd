//! Who owns which fields of a new state: `managedFields` of writes that are no applies.

use super::sisters;
use crate::call::Call;
use crate::decode;
use api::apply;
use api::status::Status;
use serde_json::Value;

/// Brings `managedFields` of a new state up to date.
pub fn track(call: &Call<'_>, live: Option<&Value>, object: &mut Value, subresource: &str) -> Result<(), Status> {
    let (schema, api_version) = (decode::schema_of(&call.row)?, call.row.api_version());
    track_as(call, live, object, subresource, schema, &api_version);
    Ok(())
}

/// The same for a change, whose owners may have written other versions.
pub async fn track_change(call: &Call<'_>, live: &Value, object: &mut Value, subresource: &str) -> Result<(), Status> {
    if call.sisters.is_none() {
        return track(call, Some(live), object, subresource);
    }
    loop {
        let mut tried = object.clone();
        track(call, Some(live), &mut tried, subresource)?;
        if !sisters::resolve(call).await? {
            *object = tried;
            return Ok(());
        }
    }
}

/// The same for an object of another type than the row's.
pub fn track_as(
    call: &Call<'_>,
    live: Option<&Value>,
    object: &mut Value,
    subresource: &str,
    schema: &api::schema::Schema,
    api_version: &str,
) {
    let reset = reset_of(&call.row, subresource);
    let (manager, now) = (call.manager(), call.now());
    let versions = call.sisters.as_deref().map(|sisters| sisters as &dyn apply::Versions);
    let reset = &reset;
    let writer = apply::Writer { schema, manager: &manager, api_version, subresource, reset, now: &now, versions };
    apply::update_managed_fields(live, object, &writer);
}

/// The fields that an endpoint puts back.
pub fn reset_of(row: &registry::Resource, subresource: &str) -> apply::Reset {
    let has_status = row.has(registry::Subresource::Status);
    match &row.custom {
        Some(_) => apply::reset_fields_of_custom(subresource, has_status),
        None => apply::reset_fields(&row.group, &row.plural, subresource, has_status),
    }
}
