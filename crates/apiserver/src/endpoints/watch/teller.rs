//! What a watch tells, in order, whatever form it takes then: what is there, what was missed, what changes.
//!
//! Nothing is told before someone asks, so that a client that stands still costs no more than what waits for it in the
//! cache. One that does not read fast enough is cut off there: it is told of an error once it reads again.

use super::backlog::{Backlog, Next};
use crate::cache::{Change, ChangeKind, Entry, Subscription};
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
/// The last one goes out this long before the end, so that who comes back has little to catch up with.
const LAST_BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// What comes first.
pub(super) struct Beginning {
    /// The objects that are there.
    pub(super) selected: Vec<Arc<Entry>>,
    /// The revision of the bookmark after them, where one was asked for.
    pub(super) initial_end: Option<u64>,
    /// The revision that the client has seen already; 0 for none.
    pub(super) after: u64,
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

pub(super) struct Teller {
    api: Arc<Api>,
    selection: Selection,
    bookmarks: bool,
    backlog: Backlog,
    ended: bool,
    /// The row was replaced: the client comes back and finds another, or none.
    retired: CancellationToken,
    deadline: BoxFuture<'static, ()>,
    bookmark_due: BoxFuture<'static, ()>,
    /// How much time is left when it is.
    left: Duration,
}

/// How long it is to the next bookmark when the watch lasts that much longer; `None`: there will be none.
fn bookmark_wait(left: Duration) -> Option<Duration> {
    let last = left.checked_sub(LAST_BOOKMARK_BEFORE_END).filter(|wait| !wait.is_zero())?;
    Some(last.min(BOOKMARK_PERIOD))
}

impl Teller {
    pub(super) fn new(
        api: &Arc<Api>,
        row: &Arc<Resource>,
        selection: Selection,
        beginning: Beginning,
        lasting: Lasting,
    ) -> Self {
        let mut teller = Self {
            retired: api.rows.retirement(row),
            deadline: api.clock.sleep(Duration::from_secs(lasting.seconds)),
            bookmark_due: Box::pin(std::future::pending()),
            left: Duration::from_secs(lasting.seconds),
            api: api.clone(),
            selection,
            bookmarks: lasting.bookmarks,
            backlog: Backlog::new(beginning),
            ended: false,
        };
        teller.plan_bookmark();
        teller
    }

    fn plan_bookmark(&mut self) {
        let wait = bookmark_wait(self.left).filter(|_| self.bookmarks);
        self.left = self.left.saturating_sub(wait.unwrap_or_default());
        self.bookmark_due = match wait {
            Some(wait) => self.api.clock.sleep(wait),
            None => Box::pin(std::future::pending()),
        };
    }

    /// The server that is watched.
    pub(super) fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// The next thing that can be told without waiting for it to happen.
    pub(super) async fn try_next(&mut self) -> Option<Told> {
        while !self.ended {
            let next = self.backlog.next()?;
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
                () = self.retired.cancelled(), if !self.backlog.changes.is_closed() => self.backlog.changes.close(),
                next = self.backlog.recv() => match next {
                    Some(next) => {
                        if let Some(told) = self.see(next).await {
                            return Some(told);
                        }
                    }
                    None => {
                        self.ended = true;
                        if self.backlog.changes.is_cut_off() {
                            return Some(Told::Error(cut_off(self.api.cache.revision())));
                        }
                    }
                },
                () = &mut self.deadline => self.ended = true,
                () = &mut self.bookmark_due => {
                    self.plan_bookmark();
                    self.backlog.bookmark(self.api.cache.revision());
                }
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bookmarks_come_each_minute_and_right_before_the_end() {
        let waits = |seconds: u64| {
            let mut left = Duration::from_secs(seconds);
            let next = || {
                let wait = bookmark_wait(left)?;
                left -= wait;
                Some(wait.as_secs())
            };
            std::iter::from_fn(next).collect::<Vec<_>>()
        };
        assert_eq!(waits(150), [60, 60, 28]);
        assert_eq!(waits(62), [60]);
        assert_eq!(waits(3), [1]);
        assert!(waits(2).is_empty() && waits(0).is_empty());
    }
}
