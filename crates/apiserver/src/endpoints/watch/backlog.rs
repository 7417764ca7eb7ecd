//! What a watch can tell at once, in the order in which it is told: what is there, what was missed, what has changed since.

use super::teller::Beginning;
use crate::cache::{Change, Changes, Entry, Subscription};
use std::sync::Arc;

/// What is to be looked at next.
#[derive(Debug)]
pub(super) enum Next {
    Initial(Arc<Entry>),
    Change(Arc<Change>),
    Bookmark { revision: u64, initial_end: bool },
}

pub(super) struct Backlog {
    initial: std::vec::IntoIter<Arc<Entry>>,
    initial_end: Option<u64>,
    missed: std::vec::IntoIter<Arc<Change>>,
    pub(super) changes: Changes,
    /// The revision of a bookmark that is due: all changes up to it have come.
    bookmark: Option<u64>,
    /// That of the last change that was looked at, or that the client has seen: what is not younger is not told.
    last: u64,
}

impl Backlog {
    pub(super) fn new(beginning: Beginning) -> Self {
        let Subscription { missed, changes } = beginning.subscription;
        let (initial, initial_end) = (beginning.selected.into_iter(), beginning.initial_end);
        Self { initial, initial_end, missed: missed.into_iter(), changes, bookmark: None, last: beginning.after }
    }

    /// Asks for a bookmark once all changes up to `revision`, which have come, are told.
    pub(super) fn bookmark(&mut self, revision: u64) {
        self.bookmark = Some(revision);
    }

    /// The next thing that is there already.
    pub(super) fn next(&mut self) -> Option<Next> {
        if let Some(entry) = self.initial.next() {
            return Some(Next::Initial(entry));
        }
        if let Some(revision) = self.initial_end.take() {
            return Some(Next::Bookmark { revision, initial_end: true });
        }
        while let Some(change) = self.missed.next().or_else(|| self.changes.try_recv()) {
            if let Some(next) = self.look_at(change) {
                return Some(next);
            }
        }
        // Who was cut off has lost changes, and must not be told that it has not.
        let revision = self.bookmark.take().filter(|_| !self.changes.is_cut_off())?;
        // Later changes may have come meanwhile, and bookmarks never lead back.
        Some(Next::Bookmark { revision: revision.max(self.last), initial_end: false })
    }

    /// The next change, once it comes; `None`: there will be none.
    pub(super) async fn recv(&mut self) -> Option<Next> {
        loop {
            let change = self.changes.recv().await?;
            if let Some(next) = self.look_at(change) {
                return Some(next);
            }
        }
    }

    fn look_at(&mut self, change: Arc<Change>) -> Option<Next> {
        if change.revision <= self.last {
            return None;
        }
        self.last = change.revision;
        Some(Next::Change(change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{ChangeKind, Header, MAX_QUEUED_CHANGES, queue};

    fn change(revision: u64) -> Arc<Change> {
        let stored = br#"{"metadata":{"name":"a"}}"#;
        let entry = Arc::new(Entry::detached("a", revision, stored, Arc::new(Header::default())));
        Arc::new(Change { revision, kind: ChangeKind::Modified, entry, old: None })
    }

    fn backlog(changes: Changes) -> Backlog {
        let subscription = Subscription { missed: vec![change(1)], changes };
        Backlog::new(Beginning { selected: Vec::new(), initial_end: None, after: 0, subscription })
    }

    fn told(backlog: &mut Backlog) -> Vec<String> {
        let show = |next| match next {
            Next::Initial(_) => "initial".to_owned(),
            Next::Change(change) => format!("change {}", change.revision),
            Next::Bookmark { revision, .. } => format!("bookmark {revision}"),
        };
        std::iter::from_fn(|| backlog.next()).map(show).collect()
    }

    #[test]
    fn bookmarks_come_after_all_that_they_speak_of_and_never_lead_back() {
        let (feeder, changes) = queue();
        let mut backlog = backlog(changes);
        feeder.offer(&change(2));
        backlog.bookmark(3); // of which this resource has no change
        assert_eq!(told(&mut backlog), ["change 1", "change 2", "bookmark 3"]);
        backlog.bookmark(3);
        feeder.offer(&change(5));
        assert_eq!(told(&mut backlog), ["change 5", "bookmark 5"]);
    }

    #[test]
    fn who_has_seen_a_later_revision_is_told_of_what_comes_after_it() {
        let (feeder, changes) = queue();
        let subscription = Subscription { missed: Vec::new(), changes };
        let beginning = Beginning { selected: Vec::new(), initial_end: None, after: 3, subscription };
        let mut backlog = Backlog::new(beginning);
        (2..6).for_each(|revision| assert!(feeder.offer(&change(revision))));
        assert_eq!(told(&mut backlog), ["change 4", "change 5"]);
    }

    #[test]
    fn who_has_lost_changes_is_not_told_that_all_have_been_told() {
        let (feeder, changes) = queue();
        let mut backlog = backlog(changes);
        let most = u64::try_from(MAX_QUEUED_CHANGES).unwrap();
        (2..most + 2).for_each(|revision| assert!(feeder.offer(&change(revision))));
        backlog.bookmark(most + 1);
        assert!(!feeder.offer(&change(most + 2)), "one too many");
        assert_eq!(told(&mut backlog), ["change 1"]);
        assert!(backlog.changes.is_cut_off());
    }
}
