//! The stream of one watch.
//!
//! Frames are made when the client takes them, so that one that stands still costs no more than what waits for it in the
//! cache. A client that does not read fast enough is cut off there: it gets an ERROR event with 410 once it reads again.

use super::super::view::{self, Include};
use super::frame;
use crate::accept::{Form, Media};
use crate::cache::{Change, ChangeKind, Changes, Entry, Subscription};
use crate::conversion;
use crate::selection::Selection;
use crate::server::Api;
use api::status::Status;
use bytes::Bytes;
use futures::future::BoxFuture;
use registry::{Resource, Storage};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Bookmarks go out this often, as upstream's do.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);
/// The annotation of the bookmark after the initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
/// Frames are put together up to this size: fewer system calls when events come in bursts.
const PIECE_BYTES: usize = 64 << 10;

/// How the client sees objects.
pub(super) struct View {
    pub(super) row: Arc<Resource>,
    pub(super) media: Media,
    pub(super) form: Form,
    pub(super) meta_version: &'static str,
    pub(super) include: Include,
    /// A Table's columns go along with the first event only.
    pub(super) columns_sent: bool,
}

/// What comes first.
pub(super) struct Beginning {
    /// The objects that are there.
    pub(super) selected: Vec<Arc<Entry>>,
    /// The revision of the bookmark after them, where one was asked for.
    pub(super) initial_end: Option<u64>,
    pub(super) subscription: Subscription,
}

/// How the watch goes on.
pub(super) struct Lasting {
    pub(super) bookmarks: bool,
    pub(super) seconds: u64,
}

/// What is to be told next.
enum Next {
    Initial(Arc<Entry>),
    InitialEnd(u64),
    Change(Arc<Change>),
}

pub(super) struct Watcher {
    api: Arc<Api>,
    view: View,
    selection: Selection,
    bookmarks: bool,
    initial: std::vec::IntoIter<Arc<Entry>>,
    initial_end: Option<u64>,
    missed: std::vec::IntoIter<Arc<Change>>,
    changes: Changes,
    pending: VecDeque<Bytes>,
    /// Nothing comes after what is pending.
    ended: bool,
    /// The row was replaced: the client comes back and finds another, or none.
    retired: CancellationToken,
    deadline: BoxFuture<'static, ()>,
    bookmark_due: BoxFuture<'static, ()>,
}

impl Watcher {
    pub(super) fn new(
        api: &Arc<Api>,
        view: View,
        selection: Selection,
        beginning: Beginning,
        lasting: Lasting,
    ) -> Self {
        let Subscription { missed, changes } = beginning.subscription;
        Self {
            retired: api.rows.retirement(&view.row),
            deadline: api.clock.sleep(Duration::from_secs(lasting.seconds)),
            bookmark_due: api.clock.sleep(BOOKMARK_PERIOD),
            api: api.clone(),
            view,
            selection,
            bookmarks: lasting.bookmarks,
            initial: beginning.selected.into_iter(),
            initial_end: beginning.initial_end,
            missed: missed.into_iter(),
            changes,
            pending: VecDeque::new(),
            ended: false,
        }
    }

    /// The stream of its pieces, which holds the watcher alone between them.
    pub(super) fn into_stream(self) -> impl futures::Stream<Item = Bytes> + Send {
        futures::stream::unfold(self, |mut watcher| async move { watcher.next().await.map(|piece| (piece, watcher)) })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.gather().await;
            if !self.pending.is_empty() {
                return Some(self.piece());
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                biased;
                () = self.api.stopping.cancelled() => return None,
                // What has come is still told, the deletion of a definition's last instances above all; then `recv` ends.
                () = self.retired.cancelled(), if !self.changes.is_closed() => self.changes.close(),
                change = self.changes.recv() => match change {
                    Some(change) => self.tell(Next::Change(change)).await,
                    None if self.changes.is_cut_off() => self.end(&cut_off(self.api.cache.revision())),
                    None => return None,
                },
                () = &mut self.deadline => return None,
                () = &mut self.bookmark_due => {
                    self.bookmark_due = self.api.clock.sleep(BOOKMARK_PERIOD);
                    if self.bookmarks {
                        // All changes up to this revision are in the queue already.
                        let revision = self.api.cache.revision();
                        while let Some(change) = self.changes.try_recv() {
                            self.tell(Next::Change(change)).await;
                        }
                        self.view.push_bookmark(revision, false, self.api.clock.now(), &mut self.pending);
                    }
                }
            }
        }
    }

    /// What is there already: the initial objects, what was missed, what waits. No more than one piece at a time.
    async fn gather(&mut self) {
        let mut bytes: usize = self.pending.iter().map(Bytes::len).sum();
        while bytes < PIECE_BYTES && !self.ended {
            let Some(next) = self.ready() else { return };
            let before = self.pending.len();
            self.tell(next).await;
            bytes += self.pending.iter().skip(before).map(Bytes::len).sum::<usize>();
        }
    }

    fn ready(&mut self) -> Option<Next> {
        if let Some(entry) = self.initial.next() {
            return Some(Next::Initial(entry));
        }
        if let Some(revision) = self.initial_end.take() {
            return Some(Next::InitialEnd(revision));
        }
        self.missed.next().or_else(|| self.changes.try_recv()).map(Next::Change)
    }

    /// The first frames that wait, in one piece where they are small.
    fn piece(&mut self) -> Bytes {
        let first = self.pending.pop_front().unwrap_or_default();
        if self.pending.is_empty() || first.len() > PIECE_BYTES {
            return first;
        }
        let waiting: usize = self.pending.iter().map(Bytes::len).sum();
        let mut piece = Vec::with_capacity(PIECE_BYTES.min(first.len() + waiting));
        piece.extend_from_slice(&first);
        while let Some(next) = self.pending.pop_front_if(|next| piece.len() + next.len() <= PIECE_BYTES) {
            piece.extend_from_slice(&next);
        }
        piece.into()
    }

    /// Makes the frames of what comes next; an error ends the watch.
    async fn tell(&mut self, next: Next) {
        let told = match next {
            Next::Initial(entry) => self.push(ChangeKind::Added, &entry).await,
            Next::InitialEnd(revision) => {
                self.view.push_bookmark(revision, true, self.api.clock.now(), &mut self.pending);
                Ok(())
            }
            Next::Change(change) => self.take(&change).await,
        };
        if let Err(status) = told {
            self.end(&status);
        }
    }

    fn end(&mut self, status: &Status) {
        self.pending.push_back(frame::of(self.view.media, "ERROR", &status.to_value()));
        self.ended = true;
    }

    /// Turns a change into the frame that this selection sees: objects that enter are added, those that leave deleted.
    async fn take(&mut self, change: &Change) -> Result<(), Status> {
        self.selection.prepare_one(&self.api, &change.entry).await?;
        if let Some(old) = &change.old {
            self.selection.prepare_one(&self.api, old).await?;
        }
        let now = change.kind != ChangeKind::Deleted && self.selection.selects(&change.entry);
        let before = change.old.as_deref().is_some_and(|old| self.selection.selects(old));
        match (before, now) {
            (false, true) => self.push(ChangeKind::Added, &change.entry).await,
            (true, true) => self.push(ChangeKind::Modified, &change.entry).await,
            (true, false) => match (&change.kind, &change.old) {
                (ChangeKind::Deleted, _) | (_, None) => self.push(ChangeKind::Deleted, &change.entry).await,
                // The last state that was selected, with the revision of the change.
                (_, Some(old)) => self.push(ChangeKind::Deleted, &old.at_revision(change.revision)).await,
            },
            (false, false) => Ok(()),
        }
    }

    async fn push(&mut self, kind: ChangeKind, entry: &Entry) -> Result<(), Status> {
        let view = &mut self.view;
        let frame = match (view.form, &view.row.storage, view.media) {
            (Form::Object, Storage::Own, Media::Json) => entry.frame_as(kind),
            (Form::Partial, Storage::Own, Media::Json) => {
                frame::partial(kind, view.meta_version, entry.json_of_metadata())
            }
            (Form::Object, Storage::Shared { .. }, Media::Json) => {
                frame::of_json(kind, &conversion::served_json(&self.api, &view.row, entry).await?)
            }
            _ => {
                let object = conversion::served_value(&self.api, &view.row, entry).await?;
                let object = view.transform(object, self.api.clock.now());
                frame::of(view.media, frame::word(kind), &object)
            }
        };
        self.pending.push_back(frame);
        Ok(())
    }
}

/// What a client is told that was too slow. It lists anew.
fn cut_off(revision: u64) -> Status {
    let message = format!("too old resource version: the watch was too slow and was cut off before {revision}");
    Status::plain(410, "Expired", message)
}

impl View {
    fn transform(&mut self, object: Value, now: jiff::Timestamp) -> Value {
        match self.form {
            Form::Object | Form::PartialList => object,
            Form::Partial => view::partial(&object, self.meta_version),
            Form::Table => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let columns = !std::mem::replace(&mut self.columns_sent, true);
                view::table(&self.row, std::iter::once(object), metadata, self.include, now, columns, self.meta_version)
            }
        }
    }

    fn push_bookmark(
        &mut self,
        revision: u64,
        initial_events_end: bool,
        now: jiff::Timestamp,
        pending: &mut VecDeque<Bytes>,
    ) {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_events_end {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let mut object = json!({"kind": &*self.row.kind, "apiVersion": self.row.api_version(), "metadata": metadata});
        if let Some(schema) = self.row.schema() {
            // Upstream sends Go's empty object of the type; the codec knows which zero values show. Best effort.
            let _ = api::codec::conform(&mut object, schema);
        }
        let object = self.transform(object, now);
        pending.push_back(frame::of(self.media, "BOOKMARK", &object));
    }
}
