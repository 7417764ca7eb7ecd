//! Revisions, compare-and-swap and watches against a model, over random writes and reopenings.

use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use store::{CommitError, Embedded, Expect, Mutation, Note, Revision, Store, Write};

#[derive(Clone, Debug)]
enum Step {
    /// Writes offered to the store at the same moment, in this order.
    Group(Vec<(u8, Guess, Option<u8>)>),
    /// Close and open.
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Guess {
    Absent,
    Current,
    Stale,
    Any,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let guess = prop_oneof![Just(Guess::Absent), Just(Guess::Current), Just(Guess::Stale), Just(Guess::Any)];
    let write = (0u8..4, guess, proptest::option::weighted(0.7, any::<u8>()));
    let group = proptest::collection::vec(write, 1..6).prop_map(Step::Group);
    proptest::collection::vec(prop_oneof![8 => group, 1 => Just(Step::Reopen)], 1..25)
}

#[derive(Default)]
struct Model {
    revision: u64,
    keys: BTreeMap<String, (u64, u8)>,
    events: Vec<(u64, String, Option<u8>)>,
}

impl Model {
    fn expect(&self, key: &str, guess: Guess) -> Expect {
        match guess {
            Guess::Absent => Expect::Absent,
            Guess::Current => self.keys.get(key).map_or(Expect::Absent, |(r, _)| Expect::At(Revision(*r))),
            Guess::Stale => Expect::At(Revision(self.keys.get(key).map_or(0, |(r, _)| *r).wrapping_sub(1))),
            Guess::Any => Expect::Any,
        }
    }

    fn write(&mut self, key: &str, expect: Expect, value: Option<u8>) -> Result<u64, Option<u64>> {
        let actual = self.keys.get(key).map(|(r, _)| *r);
        let holds = match expect {
            Expect::Absent => actual.is_none() && value.is_some(),
            Expect::At(r) => actual == Some(r.0),
            Expect::Any => actual.is_some() || value.is_some(),
        };
        if !holds {
            return Err(actual);
        }
        self.revision += 1;
        match value {
            Some(value) => drop(self.keys.insert(key.to_owned(), (self.revision, value))),
            None => drop(self.keys.remove(key)),
        }
        self.events.push((self.revision, key.to_owned(), value));
        Ok(self.revision)
    }
}

async fn check_content(store: &Embedded, model: &Model) {
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.revision, Revision(model.revision));
    let found: Vec<_> = loaded.entries.iter().map(|e| (e.key.to_string(), (e.revision.0, e.value[0]))).collect();
    let wanted: Vec<_> = model.keys.clone().into_iter().collect();
    assert_eq!(found, wanted);
}

async fn check_watch(store: &Embedded, model: &Model, after: u64) {
    let mut watch = store.watch(Revision(after)).await.unwrap();
    let wanted: Vec<_> = model.events.iter().filter(|e| e.0 > after).cloned().collect();
    let mut found = Vec::new();
    while found.len() < wanted.len() {
        let batch = watch.next().await.unwrap();
        found.extend(batch.iter().map(|e| (e.revision.0, e.key.to_string(), e.value.as_ref().map(|v| v[0]))));
    }
    assert_eq!(found, wanted);
}

async fn run(steps: Vec<Step>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let mut store = Embedded::open(&path).unwrap();
    let mut model = Model::default();
    let mut opened_at = 0;
    for step in steps {
        match step {
            Step::Reopen => {
                store.close().await;
                store = Embedded::open(&path).unwrap();
                opened_at = model.revision;
            }
            Step::Group(writes) => {
                let mut answers = Vec::new();
                let mut wanted = Vec::new();
                for (key, guess, value) in writes {
                    let key = format!("/k{key}");
                    let expect = model.expect(&key, guess);
                    wanted.push(model.write(&key, expect, value));
                    let mutation = value.map_or(Mutation::Delete, |v| Mutation::Put(Bytes::from(vec![v])));
                    answers.push(store.commit(Write { key: key.into(), expect, mutation, note: Note::default() }));
                }
                // Polled in order, so they enter the queue in order; most end up in one transaction.
                for (answer, wanted) in futures::future::join_all(answers).await.into_iter().zip(wanted) {
                    let answer = match answer {
                        Ok(committed) => Ok(committed.revision.0),
                        Err(CommitError::Conflict { actual, .. }) => Err(actual.map(|r| r.0)),
                        Err(other) => panic!("{other}"),
                    };
                    assert_eq!(answer, wanted);
                }
            }
        }
        check_content(&store, &model).await;
        check_watch(&store, &model, opened_at).await;
        check_watch(&store, &model, (opened_at + model.revision).div_ceil(2)).await;
    }
    if opened_at > 0 {
        let early = store.watch(Revision(opened_at - 1)).await.unwrap_err();
        assert_eq!(early, store::WatchError::Compacted { oldest: Revision(opened_at) });
    }
    assert!(matches!(store.watch(Revision(model.revision + 1)).await, Err(store::WatchError::Future { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_store_does_what_the_model_does(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(steps));
    }
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(&directory.path().join("db")).unwrap();
    store.close().await;
    let write =
        Write { key: "/k".into(), expect: Expect::Any, mutation: Mutation::Put(Bytes::new()), note: Note::default() };
    assert!(matches!(store.commit(write).await, Err(CommitError::Closed)));
    assert!(matches!(store.watch(Revision(0)).await, Err(store::WatchError::Closed)));
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_cut_off_and_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(&directory.path().join("db")).unwrap();
    let mut slow = store.watch(Revision(0)).await.unwrap();
    for _ in 0..1100 {
        let mutation = Mutation::Put(Bytes::from_static(b"v"));
        store.commit(Write { key: "/k".into(), expect: Expect::Any, mutation, note: Note::default() }).await.unwrap();
    }
    let mut last = 0;
    while let Some(batch) = slow.next().await {
        last = batch.last().unwrap().revision.0;
    }
    assert!(last > 0 && last < 1100, "cut off at {last}");
}
