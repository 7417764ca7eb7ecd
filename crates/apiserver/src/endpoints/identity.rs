//! Whether what is written is the object that the path names, in the state that its writer has seen.

use super::options;
use super::update::Change;
use crate::cache::Entry;
use crate::call::Call;
use api::meta::ObjectMeta;
use api::status::Status;
use serde_json::Value;

/// What a stale writer is told.
pub const OPTIMISTIC_LOCK: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// What is put must have the name of its path.
///
/// # Errors
/// 400 for another one and for none.
pub fn check_name(call: &Call<'_>, object: &Value) -> Result<(), Status> {
    let (name, given) = (&call.info.name, object.name());
    if given.is_empty() {
        let why = format!("the name of the object ({name} based on URL) was undeterminable: name must be provided");
        return Err(Status::bad_request(why));
    }
    if given != name {
        let why = format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(Status::bad_request(why));
    }
    Ok(())
}

fn conflict(call: &Call<'_>, name: &str) -> Status {
    Status::conflict(&call.subject(name), OPTIMISTIC_LOCK)
}

/// The check of `metadata.uid`, which comes before anything else.
pub fn check_uid(call: &Call<'_>, change: &Change<'_>, new: &Value, entry: &Entry) -> Result<(), Status> {
    let uid = new.uid();
    if change.is_put && !uid.is_empty() && uid != entry.header.uid() {
        let why = super::stored_at::uid_differs(&call.row, &call.key(&change.name), uid, entry.header.uid());
        return Err(Status::conflict(&call.subject(&change.name), &why));
    }
    Ok(())
}

/// The check of the `metadata.resourceVersion` that was given: who may not make the change hears of that before.
pub fn check_revision(call: &Call<'_>, change: &Change<'_>, given: &str, entry: &Entry) -> Result<(), Status> {
    if given.is_empty() || given == "0" {
        if !call.row.unconditional_update {
            let path = api::field::Path::new("metadata").child("resourceVersion");
            let error = api::field::Error::invalid(&path, 0, "must be specified for an update");
            // Upstream names the resource here, not the kind.
            return Err(Status::invalid(&call.subject(&change.name), &[error]));
        }
        return Ok(());
    }
    match given.parse::<u64>() {
        Ok(revision) if revision == entry.revision => Ok(()),
        Ok(_) => Err(conflict(call, &change.name)),
        // `Store.Update` hands the error on as it is
        Err(_) => Err(Status::plain(500, "", options::unsigned_words(given))),
    }
}
