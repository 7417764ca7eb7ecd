//! A local copy of a kind's objects, kept current by list and watch: `client-go`'s shared informer.
//!
//! The store changes first, then listeners are told. Listeners are functions that must only put something into a
//! queue, or coalescing subscriptions; both see every key that changed, in order. `managedFields` are not even decoded:
//! nothing here reads them, and they are half of a typical object.
//!
//! Informers of one client and one selection are one: whoever starts the second joins the first, and shares its objects.

use crate::lean::{Share, Trim, WITHOUT_MANAGED_FIELDS};
use crate::sharing::{self, Running};
use crate::store::IndexFn;
use crate::subscription::Mailbox;
use crate::watch::{self, Source, State, Step, WATCH_TIMEOUT_SECONDS};
use crate::{Backoff, Change, Client, Error, ObjectKey, Selection, Shutdown, Store, Subscription};
use clock::SharedClock;
use kube::Resource;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch as cell;

/// Waits between failed attempts: as client-go's reflector, but quicker at first, as the server is often just starting.
const RETRY: Backoff = Backoff { base: Duration::from_millis(50), max: Duration::from_secs(30) };
/// A watch that says nothing for this long is dead: the server should have ended it.
const IDLE_LIMIT: Duration = Duration::from_secs(WATCH_TIMEOUT_SECONDS as u64 + 10);
/// A watch that ends sooner than this without a single event counts as a failure, so that it is not asked in a loop.
const SHORT_WATCH: Duration = Duration::from_secs(1);

/// What an informer can hold: any kind with metadata that JSON can be decoded to.
pub trait Object: Resource + DeserializeOwned + Clone + std::fmt::Debug + Send + Sync + 'static {}
impl<K: Resource + DeserializeOwned + Clone + std::fmt::Debug + Send + Sync + 'static> Object for K {}

type Handler<K> = Box<dyn Fn(&Change<K>) + Send + Sync>;

/// What an informer is to hold. Listeners and indices are given before it starts, so that they miss nothing.
pub struct InformerBuilder<K> {
    source: Source,
    clock: SharedClock,
    indices: Vec<(&'static str, IndexFn<K>)>,
    handlers: Vec<Handler<K>>,
    running: Arc<Running>,
    trim: Option<Trim<K>>,
}

/// A running informer. Cheap to clone; it runs until its shutdown token is cancelled.
pub struct Informer<K> {
    store: Store<K>,
    listeners: Arc<Mutex<Listeners<K>>>,
    share: Share<K>,
    synced: cell::Receiver<bool>,
    user: u64,
}

/// Each with the number of the user that it belongs to.
struct Listeners<K> {
    handlers: Vec<(u64, Handler<K>)>,
    mailboxes: Vec<(u64, Arc<Mailbox<K>>)>,
    /// The newest object: others that come together with it are likely to be like it.
    newest: Option<Arc<K>>,
    stopped: bool,
}

impl<K> Clone for Informer<K> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            listeners: self.listeners.clone(),
            share: self.share,
            synced: self.synced.clone(),
            user: self.user,
        }
    }
}

impl<K> std::fmt::Debug for Informer<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Informer").field("synced", &*self.synced.borrow()).finish_non_exhaustive()
    }
}

impl<K> std::fmt::Debug for InformerBuilder<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InformerBuilder").field("path", &self.source.url_path).finish_non_exhaustive()
    }
}

impl<K: Object> InformerBuilder<K> {
    /// Objects of a type of k8s-openapi.
    pub fn new(client: &Client, clock: SharedClock, selection: Selection) -> Self
    where
        K: Resource<DynamicType = ()>,
    {
        Self::dynamic(client, clock, selection, &())
    }

    /// Objects of a resource known only at run time. With `K` = [`crate::PartialObjectMeta`] only metadata is sent.
    pub fn dynamic(client: &Client, clock: SharedClock, selection: Selection, resource: &K::DynamicType) -> Self {
        let url_path = K::url_path(resource, selection.namespace.as_deref());
        let (kube, direct) = (client.kube().clone(), client.direct().cloned());
        let (metadata_only, fields) = (K::metadata_api(), &WITHOUT_MANAGED_FIELDS);
        let source = Source { client: kube, direct, url_path, selection, metadata_only, fields };
        let (indices, handlers, running) = (Vec::new(), Vec::new(), client.informers().clone());
        Self { source, clock, indices, handlers, running, trim: None }
    }

    /// Leaves out of each object what none of its users reads: client-go's `SetTransform`. Informers with trims of
    /// different names are not shared.
    #[must_use]
    pub fn trim(mut self, trim: Trim<K>) -> Self {
        self.source.fields = trim.fields;
        self.trim = Some(trim);
        self
    }

    /// Adds an index: [`Store::by_index`] finds objects by any of the values that `of` gives.
    #[must_use]
    pub fn index(mut self, name: &'static str, of: IndexFn<K>) -> Self {
        self.indices.push((name, of));
        self
    }

    /// Adds a listener, called in order for each change, on the informer's own task: it may only note the change
    /// down (a queue, a flag), never wait.
    #[must_use]
    pub fn on_change(mut self, handler: impl Fn(&Change<K>) + Send + Sync + 'static) -> Self {
        self.handlers.push(Box::new(handler));
        self
    }

    /// Starts it on the current tokio runtime, or joins the one that runs already for the same selection. `shutdown` ends
    /// this user's part; the last one's ends the informer.
    pub fn start(self, shutdown: Shutdown) -> Informer<K> {
        let Self { source, clock, indices, handlers, running, trim } = self;
        let key = sharing::Key::of::<K>(&source, trim);
        let share: Share<K> = trim.map_or(|_, _| {}, |trim| trim.share);
        let (informer, user) = running.join(key.clone(), |stopped| Informer::run(source, clock, share, stopped));
        let (own_synced, synced) = cell::channel(false);
        let all_synced = informer.synced.clone();
        let Informer { store, listeners, share, .. } = informer;
        let own = Informer { store: store.join(user, indices), listeners, share, synced, user };
        handlers.into_iter().for_each(|handler| own.add(handler));
        let leaving = own.clone();
        tokio::spawn(async move {
            let stopped = shutdown.cancelled();
            futures::pin_mut!(stopped);
            let mut all = all_synced.clone();
            let synced = all.wait_for(|synced| *synced);
            futures::pin_mut!(synced);
            if let futures::future::Either::Right((Ok(_), _)) = futures::future::select(&mut stopped, synced).await {
                own_synced.send_replace(true);
            }
            // The informer itself may stop before, with its runtime; then there is nothing left to leave.
            let mut until_end = all_synced.clone();
            let ended = async move { while until_end.changed().await.is_ok() {} };
            futures::pin_mut!(ended);
            futures::future::select(stopped, ended).await;
            leaving.leave();
            running.leave(&key);
        });
        own
    }
}

impl<K: Object> Informer<K> {
    fn run(source: Source, clock: SharedClock, share: Share<K>, stopped: Shutdown) -> Self {
        let listeners = Listeners { handlers: Vec::new(), mailboxes: Vec::new(), newest: None, stopped: false };
        let (synced_sender, synced) = cell::channel(false);
        let listeners = Arc::new(Mutex::new(listeners));
        let informer = Self { store: Store::new(), listeners, share, synced, user: 0 };
        let runner = Runner { source, clock, informer: informer.clone(), synced_sender };
        tokio::spawn(async move {
            let stopped = stopped.cancelled_owned();
            futures::pin_mut!(stopped);
            let informer = runner.informer.clone();
            let run = runner.run();
            futures::pin_mut!(run);
            futures::future::select(stopped, run).await;
            informer.stop();
        });
        informer
    }
}

impl<K: Object> Informer<K> {
    /// The objects.
    pub fn store(&self) -> &Store<K> {
        &self.store
    }

    /// Whether the store has held a complete list.
    pub fn has_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Waits until the store has held a complete list and all listeners were told of it. False when the informer
    /// stopped before.
    pub async fn wait_synced(&self) -> bool {
        self.synced.clone().wait_for(|synced| *synced).await.is_ok()
    }

    /// A new listener. What the store holds already comes first, as new objects.
    pub fn subscribe(&self) -> Subscription<K> {
        let (subscription, mailbox) = Subscription::new();
        let mut listeners = self.lock();
        for object in self.store.list() {
            mailbox.post(Change { key: ObjectKey::of(&*object), old: None, new: Some(object) });
        }
        if listeners.stopped {
            mailbox.close();
        }
        listeners.mailboxes.push((self.user, mailbox));
        subscription
    }

    /// Adds a listener to a running informer, under the rules of [`InformerBuilder::on_change`]. It is told of what
    /// the store holds at once, as new objects.
    pub fn add_handler(&self, handler: impl Fn(&Change<K>) + Send + Sync + 'static) {
        self.add(Box::new(handler));
    }

    fn add(&self, handler: Handler<K>) {
        let mut listeners = self.lock();
        for object in self.store.list() {
            handler(&Change { key: ObjectKey::of(&*object), old: None, new: Some(object) });
        }
        if !listeners.stopped {
            listeners.handlers.push((self.user, handler));
        }
    }

    /// Takes this user's listeners and indices away.
    fn leave(&self) {
        let mut listeners = self.lock();
        listeners.handlers.retain(|(user, _)| *user != self.user);
        listeners.mailboxes.retain(|(user, mailbox)| {
            if *user == self.user {
                mailbox.close();
            }
            *user != self.user
        });
        drop(listeners);
        self.store.leave(self.user);
    }

    fn apply(&self, object: K) {
        // A copy has lists of just their length; decoded ones have room for four: for containers and volumes of a pod that
        // is three quarters of it.
        let mut new = object.clone();
        drop(object);
        let key = ObjectKey::of(&new);
        let mut listeners = self.lock(); // held over both: a subscriber sees an object once, in the store or as a change
        let before = self.store.get(&key);
        if let Some(like) = before.as_ref().or(listeners.newest.as_ref()) {
            (self.share)(&mut new, like);
        }
        let new = Arc::new(new);
        if before.is_none() {
            listeners.newest = Some(new.clone());
        }
        self.store.insert(&key, new.clone());
        listeners.tell(&Change { key, old: before, new: Some(new) });
    }

    fn remove(&self, key: ObjectKey) {
        let mut listeners = self.lock();
        if let Some(old) = self.store.remove(&key) {
            listeners.tell(&Change { key, old: Some(old), new: None });
        }
    }

    fn replace_all(&self, objects: Vec<K>) {
        let listed: HashSet<ObjectKey> = objects.iter().map(ObjectKey::of).collect();
        for key in self.store.keys() {
            if !listed.contains(&key) {
                self.remove(key);
            }
        }
        for object in objects {
            let known = self.store.get(&ObjectKey::of(&object));
            if known.is_none_or(|known| known.meta().resource_version != object.meta().resource_version) {
                self.apply(object);
            }
        }
    }

    fn stop(&self) {
        let mut listeners = self.lock();
        listeners.stopped = true;
        listeners.mailboxes.drain(..).for_each(|(_, mailbox)| mailbox.close());
        listeners.handlers.clear();
        listeners.newest = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Listeners<K>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Listeners<K> {
    fn tell(&mut self, change: &Change<K>) {
        self.handlers.iter().for_each(|(_, handler)| handler(change));
        self.mailboxes.retain(|(_, mailbox)| mailbox.post(change.clone()));
    }
}

struct Runner<K> {
    source: Source,
    clock: SharedClock,
    informer: Informer<K>,
    synced_sender: cell::Sender<bool>,
}

impl<K: Object> Runner<K> {
    async fn run(self) {
        let mut state = State::Empty;
        let mut failures = 0;
        let mut opened_at = Duration::ZERO;
        let mut heard = false;
        loop {
            let known_version = match &state {
                State::Watching { resource_version, .. } => Some(resource_version.clone()),
                State::Empty | State::Known { .. } => None,
            };
            let next = watch::step(&self.source, state);
            let (after, result) = match clock::timeout(&*self.clock, IDLE_LIMIT, next).await {
                Some(step) => step,
                None => match known_version {
                    Some(resource_version) => (State::Known { resource_version }, Ok(Step::Ended)),
                    None => (State::Empty, Ok(Step::Ended)),
                },
            };
            state = after;
            match result {
                Ok(Step::Opened) => {
                    opened_at = self.clock.monotonic();
                    heard = false;
                }
                Ok(Step::Ended) if !heard && self.clock.monotonic().saturating_sub(opened_at) < SHORT_WATCH => {
                    failures += 1;
                    self.clock.sleep(RETRY.delay(failures)).await;
                }
                Ok(Step::Ended) => {}
                Ok(step) => {
                    heard = true;
                    failures = 0;
                    self.take(step);
                }
                Err(error) => {
                    failures += 1;
                    self.log(&error, failures);
                    self.clock.sleep(RETRY.delay(failures)).await;
                }
            }
        }
    }

    fn take(&self, step: Step<K>) {
        match step {
            Step::Listed(objects) => {
                self.informer.replace_all(objects);
                self.synced_sender.send_replace(true);
            }
            Step::Applied(object) => self.informer.apply(object),
            Step::Deleted(object) => self.informer.remove(ObjectKey::of(&object)),
            Step::Opened | Step::Bookmark | Step::Ended => {}
        }
    }

    fn log(&self, error: &Error, failures: u32) {
        let path = &self.source.url_path;
        if error.is_expired() || matches!(error, Error::Transport(_)) && failures == 1 {
            tracing::debug!(%path, %error, "watch interrupted");
        } else {
            tracing::warn!(%path, %error, failures, "cannot watch");
        }
    }
}

#[cfg(test)]
mod tests;
