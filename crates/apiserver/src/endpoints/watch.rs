//! `GET` with `watch=1`: a stream of frames.
//!
//! A watcher that does not read fast enough is cut off by the cache, and comes back from where it was.

use super::page;
use super::view::{self, Include};
use crate::accept::{Form, Media};
use crate::answer::{self, Answer};
use crate::body::Body;
use crate::cache::{Change, ChangeKind, Entry, Subscription};
use crate::call::Call;
use crate::selection::Selection;
use crate::server::Api;
use api::field::{Error, Path};
use api::status::Status;
use bytes::Bytes;
use futures::future::BoxFuture;
use registry::{Resource, Storage};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Bookmarks go out this often, as upstream's do.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);
/// A watch without `timeoutSeconds` lasts a random time between this and twice this (upstream's `--min-request-timeout`).
const MIN_REQUEST_TIMEOUT_SECONDS: u64 = 1800;
/// How long a watch waits for a revision that is not there yet.
const FUTURE_REVISION_WAIT: Duration = Duration::from_secs(3);

/// The annotation of the bookmark after the initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

struct Watcher {
    api: Arc<Api>,
    row: Arc<Resource>,
    selection: Selection,
    media: Media,
    form: Form,
    meta_version: &'static str,
    include: Include,
    /// A Table's columns go along with the first event only.
    columns_sent: bool,
    bookmarks: bool,
    pending: VecDeque<Bytes>,
    changes: mpsc::Receiver<Arc<Change>>,
    /// The row was replaced: the client comes back and finds another, or none.
    retired: CancellationToken,
    deadline: BoxFuture<'static, ()>,
    bookmark_due: BoxFuture<'static, ()>,
}

/// Begins a watch.
pub async fn watch(call: &mut Call<'_>) -> Result<Answer, Status> {
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
    if revision > call.api.cache.revision() {
        let reached = clock::timeout(&*call.api.clock, FUTURE_REVISION_WAIT, call.api.cache.reached(revision)).await;
        if reached.is_none() {
            return Err(page::too_large(revision, call.api.cache.revision()));
        }
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
            Err(error) => return Ok(expired(call.accept.media, error.asked, error.oldest)),
        }
    };
    let Subscription { missed, changes } = subscription;
    let mut watcher = Watcher {
        api: call.api.clone(),
        row: call.row.clone(),
        selection,
        media: call.accept.media,
        form: call.accept.form,
        meta_version: call.accept.meta_version,
        include: Include::of(call)?,
        columns_sent: false,
        bookmarks,
        pending: VecDeque::new(),
        changes,
        retired: call.api.rows.retirement(&call.row),
        deadline: call.api.clock.sleep(Duration::from_secs(seconds)),
        bookmark_due: call.api.clock.sleep(BOOKMARK_PERIOD),
    };
    if let Some(snapshot) = initial {
        let namespace = watcher.selection.namespace.clone();
        for entry in snapshot.range(namespace.as_deref(), None) {
            if watcher.selection.selects(entry) {
                watcher.push(ChangeKind::Added, entry);
            }
        }
        if initial_events == Some(true) && bookmarks {
            watcher.push_bookmark(snapshot.revision, true);
        }
    }
    missed.iter().for_each(|change| watcher.take(change));
    Ok(answer::answer(200, call.accept.media.stream_type(), Body::stream(watcher.into_stream())))
}

/// What is asked by `sendInitialEvents`.
fn check_initial_events(call: &Call<'_>) -> Result<Option<bool>, Status> {
    let query = &call.info.query;
    let matching = query.get("resourceVersionMatch").unwrap_or_default();
    let path = Path::new("resourceVersionMatch");
    let Some(_) = query.get("sendInitialEvents").filter(|value| !value.is_empty()) else {
        if !matching.is_empty() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            super::options::invalid("ListOptions", &[Error::forbidden(&path, why)])?;
        }
        return Ok(None);
    };
    let mut errors = Vec::new();
    let send = query.flag("sendInitialEvents");
    if matching != "NotOlderThan" {
        let path = Path::new("resourceVersionMatch");
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        errors.push(Error::forbidden(&path, why));
        if !matching.is_empty() {
            errors.push(Error::not_supported(&path, matching, &["NotOlderThan"]));
        }
    }
    super::options::invalid("ListOptions", &errors)?;
    Ok(Some(send))
}

/// The history does not reach back that far: upstream says so inside of the stream.
fn expired(media: Media, asked: u64, oldest: u64) -> Answer {
    let status = Status::plain(410, "Expired", format!("too old resource version: {asked} ({oldest})"));
    answer::answer(200, media.stream_type(), frame(media, "ERROR", &status.to_value()))
}

impl Watcher {
    fn into_stream(self) -> impl futures::Stream<Item = Bytes> + Send {
        futures::stream::unfold(self, |mut watcher| async move { watcher.next().await.map(|frame| (frame, watcher)) })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.pending.pop_front() {
                return Some(self.coalesce(frame));
            }
            tokio::select! {
                biased;
                () = self.api.stopping.cancelled() => return None,
                // What has come is still told, the deletion of a definition's last instances above all; then `recv` ends.
                () = self.retired.cancelled(), if !self.changes.is_closed() => self.changes.close(),
                change = self.changes.recv() => {
                    let change = change?;
                    self.take(&change);
                }
                () = &mut self.deadline => return None,
                () = &mut self.bookmark_due => {
                    self.bookmark_due = self.api.clock.sleep(BOOKMARK_PERIOD);
                    if self.bookmarks {
                        // All changes up to this revision are in the queue already.
                        let revision = self.api.cache.revision();
                        while let Ok(change) = self.changes.try_recv() {
                            self.take(&change);
                        }
                        self.push_bookmark(revision, false);
                    }
                }
            }
        }
    }

    /// Puts small frames that wait together into one piece: fewer system calls when events come in bursts.
    fn coalesce(&mut self, first: Bytes) -> Bytes {
        const PIECE_BYTES: usize = 64 << 10;
        while let Ok(change) = self.changes.try_recv() {
            self.take(&change);
            if self.pending.len() > 256 {
                break;
            }
        }
        if self.pending.is_empty() || first.len() > PIECE_BYTES {
            return first;
        }
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        piece.extend_from_slice(&first);
        while let Some(next) = self.pending.front() {
            if piece.len() + next.len() > PIECE_BYTES {
                break;
            }
            piece.extend_from_slice(next);
            self.pending.pop_front();
        }
        piece.into()
    }

    /// Turns a change into the frame that this selection sees: objects that enter are added, those that leave deleted.
    fn take(&mut self, change: &Change) {
        let now = change.kind != ChangeKind::Deleted && self.selection.selects(&change.entry);
        let before = change.old.as_deref().is_some_and(|old| self.selection.selects(old));
        match (before, now) {
            (false, true) => self.push(ChangeKind::Added, &change.entry),
            (true, true) => self.push(ChangeKind::Modified, &change.entry),
            (true, false) => match (&change.kind, &change.old) {
                (ChangeKind::Deleted, _) | (_, None) => self.push(ChangeKind::Deleted, &change.entry),
                // The last state that was selected, with the revision of the change.
                (_, Some(old)) => self.push(ChangeKind::Deleted, &old.at_revision(change.revision)),
            },
            (false, false) => {}
        }
    }

    fn push(&mut self, kind: ChangeKind, entry: &Entry) {
        let frame = match (self.form, &self.row.storage, self.media) {
            (Form::Object, Storage::Own, Media::Json) => entry.frame_as(kind),
            (Form::Partial, Storage::Own, Media::Json) => {
                partial_frame(kind, self.meta_version, entry.json_of_metadata())
            }
            _ => {
                let object = self.transform(view::served_value(&self.row, entry));
                frame(self.media, word(kind), &object)
            }
        };
        self.pending.push_back(frame);
    }

    fn transform(&mut self, object: Value) -> Value {
        match self.form {
            Form::Object | Form::PartialList => object,
            Form::Partial => view::partial(&object, self.meta_version),
            Form::Table => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let columns = !std::mem::replace(&mut self.columns_sent, true);
                let now = self.api.clock.now();
                view::table(&self.row, std::iter::once(object), metadata, self.include, now, columns, self.meta_version)
            }
        }
    }

    fn push_bookmark(&mut self, revision: u64, initial_events_end: bool) {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_events_end {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let mut object = json!({"kind": &*self.row.kind, "apiVersion": self.row.api_version(), "metadata": metadata});
        if let Some(schema) = self.row.schema() {
            // Upstream sends Go's empty object of the type; the codec knows which zero values show. Best effort.
            let _ = api::codec::conform(&mut object, schema);
        }
        let object = match self.form {
            Form::Partial => view::partial(&object, self.meta_version),
            Form::Table => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let columns = !std::mem::replace(&mut self.columns_sent, true);
                let now = self.api.clock.now();
                view::table(&self.row, std::iter::once(object), metadata, self.include, now, columns, self.meta_version)
            }
            Form::Object | Form::PartialList => object,
        };
        self.pending.push_back(frame(self.media, "BOOKMARK", &object));
    }
}

fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "ADDED",
        ChangeKind::Modified => "MODIFIED",
        ChangeKind::Deleted => "DELETED",
    }
}

/// An event with an object's metadata, cut out of its bytes: the garbage collector watches everything in this form.
fn partial_frame(kind: ChangeKind, meta_version: &str, metadata: &str) -> Bytes {
    let kind = word(kind);
    format!(
        "{{\"type\":\"{kind}\",\"object\":{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"{meta_version}\",\"metadata\":\
         {metadata}}}}}\n"
    )
    .into()
}

/// One event, as the client reads it.
fn frame(media: Media, kind: &str, object: &Value) -> Bytes {
    if let (Media::Protobuf, Some(frame)) = (media, crate::protobuf::watch_frame(kind, object)) {
        return frame.into();
    }
    let prefix = format!("{{\"type\":\"{kind}\",\"object\":");
    Bytes::from([prefix.as_bytes(), &answer::wire(object), b"}\n"].concat())
}
