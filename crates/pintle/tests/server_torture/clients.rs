//! Clients: each writes and reads a few objects that all of them want, as fast as it is answered, until nobody answers.

use crate::history::{Answer, Done, Event, Found, History, Want};
use crate::last_write;
use crate::server::Server;
use client::{Client, DeleteParams, Error, ListParams, ObjectKey, Preconditions};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{WatchEvent, WatchParams};
use kube::core::Request;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinHandle;

const CLIENTS: usize = 8;
/// Objects that clients quarrel about.
const KEYS: usize = 6;
/// The largest value, in bytes.
const MAX_VALUE_BYTES: usize = 5000;
const NAMESPACE: &str = "default";
const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
/// Theirs, so that other objects of the namespace are left alone.
const LABEL: &str = "torture=yes";

/// What all clients of a life share.
struct Shared {
    /// The highest revision that was answered.
    acknowledged: AtomicU64,
    /// The same of each object.
    floors: [AtomicU64; KEYS],
    /// How many writes were answered with success.
    written: tokio::sync::watch::Sender<u64>,
}

struct Writer {
    client: Client,
    rng: StdRng,
    shared: Arc<Shared>,
    known: [Option<u64>; KEYS],
}

pub fn name(key: usize) -> String {
    format!("key-{key}")
}

fn key_of(name: &str) -> usize {
    name.strip_prefix("key-").and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{name} is not ours"))
}

fn object_key(key: usize) -> ObjectKey {
    ObjectKey::namespaced(NAMESPACE, name(key))
}

fn revision_of(map: &ConfigMap) -> u64 {
    map.metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).expect("a resourceVersion")
}

fn value_of(map: &ConfigMap) -> u64 {
    let value = map.data.as_ref().and_then(|data| data.get("value"));
    value.and_then(|text| text.parse().ok()).expect("a value")
}

impl Writer {
    fn map(&mut self, key: usize, value: u64, expect: Option<u64>) -> ConfigMap {
        let padding = "x".repeat(self.rng.random_range(0..MAX_VALUE_BYTES));
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name(key));
        map.metadata.namespace = Some(NAMESPACE.to_owned());
        map.metadata.labels = Some(BTreeMap::from([("torture".to_owned(), "yes".to_owned())]));
        map.metadata.resource_version = expect.map(|revision| revision.to_string());
        map.data = Some(BTreeMap::from([("value".to_owned(), value.to_string()), ("padding".to_owned(), padding)]));
        map
    }

    async fn ask(&mut self, key: usize, want: Want) -> Result<Answer, Error> {
        let written = |map: ConfigMap| Answer::Written(revision_of(&map));
        match want {
            Want::Create(value) => {
                let map = self.map(key, value, None);
                self.client.create(&map).await.map(written)
            }
            Want::Update(expect, value) => {
                let map = self.map(key, value, Some(expect));
                self.client.update(&map).await.map(written)
            }
            Want::Delete(expect) => {
                let preconditions = Preconditions { resource_version: Some(expect.to_string()), uid: None };
                let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
                self.client.delete::<ConfigMap>(&object_key(key), &params).await.map(|()| Answer::Deleted)
            }
            Want::Read => {
                let found = self.client.get_opt::<ConfigMap>(&object_key(key)).await?;
                Ok(Answer::Read(found.map(|map| (revision_of(&map), value_of(&map)))))
            }
        }
    }

    /// One request. False: nobody answers any more.
    async fn step(&mut self, value: u64, done: &mut Vec<Done>) -> bool {
        let key = self.rng.random_range(0..KEYS);
        let want = match (self.rng.random_range(0..10), self.known[key]) {
            (0..3, _) => Want::Read,
            (3, _) | (_, None) => Want::Create(value),
            (4, Some(known)) => Want::Delete(known),
            (5, Some(known)) => Want::Update(known.saturating_sub(self.rng.random_range(0..3)).max(1), value),
            (_, Some(known)) => Want::Update(known, value),
        };
        let asked_after = self.shared.acknowledged.load(Ordering::SeqCst);
        let floor = self.shared.floors[key].load(Ordering::SeqCst);
        let answer = match self.ask(key, want).await {
            Ok(answer) => answer,
            Err(error) if error.is_conflict() || error.is_already_exists() => Answer::Refused,
            Err(error) if error.is_not_found() => Answer::Missing,
            // What a dying server says is as good as nothing: whether it has written is not known.
            Err(error) => {
                assert!(error.code() == 0 || error.code() >= 500, "{want:?}: {error}");
                Answer::Unknown
            }
        };
        self.learn(key, want, answer);
        done.push(Done { key, want, asked_after, floor, answer });
        answer != Answer::Unknown
    }

    fn learn(&mut self, key: usize, want: Want, answer: Answer) {
        let acknowledge = |revision: u64| {
            self.shared.floors[key].fetch_max(revision, Ordering::SeqCst);
            self.shared.acknowledged.fetch_max(revision, Ordering::SeqCst);
            self.shared.written.send_modify(|written| *written += 1);
        };
        match (want, answer) {
            (_, Answer::Written(revision)) => {
                acknowledge(revision);
                self.known[key] = Some(revision);
            }
            // The answer does not say at which revision: at one after that which was deleted.
            (Want::Delete(expect), Answer::Deleted) => {
                acknowledge(expect + 1);
                self.known[key] = None;
            }
            (_, Answer::Read(found)) => self.known[key] = found.map(|(revision, _)| revision),
            (_, Answer::Missing) => self.known[key] = None,
            _ => {}
        }
    }
}

/// All objects and the revision of the list.
pub async fn list(client: &Client) -> (Found, u64) {
    let list = client.list::<ConfigMap>(Some(NAMESPACE), &ListParams::default().labels(LABEL)).await.unwrap();
    let revision = list.metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap();
    let one = |map: &ConfigMap| (key_of(map.metadata.name.as_deref().unwrap()), (revision_of(map), value_of(map)));
    (list.items.iter().map(one).collect(), revision)
}

fn watch_from(revision: u64) -> http::Request<Vec<u8>> {
    let params = WatchParams { label_selector: Some(LABEL.to_owned()), bookmarks: false, ..WatchParams::default() };
    Request::new(COLLECTION).watch(&params, &revision.to_string()).unwrap()
}

fn event(event: WatchEvent<ConfigMap>) -> Result<Event, Box<kube::core::Status>> {
    let made = |map: ConfigMap, is_new: bool| Event {
        revision: revision_of(&map),
        key: key_of(map.metadata.name.as_deref().unwrap()),
        is_new,
        value: Some(value_of(&map)),
    };
    match event {
        WatchEvent::Added(map) => Ok(made(map, true)),
        WatchEvent::Modified(map) => Ok(made(map, false)),
        WatchEvent::Deleted(map) => Ok(Event { value: None, ..made(map, false) }),
        WatchEvent::Bookmark(_) => panic!("nobody asked for bookmarks"),
        WatchEvent::Error(status) => Err(status),
    }
}

/// All events after `revision` until the connection breaks, which may be before it has begun: none then.
pub async fn watch(client: Client, revision: u64) -> Vec<Event> {
    let mut stream = match client.kube().request_events::<ConfigMap>(watch_from(revision)).await {
        Ok(stream) => stream.boxed(),
        Err(kube::Error::Api(status)) => panic!("a watch from a list that was just made is refused: {status:?}"),
        Err(_) => return Vec::new(),
    };
    let mut events = Vec::new();
    while let Some(Ok(next)) = stream.next().await {
        events.push(event(next).expect("the history reaches back to a list that was just made"));
    }
    events
}

/// Watches from where the life before has left off. Either the server says that this is too long ago, or it shows what
/// has happened since.
pub async fn look_back(client: &Client, history: &History, found: &Found, revision: u64) {
    let Some(seen) = history.seen().filter(|_| history.differs(found)) else { return };
    let mut stream = client.kube().request_events::<ConfigMap>(watch_from(seen)).await.unwrap().boxed();
    let mut state = history.state().clone();
    let mut last = seen;
    while state != *found {
        let next = match event(stream.next().await.expect("the watch goes on").unwrap()) {
            Ok(next) => next,
            Err(status) => {
                assert_eq!(status.code, 410, "{status:?}");
                return;
            }
        };
        assert!(next.revision > last && next.revision <= revision, "{next:?} after {last}");
        last = next.revision;
        match next.value {
            Some(value) => drop(state.insert(next.key, (next.revision, value))),
            None => drop(state.remove(&next.key)),
        }
    }
}

/// Lets clients at the server, kills it in the midst, and gives what they were answered and what was watched.
pub async fn run_until_killed(
    server: &Server,
    rng: &mut StdRng,
    watcher: JoinHandle<Vec<Event>>,
    most_writes: u64,
) -> (Vec<Done>, Vec<Event>) {
    let (written, mut counted) = tokio::sync::watch::channel(0);
    let shared = Arc::new(Shared { acknowledged: AtomicU64::new(0), floors: Default::default(), written });
    static VALUES: AtomicU64 = AtomicU64::new(1);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut writer = Writer {
            client: server.client().await,
            rng: StdRng::seed_from_u64(rng.random()),
            shared: shared.clone(),
            known: [None; KEYS],
        };
        clients.push(tokio::spawn(async move {
            let mut done = Vec::new();
            while writer.step(VALUES.fetch_add(1, Ordering::Relaxed), &mut done).await {}
            done
        }));
    }
    let last = last_write(rng, most_writes);
    counted.wait_for(|written| *written >= last).await.unwrap();
    server.kill();
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    (all, watcher.await.unwrap())
}
