//! What a watch tells, in order, whatever form it takes then: what is there, what was missed, what changes.
//!
//! Nothing is told before someone asks, so that a client that stands still costs no more than what waits for it in the
//! cache. One that does not read fast enough is cut off there: it is told of an error once it reads again.

use crate::cache::{Change, ChangeKind, Changes, Entry, Subscription};
use crate::selection::Selection;
use crate::server::Api;
use api::status::Status;
use futures::future::BoxFuture;
use registry::Resource;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Bookmarks go out this often, as upstream's do.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);

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

/// One thing that is told.
pub(super) enum Told {
    /// An object has entered the selection, changed in it, or left it.
    Object(ChangeKind, Arc<Entry>),
    /// All changes up to this revision have been told.
    Bookmark { revision: u64, initial_end: bool },
    /// Nothing comes after it.
    Error(Status),
}

/// What is to be looked at next.
enum Next {
    Initial(Arc<Entry>),
    Change(Arc<Change>),
    Bookmark { revision: u64, initial_end: bool },
}

pub(super) struct Teller {
    api: Arc<Api>,
    selection: Selection,
    bookmarks: bool,
    initial: std::vec::IntoIter<Arc<Entry>>,
    initial_end: Option<u64>,
    missed: std::vec::IntoIter<Arc<Change>>,
    changes: Changes,
    /// The revision of a bookmark that is due: all changes up to it are in the queue.
    bookmark: Option<u64>,
    ended: bool,
    /// The row was replaced: the client comes back and finds another, or none.
    retired: CancellationToken,
    deadline: BoxFuture<'static, ()>,
    bookmark_due: BoxFuture<'static, ()>,
}

impl Teller {
    pub(super) fn new(
        api: &Arc<Api>,
        row: &Arc<Resource>,
        selection: Selection,
        beginning: Beginning,
        lasting: Lasting,
    ) -> Self {
        let Subscription { missed, changes } = beginning.subscription;
        Self {
            retired: api.rows.retirement(row),
            deadline: api.clock.sleep(Duration::from_secs(lasting.seconds)),
            bookmark_due: api.clock.sleep(BOOKMARK_PERIOD),
            api: api.clone(),
            selection,
            bookmarks: lasting.bookmarks,
            initial: beginning.selected.into_iter(),
            initial_end: beginning.initial_end,
            missed: missed.into_iter(),
            changes,
            bookmark: None,
            ended: false,
        }
    }

    /// The server that is watched.
    pub(super) fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// The next thing that can be told without waiting for it to happen.
    pub(super) async fn try_next(&mut self) -> Option<Told> {
        while !self.ended {
            let next = self.ready()?;
            if let Some(told) = self.see(next).await {
                return Some(told);
            }
        }
        None
    }

    /// The next thing, once there is one; `None`: the watch is over.
    pub(super) async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.try_next().await {
                return Some(told);
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                biased;
                () = self.api.stopping.cancelled() => self.ended = true,
                // What has come is still told, the deletion of a definition's last instances above all; then `recv` ends.
                () = self.retired.cancelled(), if !self.changes.is_closed() => self.changes.close(),
                change = self.changes.recv() => match change {
                    Some(change) => {
                        if let Some(told) = self.see(Next::Change(change)).await {
                            return Some(told);
                        }
                    }
                    None => {
                        self.ended = true;
                        if self.changes.is_cut_off() {
                            return Some(Told::Error(cut_off(self.api.cache.revision())));
                        }
                    }
                },
                () = &mut self.deadline => self.ended = true,
                () = &mut self.bookmark_due => {
                    self.bookmark_due = self.api.clock.sleep(BOOKMARK_PERIOD);
                    self.bookmark = self.bookmarks.then(|| self.api.cache.revision());
                }
            }
        }
    }

    fn ready(&mut self) -> Option<Next> {
        if let Some(entry) = self.initial.next() {
            return Some(Next::Initial(entry));
        }
        if let Some(revision) = self.initial_end.take() {
            return Some(Next::Bookmark { revision, initial_end: true });
        }
        let change = self.missed.next().or_else(|| self.changes.try_recv()).map(Next::Change);
        change.or_else(|| self.bookmark.take().map(|revision| Next::Bookmark { revision, initial_end: false }))
    }

    /// What this selection sees of it.
    async fn see(&mut self, next: Next) -> Option<Told> {
        match next {
            Next::Initial(entry) => Some(Told::Object(ChangeKind::Added, entry)),
            Next::Bookmark { revision, initial_end } => Some(Told::Bookmark { revision, initial_end }),
            Next::Change(change) => self.take(&change).await.unwrap_or_else(|status| {
                self.ended = true;
                Some(Told::Error(status))
            }),
        }
    }

    /// Objects that enter the selection are added, those that leave it deleted.
    async fn take(&mut self, change: &Change) -> Result<Option<Told>, Status> {
        self.selection.prepare_one(&self.api, &change.entry).await?;
        if let Some(old) = &change.old {
            self.selection.prepare_one(&self.api, old).await?;
        }
        let now = change.kind != ChangeKind::Deleted && self.selection.selects(&change.entry);
        let before = change.old.as_deref().is_some_and(|old| self.selection.selects(old));
        let (kind, entry) = match (before, now) {
            (false, true) => (ChangeKind::Added, change.entry.clone()),
            (true, true) => (ChangeKind::Modified, change.entry.clone()),
            (true, false) => match (&change.kind, &change.old) {
                (ChangeKind::Deleted, _) | (_, None) => (ChangeKind::Deleted, change.entry.clone()),
                // The last state that was selected, with the revision of the change.
                (_, Some(old)) => (ChangeKind::Deleted, Arc::new(old.at_revision(change.revision))),
            },
            (false, false) => return Ok(None),
        };
        Ok(Some(Told::Object(kind, entry)))
    }
}

/// What a client is told that was too slow. It lists anew.
fn cut_off(revision: u64) -> Status {
    let message = format!("too old resource version: the watch was too slow and was cut off before {revision}");
    Status::plain(410, "Expired", message)
}
