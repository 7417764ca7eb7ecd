//! The cache against a real store: snapshots of the past, watches, resumption, slow watchers.

use super::*;
use crate::rows::Rows;
use crate::storage::Storage;
use serde_json::json;
use store::{Embedded, Expect, Revision};

struct Fixture {
    _directory: tempfile::TempDir,
    cache: Arc<Cache>,
    rows: Arc<Rows>,
    storage: Storage,
}

async fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(&directory.path().join("db"), clock::system()).unwrap());
    let (cache, rows) = (Arc::new(Cache::default()), Arc::new(Rows::builtin(Vec::new())));
    tokio::spawn(follow(cache.clone(), store.clone(), rows.clone(), clock::system()).await.unwrap());
    Fixture { _directory: directory, storage: Storage::new(store, cache.clone(), clock::system(), None), cache, rows }
}

impl Fixture {
    async fn put(&self, name: &str, node: &str, expect: Expect) -> u64 {
        let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"namespace": "a", "name": name},
            "spec": {"nodeName": node}});
        let row = self.rows.find("", "v1", "pods").unwrap();
        self.storage.put(&row, &format!("a/{name}"), &pod, expect).await.unwrap().revision
    }

    async fn delete(&self, name: &str, at: u64) -> u64 {
        let row = self.rows.find("", "v1", "pods").unwrap();
        self.storage.delete(&row, &format!("a/{name}"), at).await.unwrap()
    }
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.range(None, None).map(|entry| format!("{}@{}", entry.header.name(), entry.revision)).collect()
}

#[tokio::test]
async fn a_snapshot_of_the_past_undoes_what_came_later() {
    let f = fixture().await;
    let first = f.put("p", "", Expect::Absent).await;
    let second = f.put("q", "", Expect::Absent).await;
    let third = f.put("p", "n", Expect::At(Revision(first))).await;
    let fourth = f.delete("q", second).await;
    let shelf = f.cache.shelf("", "pods");
    assert_eq!(names(&shelf.snapshot_at(second).unwrap()), [format!("p@{first}"), format!("q@{second}")]);
    assert_eq!(names(&shelf.snapshot_at(third).unwrap()), [format!("p@{third}"), format!("q@{second}")]);
    assert_eq!(names(&shelf.snapshot_at(fourth).unwrap()), [format!("p@{third}")]);
    assert_eq!(f.cache.revision(), fourth);
}

#[tokio::test]
async fn a_watch_of_a_field_sees_what_enters_and_leaves_and_nothing_else() {
    let f = fixture().await;
    let shelf = f.cache.shelf("", "pods");
    let interest = Interest { namespace: None, field: Some(("spec.nodeName".into(), "n".into())) };
    let mut watch = shelf.watch(f.cache.revision(), interest.clone()).unwrap();
    let other = f.put("other", "m", Expect::Absent).await;
    let made = f.put("p", "", Expect::Absent).await;
    let bound = f.put("p", "n", Expect::At(Revision(made))).await;
    let left = f.put("p", "m", Expect::At(Revision(bound))).await;
    f.delete("other", other).await;
    let mut seen = Vec::new();
    while let Some(change) = watch.changes.try_recv() {
        seen.push(change.revision);
    }
    assert_eq!(seen, [bound, left]);
    let again = shelf.watch(made, interest).unwrap();
    assert_eq!(again.missed.iter().map(|change| change.revision).collect::<Vec<_>>(), [bound, left]);
}

#[tokio::test]
async fn a_deletion_carries_the_last_state_with_the_revision_of_the_deletion() {
    let f = fixture().await;
    let made = f.put("p", "n", Expect::Absent).await;
    let mut watch = f.cache.shelf("", "pods").watch(made, Interest::default()).unwrap();
    let gone = f.delete("p", made).await;
    let change = watch.changes.recv().await.unwrap();
    let frame = String::from_utf8(change.entry.frame().to_vec()).unwrap();
    let wanted = format!(
        "{{\"type\":\"DELETED\",\"object\":{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"resourceVersion\":\"{gone}\",\
         \"name\":\"p\",\"namespace\":\"a\"}},\"spec\":{{\"nodeName\":\"n\"}}}}}}\n"
    );
    assert_eq!(frame, wanted);
}

#[tokio::test]
async fn a_slow_watcher_is_cut_off_and_can_come_back() {
    let f = fixture().await;
    let shelf = f.cache.shelf("", "pods");
    let mut at = f.put("p", "", Expect::Absent).await;
    let mut slow = shelf.watch(at, Interest::default()).unwrap();
    let names: Vec<String> = (0..4200).map(|count| format!("p{count}")).collect(); // more than a watcher's queue holds
    let writes = names.iter().map(|name| f.put(name, "n", Expect::Absent));
    let last = futures::future::join_all(writes).await.into_iter().max().unwrap();
    while let Some(change) = slow.changes.recv().await {
        at = change.revision;
    }
    assert!(slow.changes.is_cut_off() && at < last, "cut off at {at}, before {last}");
    let again = shelf.watch(at, Interest::default()).unwrap();
    assert_eq!(again.missed.last().unwrap().revision, last);
    assert_eq!(again.missed.first().unwrap().revision, at + 1);
}

#[tokio::test]
async fn a_restart_finds_everything_and_forgets_history() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let store = Arc::new(Embedded::open(&path, clock::system()).unwrap());
    let (cache, rows) = (Arc::new(Cache::default()), Arc::new(Rows::builtin(Vec::new())));
    tokio::spawn(follow(cache.clone(), store.clone(), rows.clone(), clock::system()).await.unwrap());
    let storage = Storage::new(store.clone(), cache, clock::system(), None);
    let row = rows.find("", "v1", "configmaps").unwrap();
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"namespace": "a", "name": "c"}});
    let first = storage.put(&row, "a/c", &object, Expect::Absent).await.unwrap();
    let second = storage.put(&row, "a/c", &object, Expect::At(Revision(first.revision))).await.unwrap();
    store.close().await;
    let store = Arc::new(Embedded::open(&path, clock::system()).unwrap());
    let cache = Arc::new(Cache::default());
    drop(follow(cache.clone(), store, rows, clock::system()).await.unwrap());
    assert_eq!(cache.revision(), second.revision);
    assert_eq!(cache.shelf("", "configmaps").get("a/c").unwrap().json(), second.json());
    let early = cache.shelf("", "configmaps").watch(first.revision, Interest::default()).unwrap_err();
    assert_eq!(early, Expired { asked: first.revision, oldest: second.revision });
    assert!(cache.shelf("", "pods").watch(first.revision, Interest::default()).is_err());
}
