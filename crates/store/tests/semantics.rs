//! Revisions, compare-and-swap and watches against a model, over random writes and reopenings: on both backends.

mod etcd_server;
mod model;

use bytes::Bytes;
use etcd_server::EtcdServer;
use model::{Model, Step, steps};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;
use store::{CommitError, Embedded, Etcd, EtcdConfig, Expect, Mutation, Note, ReadError, Revision, Store, Write};

fn put(key: &str, expect: Expect, value: &'static [u8]) -> Write {
    let mutation = Mutation::Put(Bytes::from_static(value));
    Write { key: key.into(), expect, mutation, ttl_seconds: None, note: Note::default() }
}

fn config(etcd: &EtcdServer, prefix: &str) -> EtcdConfig {
    EtcdConfig { prefix: prefix.to_owned(), compaction_interval: None, ..EtcdConfig::new(vec![etcd.endpoint()]) }
}

async fn connect(etcd: &EtcdServer, prefix: &str) -> Etcd {
    Etcd::connect(config(etcd, prefix), clock::system()).await.unwrap_or_else(|e| panic!("{e}; {}", etcd.log()))
}

async fn check_content(store: &dyn Store, model: &Model) {
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.revision, Revision(model.revision));
    let found: Vec<_> = loaded.entries.iter().map(|e| (e.key.to_string(), (e.revision.0, e.value[0]))).collect();
    let wanted: Vec<_> = model.keys.clone().into_iter().collect();
    assert_eq!(found, wanted);
}

async fn check_watch(store: &dyn Store, model: &Model, after: u64) {
    let mut watch = store.watch(Revision(after)).await.unwrap();
    let wanted: Vec<_> = model.events.iter().filter(|e| e.0 > after).cloned().collect();
    let mut found = Vec::new();
    while found.len() < wanted.len() {
        let batch = watch.next().await.unwrap();
        assert_eq!(batch.through, batch.events.last().unwrap().revision);
        found.extend(batch.events.iter().map(|e| (e.revision.0, e.key.to_string(), e.value.as_ref().map(|v| v[0]))));
    }
    assert_eq!(found, wanted);
}

/// Writes offered at the same moment, in order. The embedded store takes them in that order, most in one transaction;
/// etcd promises no order, so there each waits for the one before.
async fn commit_all(store: &dyn Store, writes: Vec<Write>, together: bool) -> Vec<Result<u64, Option<u64>>> {
    let mut answers = Vec::new();
    if together {
        answers = futures::future::join_all(writes.into_iter().map(|write| store.commit(write))).await;
    } else {
        for write in writes {
            answers.push(store.commit(write).await);
        }
    }
    answers
        .into_iter()
        .map(|answer| match answer {
            Ok(committed) => Ok(committed.revision.0),
            Err(CommitError::Conflict { actual, .. }) => Err(actual.map(|r| r.0)),
            Err(other) => panic!("{other}"),
        })
        .collect()
}

async fn run_group(store: &dyn Store, model: &mut Model, group: Vec<model::Attempt>, prefix: &str, together: bool) {
    let (mut writes, mut wanted) = (Vec::new(), Vec::new());
    for (key, guess, value) in group {
        let key = format!("{prefix}k{key}");
        let expect = model.expect(&key, guess);
        wanted.push(model.write(&key, expect, value));
        let mutation = value.map_or(Mutation::Delete, |v| Mutation::Put(Bytes::from(vec![v])));
        writes.push(Write { key: key.into(), expect, mutation, ttl_seconds: None, note: Note::default() });
    }
    assert_eq!(commit_all(store, writes, together).await, wanted);
}

async fn on_embedded(steps: Vec<Step>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let mut store = Embedded::open(&path, clock::system()).unwrap();
    let mut model = Model::default();
    let mut opened_at = 0;
    for step in steps {
        match step {
            Step::Reopen => {
                store.close().await;
                store = Embedded::open(&path, clock::system()).unwrap();
                opened_at = model.revision;
            }
            Step::Group(group) => run_group(&store, &mut model, group, "/", true).await,
        }
        check_content(&store, &model).await;
        check_watch(&store, &model, opened_at).await;
        check_watch(&store, &model, (opened_at + model.revision).div_ceil(2)).await;
    }
    if opened_at > 0 {
        let early = store.watch(Revision(opened_at - 1)).await.unwrap_err();
        assert!(matches!(early, store::WatchError::Compacted { oldest: Revision(at) } if at == opened_at), "{early:?}");
    }
    assert!(matches!(store.watch(Revision(model.revision + 1)).await, Err(store::WatchError::Future { .. })));
}

#[test]
fn the_embedded_store_does_what_the_model_does() {
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() });
    let run = |steps| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(on_embedded(steps));
        Ok(())
    };
    runner.run(&steps(), run).unwrap();
}

async fn on_etcd(etcd: &EtcdServer, steps: Vec<Step>) {
    let fresh = connect(etcd, "/").await.load().await.unwrap().revision.0;
    let prefix = format!("/case{fresh}/");
    let mut store = connect(etcd, &prefix).await;
    let mut model = Model { revision: fresh, ..Model::default() };
    for step in steps {
        match step {
            Step::Reopen => {
                store.close().await;
                store = connect(etcd, &prefix).await;
            }
            Step::Group(group) => run_group(&store, &mut model, group, &prefix, false).await,
        }
        check_content(&store, &model).await;
        check_watch(&store, &model, fresh).await;
        check_watch(&store, &model, (fresh + model.revision).div_ceil(2)).await;
        assert_eq!(store.latest().unwrap().await.unwrap(), Revision(model.revision));
    }
    assert!(matches!(store.watch(Revision(model.revision + 1)).await, Err(store::WatchError::Future { .. })));
}

#[test]
fn etcd_does_what_the_model_does() {
    let Some(etcd) = EtcdServer::start(&[]) else { return };
    let mut runner = TestRunner::new(ProptestConfig { cases: 6, failure_persistence: None, ..Default::default() });
    let run = |steps| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(on_etcd(&etcd, steps));
        Ok(())
    };
    runner.run(&steps(), run).unwrap();
}

async fn a_closed_store_says_so(store: &dyn Store) {
    assert!(matches!(store.commit(put("/k", Expect::Any, b"v")).await, Err(CommitError::Closed)));
    assert!(matches!(store.watch(Revision(0)).await, Err(store::WatchError::Read(ReadError::Closed))));
    assert!(matches!(store.load().await, Err(ReadError::Closed)));
    assert!(matches!(store.health().await, Err(ReadError::Closed)));
}

#[tokio::test]
async fn a_closed_embedded_store_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(&directory.path().join("db"), clock::system()).unwrap();
    assert!(store.health().await.is_ok());
    store.close().await;
    a_closed_store_says_so(&store).await;
}

#[tokio::test]
async fn a_closed_etcd_store_says_so() {
    let Some(etcd) = EtcdServer::start(&[]) else { return };
    let store = connect(&etcd, "/").await;
    assert!(store.health().await.is_ok());
    let mut watch = store.watch(Revision(0)).await.unwrap();
    store.close().await;
    assert!(watch.next().await.is_none());
    a_closed_store_says_so(&store).await;
}

#[tokio::test]
async fn a_value_that_etcd_would_not_take_is_refused_in_its_words() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(&directory.path().join("db"), clock::system()).unwrap();
    let large = |bytes: usize| {
        let mutation = Mutation::Put(vec![b'x'; bytes].into());
        Write { key: "/big".into(), expect: Expect::Absent, mutation, ttl_seconds: None, note: Note::default() }
    };
    let refused = store.commit(large(1_572_865)).await.unwrap_err();
    let CommitError::Refused { message } = refused else { panic!("{refused:?}") };
    assert_eq!(message, "etcdserver: request is too large");
    store.commit(large(1_572_864)).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_cut_off_and_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(&directory.path().join("db"), clock::system()).unwrap();
    let mut slow = store.watch(Revision(0)).await.unwrap();
    for _ in 0..1100 {
        store.commit(put("/k", Expect::Any, b"v")).await.unwrap();
    }
    let mut last = 0;
    while let Some(batch) = slow.next().await {
        last = batch.through.0;
    }
    assert!(last > 0 && last < 1100, "cut off at {last}");
}

/// Many writers, each adding one to the same number by compare-and-swap: nothing gets lost, and a watch sees each step.
async fn counters_count(store: Arc<dyn Store>, key: &str) {
    const WRITERS: u64 = 16;
    const STEPS: u64 = 8;
    let start = store.load().await.unwrap().revision;
    let key: Arc<str> = key.into();
    let writers = (0..WRITERS).map(|_| {
        let (store, key) = (store.clone(), key.clone());
        tokio::spawn(async move {
            for _ in 0..STEPS {
                loop {
                    let loaded = store.load().await.unwrap();
                    let found = loaded.entries.iter().find(|entry| entry.key == key);
                    let count: u64 = found.map_or(0, |e| std::str::from_utf8(&e.value).unwrap().parse().unwrap());
                    let expect = found.map_or(Expect::Absent, |entry| Expect::At(entry.revision));
                    let mutation = Mutation::Put((count + 1).to_string().into());
                    let write = Write { key: key.clone(), expect, mutation, ttl_seconds: None, note: Note::default() };
                    match store.commit(write).await {
                        Ok(_) => break,
                        Err(CommitError::Conflict { latest, actual }) => assert!(actual.is_some_and(|a| a <= latest)),
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    let mut watch = store.watch(start).await.unwrap();
    let mut counts = Vec::new();
    while counts.len() < (WRITERS * STEPS) as usize {
        for event in watch.next().await.unwrap().events.iter() {
            counts.push(std::str::from_utf8(event.value.as_ref().unwrap()).unwrap().parse::<u64>().unwrap());
        }
    }
    assert_eq!(counts, (1..=WRITERS * STEPS).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_count_on_the_embedded_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(&directory.path().join("db"), clock::system()).unwrap();
    counters_count(Arc::new(store), "/count").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_count_on_etcd() {
    let Some(etcd) = EtcdServer::start(&[]) else { return };
    counters_count(Arc::new(connect(&etcd, "/").await), "/count").await;
}

#[tokio::test]
async fn what_has_a_time_to_live_goes_when_it_has_passed_unless_it_is_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let time = Arc::new(clock::ManualClock::new(jiff::Timestamp::from_second(1_000_000).unwrap()));
    let store = Embedded::open(&path, time.clone()).unwrap();
    let with_ttl = |key: &str, seconds| Write { ttl_seconds: NonZeroU64::new(seconds), ..put(key, Expect::Any, b"v") };
    store.commit(with_ttl("/short", 10)).await.unwrap();
    store.commit(with_ttl("/again", 10)).await.unwrap();
    store.commit(with_ttl("/stays", 10)).await.unwrap();
    store.commit(with_ttl("/late", 3600)).await.unwrap();
    time.advance(Duration::from_secs(5));
    store.commit(with_ttl("/again", 10)).await.unwrap();
    let before = store.commit(put("/stays", Expect::Any, b"v")).await.unwrap().revision;
    // What is due is remembered over a restart.
    store.close().await;
    let store = Embedded::open(&path, time.clone()).unwrap();
    let mut watch = store.watch(before).await.unwrap();
    let asleep = || async {
        while time.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
    };
    asleep().await;
    time.advance(Duration::from_secs(6));
    let batch = watch.next().await.unwrap();
    let gone: Vec<_> = batch.events.iter().map(|e| (&*e.key, e.value.is_none(), e.revision.0 - before.0)).collect();
    assert_eq!(gone, [("/short", true, 1)]);
    asleep().await;
    time.advance(Duration::from_secs(5));
    let batch = watch.next().await.unwrap();
    assert_eq!(&*batch.events[0].key, "/again");
    let left: Vec<String> = store.load().await.unwrap().entries.iter().map(|e| e.key.to_string()).collect();
    assert_eq!(left, ["/late", "/stays"]);
}

#[tokio::test]
async fn etcd_deletes_what_has_a_time_to_live() {
    let Some(etcd) = EtcdServer::start(&[]) else { return };
    let store = connect(&etcd, "/").await;
    let short = Write { ttl_seconds: NonZeroU64::new(1), ..put("/short", Expect::Absent, b"v") };
    let start = store.commit(short).await.unwrap().revision;
    let again = Write { ttl_seconds: NonZeroU64::new(1), ..put("/stays", Expect::Absent, b"v") };
    let revision = store.commit(again).await.unwrap().revision;
    store.commit(put("/stays", Expect::At(revision), b"w")).await.unwrap();
    let mut watch = store.watch(start).await.unwrap();
    let mut gone = None;
    while gone.is_none() {
        let batch = watch.next().await.unwrap();
        gone = batch.events.iter().find(|event| event.value.is_none()).map(|event| event.key.to_string());
    }
    assert_eq!(gone.unwrap(), "/short");
    let left: Vec<String> = store.load().await.unwrap().entries.iter().map(|e| e.key.to_string()).collect();
    assert_eq!(left, ["/stays"]);
}
