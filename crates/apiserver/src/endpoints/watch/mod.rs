//! `GET` with `watch=1`: what is asked, and where the stream begins. What is told then is the `teller`'s, its form the
//! `watcher`'s.

mod backlog;
mod frame;
mod observed;
mod teller;
mod watcher;

pub use observed::{Observation, Observed};

use super::page;
use super::view::Include;
use crate::answer::{self, Answer};
use crate::body::Body;
use crate::call::Call;
use crate::conversion;
use crate::selection::Selection;
use api::field::{Error, Path};
use api::status::Status;
use teller::{Beginning, Lasting, Teller};
use watcher::{View, Watcher};

/// A watch without `timeoutSeconds` lasts a random time between this and twice this (upstream's `--min-request-timeout`).
const MIN_REQUEST_TIMEOUT_SECONDS: u64 = 1800;

/// Begins a watch.
pub async fn watch(call: &mut Call<'_>) -> Result<Answer, Status> {
    let teller = match begin(call).await? {
        Ok(teller) => teller,
        // The history does not reach that far: upstream says so inside of the stream.
        Err(out_of_reach) => {
            let frame = frame::of(call.accept.media, "ERROR", &out_of_reach.to_value());
            return Ok(answer::answer(200, call.accept.media.stream_type(), frame));
        }
    };
    let view = View {
        row: call.row.clone(),
        media: call.accept.media,
        form: call.accept.form,
        meta_version: call.accept.meta_version,
        include: Include::of(call)?,
        columns_sent: false,
    };
    let watcher = Watcher::new(teller, view);
    Ok(answer::answer(200, call.accept.media.stream_type(), Body::stream(watcher.into_stream())))
}

/// Begins a watch for someone in this process.
///
/// # Errors
/// As [`watch`], and 410 where the history does not reach back to the revision that was asked for.
pub async fn observe(call: &Call<'_>) -> Result<Observation, Status> {
    let teller = begin(call).await??;
    Ok(observed::stream(teller, call))
}

/// Reads what is asked, and subscribes to it. The inner error is that of a revision that is too old or too young.
async fn begin(call: &Call<'_>) -> Result<Result<Teller, Status>, Status> {
    super::options::check_list_numbers(call)?;
    let selection = Selection::of(call.info, &call.row)?;
    let query = &call.info.query;
    let bookmarks = query.flag("allowWatchBookmarks");
    let initial_events = check_initial_events(call)?;
    let timeout =
        super::options::number(call, "timeoutSeconds")?.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
    let seconds =
        timeout.unwrap_or_else(|| rand::random_range(MIN_REQUEST_TIMEOUT_SECONDS..2 * MIN_REQUEST_TIMEOUT_SECONDS));
    let asked = query.get("resourceVersion").unwrap_or_default();
    let revision: u64 =
        if asked.is_empty() { 0 } else { asked.parse().map_err(|_| super::options::bad_revision(asked))? };
    // Who does not ask for what is there is just told of what comes after the revision, whenever that is.
    if initial_events == Some(true)
        && let Err(too_large) = page::reach(call, revision).await
    {
        return Ok(Err(too_large));
    }
    let shelf = page::shelf(call);
    let wants_initial = initial_events.unwrap_or(revision == 0);
    let (initial, subscription) = if wants_initial {
        let (snapshot, subscription) = shelf.list_and_watch(|| call.api.cache.revision(), selection.interest());
        (Some(snapshot), subscription)
    } else if revision == 0 {
        // `sendInitialEvents=false` without a revision: from now on.
        let (_, subscription) = shelf.list_and_watch(|| call.api.cache.revision(), selection.interest());
        (None, subscription)
    } else {
        match shelf.watch(revision, selection.interest()) {
            Ok(subscription) => (None, subscription),
            Err(error) => return Ok(Err(expired(error.asked, error.oldest))),
        }
    };
    let mut selected = Vec::new();
    let mut initial_end = None;
    if let Some(snapshot) = initial {
        selection.prepare(call.api, &snapshot).await?;
        let all = snapshot.range(selection.namespace.as_deref(), None);
        selected.extend(all.filter(|entry| selection.selects(entry)).cloned());
        if conversion::asks_webhook(&call.row) {
            // All at once; then each finds its form.
            conversion::served_jsons(call.api, &call.row, &selected).await?;
        }
        initial_end = (initial_events == Some(true) && bookmarks).then_some(snapshot.revision);
    }
    let after = if wants_initial { 0 } else { revision };
    let beginning = Beginning { selected, initial_end, after, subscription };
    Ok(Ok(Teller::new(call.api, &call.row, selection, beginning, Lasting { bookmarks, seconds })))
}

/// What is asked by `sendInitialEvents`. A watch from any revision that asks for nothing gets all there is, with the
/// bookmark that ends it where it wants bookmarks, as one that asks for it does.
fn check_initial_events(call: &Call<'_>) -> Result<Option<bool>, Status> {
    let query = &call.info.query;
    let given = |name: &str| query.get(name).unwrap_or_default();
    let (mut matching, mut asked) = (given("resourceVersionMatch"), None);
    if !given("sendInitialEvents").is_empty() {
        asked = Some(query.flag("sendInitialEvents"));
    } else if matching.is_empty() && matches!(given("resourceVersion"), "" | "0") {
        (matching, asked) = ("NotOlderThan", Some(true));
    }
    let path = Path::new("resourceVersionMatch");
    let mut errors = Vec::new();
    if asked.is_some() && matching != "NotOlderThan" {
        errors.push(Error::forbidden(&path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if !matching.is_empty() {
        if asked.is_none() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(Error::forbidden(&path, why));
        }
        if matching != "NotOlderThan" {
            errors.push(Error::not_supported(&path, matching, &["NotOlderThan"]));
        }
        if !given("continue").is_empty() {
            errors.push(Error::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
        }
    }
    super::options::invalid("ListOptions", &errors)?;
    Ok(asked)
}

fn expired(asked: u64, oldest: u64) -> Status {
    Status::plain(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
}
