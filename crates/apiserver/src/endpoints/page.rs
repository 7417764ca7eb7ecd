//! Which objects a list answers with: resourceVersion, limit and continue over immutable snapshots.

use super::continuation::{self, Continuation};
use super::{component_status, options};
use crate::cache::{Entry, Shelf, Snapshot};
use crate::call::Call;
use crate::selection::Selection;
use api::field::{Error, Path};
use api::status::Status;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a list waits for a revision that is not there yet, as upstream does.
const FUTURE_REVISION_WAIT: Duration = Duration::from_secs(3);

/// One page.
pub struct Page {
    /// The objects.
    pub entries: Vec<Arc<Entry>>,
    /// `metadata` of the list.
    pub metadata: Value,
}

/// The shelf of the call's resource.
pub fn shelf(call: &Call<'_>) -> Arc<Shelf> {
    let (group, plural) = call.row.storage_prefix();
    call.api.cache.shelf(group, plural)
}

/// The object that the path names.
///
/// # Errors
/// 404.
pub fn entry(call: &Call<'_>, name: &str) -> Result<Arc<Entry>, Status> {
    if component_status::serves(&call.row) {
        return component_status::entry(call, name);
    }
    shelf(call).get(&call.key(name)).ok_or_else(|| call.not_found(name))
}

/// A list at an old revision that is no longer known.
fn expired(message: &str) -> Status {
    Status::plain(410, "Expired", message)
}

/// The 410 of a list whose revision is gone. It can still go on, with what is there now.
fn inconsistent(at: &Continuation) -> Status {
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list \
         without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
         results. Continuing with the provided token results in an inconsistent list - objects that were created, \
         modified, or deleted between the time the first chunk was returned and now may show up in the list.";
    let token = Continuation { revision: None, start: at.start.clone() }.token();
    Status { continue_token: Some(token), ..expired(message) }
}

fn check_options(call: &Call<'_>) -> Result<(), Status> {
    let query = &call.info.query;
    let matching = query.get("resourceVersionMatch").unwrap_or_default();
    let revision = query.get("resourceVersion").unwrap_or_default();
    let path = Path::new("resourceVersionMatch");
    let mut errors = Vec::new();
    let forbidden_initial = query.get("sendInitialEvents").is_some_and(|value| !value.is_empty());
    if !matching.is_empty() && revision.is_empty() {
        errors.push(Error::forbidden(&path, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
    }
    if !matching.is_empty() && query.get("continue").is_some_and(|token| !token.is_empty()) {
        errors.push(Error::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
    }
    if !matches!(matching, "" | "Exact" | "NotOlderThan") {
        let mut error = Error::not_supported(&path, matching, &[]);
        error.detail = r#"supported values: "Exact", "NotOlderThan", """#.to_owned();
        errors.push(error);
    }
    if matching == "Exact" && revision == "0" {
        let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
        errors.push(Error::forbidden(&path, why));
    }
    if forbidden_initial {
        let why = "sendInitialEvents is forbidden for list";
        errors.push(Error::forbidden(&Path::new("sendInitialEvents"), why));
    }
    options::invalid("ListOptions", &errors)
}

/// Reads one page.
///
/// # Errors
/// 400 and 422 for bad options, 410 for revisions that are gone, 504 for those that are yet to come.
pub async fn read(call: &Call<'_>, selection: &Selection) -> Result<Page, Status> {
    check_options(call)?;
    if component_status::serves(&call.row) {
        let mut entries = component_status::entries(call);
        entries.retain(|entry| selection.selects(entry));
        return Ok(Page { entries, metadata: json!({}) });
    }
    let query = &call.info.query;
    let limit = options::number(call, "limit")?.unwrap_or(0);
    let token = query.get("continue").unwrap_or_default();
    let asked = query.get("resourceVersion").unwrap_or_default();
    let (snapshot, start) = if token.is_empty() {
        (snapshot(call, asked).await?, None)
    } else {
        let at = continuation::parse(token)?;
        if !asked.is_empty() && asked != "0" {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        let snapshot = match at.revision {
            None => call.api.cache.snapshot(&shelf(call)),
            Some(revision) => shelf(call).snapshot_at(revision).map_err(|_| inconsistent(&at))?,
        };
        (snapshot, Some(at.start))
    };
    selection.prepare(call.api, &snapshot).await?;
    // Upstream answers from its cache to one who takes any revision, and that has no pages.
    let has_pages = !token.is_empty() || !(asked == "0" || selection.is_of_one_name(&call.row));
    let limit = if has_pages { limit } else { 0 };
    Ok(cut(&snapshot, selection, start.as_deref(), usize::try_from(limit).unwrap_or(0)))
}

async fn snapshot(call: &Call<'_>, asked: &str) -> Result<Snapshot, Status> {
    let shelf = shelf(call);
    let matching = call.info.query.get("resourceVersionMatch").unwrap_or_default();
    if asked.is_empty() {
        return Ok(call.api.cache.snapshot(&shelf));
    }
    let revision: u64 = asked.parse().map_err(|_| {
        Status::bad_request(format!("invalid resource version: {}", options::bad_revision_words(asked)))
    })?;
    reach(call, revision).await?;
    let limited = options::number(call, "limit")?.unwrap_or(0) > 0;
    // Upstream's oldest rule: a limit and a revision without a match mean exactly that revision.
    if matching == "Exact" || (limited && matching.is_empty() && revision > 0) {
        return shelf
            .snapshot_at(revision)
            .map_err(|_| expired("The resourceVersion for the provided list is too old."));
    }
    Ok(call.api.cache.snapshot(&shelf))
}

/// Waits for a revision that is yet to come.
///
/// # Errors
/// 504 when it does not.
pub async fn reach(call: &Call<'_>, revision: u64) -> Result<(), Status> {
    let cache = &call.api.cache;
    if revision <= cache.revision() {
        return Ok(());
    }
    let reached = clock::timeout(&*call.api.clock, FUTURE_REVISION_WAIT, cache.reached(revision)).await;
    if reached.is_none() { Err(too_large(revision, cache.revision())) } else { Ok(()) }
}

/// The 504 of a revision that did not come.
fn too_large(asked: u64, current: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
    Status { details: json!({"causes": [cause], "retryAfterSeconds": 1}), ..Status::plain(504, "Timeout", message) }
}

fn cut(snapshot: &Snapshot, selection: &Selection, start: Option<&str>, limit: usize) -> Page {
    let namespace = selection.namespace.as_deref();
    let mut entries = Vec::new();
    let mut more = 0;
    for entry in snapshot.range(namespace, start) {
        if limit > 0 && entries.len() == limit {
            // With selectors the rest is not counted, as upstream does not.
            more += 1;
            if !selection.is_everything() {
                break;
            }
        } else if selection.selects(entry) {
            entries.push(entry.clone());
        }
    }
    let mut metadata = json!({"resourceVersion": snapshot.revision.to_string()});
    if let (1.., Some(last)) = (more, entries.last()) {
        metadata["continue"] = Continuation::after(&last.key, snapshot.revision).token().into();
        if selection.is_everything() {
            metadata["remainingItemCount"] = more.into();
        }
    }
    Page { entries, metadata }
}
