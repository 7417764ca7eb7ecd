//! What an informer tells its listeners: changes, in order, coalesced per key while the listener is busy.
//!
//! Bounded by nature: a pending change is kept once per key, with the oldest `old` and the newest `new`.

use crate::{Object, ObjectKey};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// What became of one object since the listener last looked.
#[derive(Debug)]
pub struct Change<K> {
    /// Which object.
    pub key: ObjectKey,
    /// What the listener knew; `None` for a new object.
    pub old: Option<Arc<K>>,
    /// What there is now; `None` when it is gone. May have another uid than `old`: deleted and made again.
    pub new: Option<Arc<K>>,
}

impl<K> Clone for Change<K> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), old: self.old.clone(), new: self.new.clone() }
    }
}

impl<K: Object> Change<K> {
    /// The newest state that is known: `new`, else the last one before the deletion.
    pub fn latest(&self) -> Option<&Arc<K>> {
        self.new.as_ref().or(self.old.as_ref())
    }
}

/// A listener's end of an informer. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription<K> {
    mailbox: Arc<Mailbox<K>>,
}

#[derive(Debug)]
pub(crate) struct Mailbox<K> {
    state: Mutex<Pending<K>>,
    filled: Notify,
}

#[derive(Debug)]
struct Pending<K> {
    order: VecDeque<ObjectKey>,
    changes: HashMap<ObjectKey, Change<K>>,
    closed: bool,
}

impl<K: Object> Subscription<K> {
    pub(crate) fn new() -> (Self, Arc<Mailbox<K>>) {
        let state = Pending { order: VecDeque::new(), changes: HashMap::new(), closed: false };
        let mailbox = Arc::new(Mailbox { state: Mutex::new(state), filled: Notify::new() });
        (Self { mailbox: mailbox.clone() }, mailbox)
    }

    /// The next change; `None` once the informer has stopped and all changes were taken. Safe to drop half way.
    pub async fn next(&mut self) -> Option<Change<K>> {
        loop {
            let filled = self.mailbox.filled.notified();
            {
                let mut pending = self.mailbox.lock();
                if let Some(change) = pending.pop() {
                    return Some(change);
                }
                if pending.closed {
                    return None;
                }
            }
            filled.await; // one waiter only: a notification before the await is kept as a permit
        }
    }

    /// The next change, if one is there already.
    pub fn try_next(&mut self) -> Option<Change<K>> {
        self.mailbox.lock().pop()
    }
}

impl<K> Drop for Subscription<K> {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

impl<K> Pending<K> {
    fn pop(&mut self) -> Option<Change<K>> {
        while let Some(key) = self.order.pop_front() {
            if let Some(change) = self.changes.remove(&key) {
                return Some(change);
            }
        }
        None
    }
}

impl<K> Mailbox<K> {
    /// Adds a change; false when the listener has gone.
    pub(crate) fn post(&self, change: Change<K>) -> bool {
        let mut pending = self.lock();
        if pending.closed {
            return false;
        }
        if let Some(waiting) = pending.changes.get_mut(&change.key) {
            waiting.new = change.new;
            if waiting.old.is_none() && waiting.new.is_none() {
                pending.changes.remove(&change.key); // came and went unseen; its place in the order is skipped
            }
        } else {
            pending.order.push_back(change.key.clone());
            pending.changes.insert(change.key.clone(), change);
        }
        drop(pending);
        self.filled.notify_one();
        true
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pending<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn object(version: &str) -> Option<Arc<ConfigMap>> {
        let mut object = ConfigMap::default();
        object.metadata.name = Some("x".to_owned());
        object.metadata.resource_version = Some(version.to_owned());
        Some(Arc::new(object))
    }

    fn post(mailbox: &Mailbox<ConfigMap>, old: Option<Arc<ConfigMap>>, new: Option<Arc<ConfigMap>>) {
        mailbox.post(Change { key: ObjectKey::cluster("x"), old, new });
    }

    fn version(object: Option<&Arc<ConfigMap>>) -> Option<String> {
        object.and_then(|o| o.metadata.resource_version.clone())
    }

    #[test]
    fn changes_of_one_key_become_one() {
        let (mut subscription, mailbox) = Subscription::new();
        post(&mailbox, object("1"), object("2"));
        post(&mailbox, object("2"), None);
        post(&mailbox, None, object("3"));
        let change = subscription.try_next().unwrap();
        assert_eq!(version(change.old.as_ref()).as_deref(), Some("1"));
        assert_eq!(version(change.new.as_ref()).as_deref(), Some("3"));
        assert!(subscription.try_next().is_none());
    }

    #[test]
    fn what_came_and_went_unseen_is_not_told_but_what_follows_is() {
        let (mut subscription, mailbox) = Subscription::new();
        post(&mailbox, None, object("1"));
        post(&mailbox, object("1"), None);
        assert!(subscription.try_next().is_none());
        post(&mailbox, None, object("2"));
        assert_eq!(version(subscription.try_next().unwrap().new.as_ref()).as_deref(), Some("2"));
    }
}
