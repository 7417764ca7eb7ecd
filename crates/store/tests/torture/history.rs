//! What was asked, answered and seen; and whether one order of writes explains it all.
//!
//! Revisions make it easy: they are the order. Every watch event must be a write that someone asked for, and each at most
//! once; every acknowledged write must be an event at its revision; each must find what it expected in the state before
//! it; none may have a revision that was acknowledged to someone else before it was asked; and what is found after a
//! crash is the state after the last event, but for writes that were under way.

use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::{CommitError, Committed, Event, Expect, Loaded, Mutation, Note, Revision, Watch, Write};

/// A write, and what became of it.
#[derive(Clone, Debug)]
pub struct Done {
    pub key: Arc<str>,
    pub expect: Expect,
    /// `None`: a deletion.
    pub value: Option<Bytes>,
    /// The highest revision that had been acknowledged to anyone when it was asked.
    pub asked_after: Revision,
    pub answer: Result<Committed, CommitError>,
}

impl Done {
    pub fn write(&self) -> Write {
        let mutation = self.value.clone().map_or(Mutation::Delete, Mutation::Put);
        Write { key: self.key.clone(), expect: self.expect, mutation, ttl_seconds: None, note: Note::default() }
    }
}

type State = BTreeMap<Arc<str>, (Revision, Bytes)>;

/// What is known for certain.
#[derive(Default)]
pub struct History {
    /// The content after the last event that was seen.
    state: State,
    /// That event's revision.
    seen: Revision,
    /// Writes whose fate was open when the last life ended.
    open: Vec<Done>,
    /// The highest revision that was acknowledged.
    pub acknowledged: Arc<AtomicU64>,
    /// Makes values that occur once.
    pub values: Arc<AtomicU64>,
}

/// All events of a life.
pub async fn record_watch(mut watch: Watch) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    while let Some(batch) = watch.next().await {
        assert!(batch.events.last().is_none_or(|last| last.revision <= batch.through));
        events.extend(batch.events.iter().cloned());
    }
    events
}

fn holds(expect: Expect, actual: Option<Revision>, deletes: bool) -> bool {
    match expect {
        Expect::Absent => actual.is_none() && !deletes,
        Expect::At(revision) => actual == Some(revision),
        Expect::Any => actual.is_some() || !deletes,
    }
}

impl History {
    /// After a crash: what is there must be what was seen, or what writes under way have made of it.
    pub fn check_loaded(&mut self, loaded: &Loaded) {
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        assert!(loaded.revision.0 >= acknowledged, "{} < {acknowledged}: acknowledged, and lost", loaded.revision);
        assert!(loaded.revision >= self.seen, "{} < {}: seen by a watch, and lost", loaded.revision, self.seen);
        let found: State = loaded.entries.iter().map(|e| (e.key.clone(), (e.revision, e.value.clone()))).collect();
        for (key, (revision, value)) in &found {
            if *revision <= self.seen {
                assert_eq!(self.state.get(key), Some(&(*revision, value.clone())), "{key} after a crash");
            } else {
                let asked = self.open.iter().any(|done| done.key == *key && done.value.as_ref() == Some(value));
                assert!(asked, "{key} at {revision}: nobody wrote that");
            }
        }
        for (key, (revision, _)) in self.state.iter().filter(|(key, _)| !found.contains_key(*key)) {
            let deleted = self.open.iter().any(|done| done.key == *key && done.value.is_none());
            assert!(deleted, "{key} at {revision} is lost");
        }
        self.state = found;
        self.seen = loaded.revision;
        self.open.clear();
        self.acknowledged.fetch_max(loaded.revision.0, Ordering::SeqCst);
    }

    /// At the end of a life: the events explain the answers.
    pub fn check_life(&mut self, events: Vec<Event>, done: Vec<Done>) {
        let begin = self.seen;
        let by_revision: HashMap<u64, &Done> =
            done.iter().filter_map(|d| Some((d.answer.as_ref().ok()?.revision.0, d))).collect();
        let acknowledged = done.iter().filter(|d| d.answer.is_ok()).count();
        assert_eq!(by_revision.len(), acknowledged, "two writes with one revision");
        let mut open: Vec<&Done> = done
            .iter()
            .filter(|d| !matches!(d.answer, Ok(_) | Err(CommitError::Conflict { .. } | CommitError::Closed)))
            .collect();
        let mut explained = 0;
        // What each key was at each revision: for the conflicts.
        let mut past: HashMap<Arc<str>, Vec<(Revision, Option<Revision>)>> = HashMap::new();
        for (key, (revision, _)) in &self.state {
            past.insert(key.clone(), vec![(begin, Some(*revision))]);
        }
        for event in &events {
            assert!(event.revision > self.seen, "{} comes after {}", event.revision, self.seen);
            self.seen = event.revision;
            let actual = self.state.get(&event.key).map(|(revision, _)| *revision);
            let cause = by_revision.get(&event.revision.0).copied();
            let cause = match cause {
                Some(cause) => {
                    explained += 1;
                    assert!(event.revision > cause.asked_after, "{} was given before it was asked", event.revision);
                    cause
                }
                None => {
                    let asked = open.iter().enumerate().filter(|(_, d)| {
                        d.key == event.key && d.value == event.value && holds(d.expect, actual, d.value.is_none())
                    });
                    // Deletions look alike. One that names the revision fits here and never again; one of any can wait.
                    let found = asked.max_by_key(|(_, d)| matches!(d.expect, Expect::At(_))).map(|(at, _)| at);
                    open.swap_remove(found.unwrap_or_else(|| panic!("nobody asked for {event:?}")))
                }
            };
            assert_eq!((&cause.key, &cause.value), (&event.key, &event.value), "at {}", event.revision);
            let held = holds(cause.expect, actual, cause.value.is_none());
            assert!(held, "{:?} took place with {actual:?} at {}", cause.expect, event.revision);
            let now = event.value.as_ref().map(|_| event.revision);
            past.entry(event.key.clone()).or_insert_with(|| vec![(begin, None)]).push((event.revision, now));
            match &event.value {
                Some(value) => drop(self.state.insert(event.key.clone(), (event.revision, value.clone()))),
                None => drop(self.state.remove(&event.key)),
            }
        }
        assert_eq!(explained, acknowledged, "acknowledged writes that no watch has seen");
        for conflict in &done {
            check_conflict(conflict, &past);
        }
        self.open = open.into_iter().cloned().collect();
    }
}

/// Who lost is told what the key was at a revision that all events up to then explain, and not an old one.
fn check_conflict(done: &Done, past: &HashMap<Arc<str>, Vec<(Revision, Option<Revision>)>>) {
    let Err(CommitError::Conflict { actual, latest }) = &done.answer else { return };
    assert!(*latest >= done.asked_after, "an old state was looked at: {done:?}");
    assert!(!holds(done.expect, *actual, done.value.is_none()), "no reason to refuse: {done:?}");
    let was = past.get(&done.key).map_or(&[][..], |past| &past[..]);
    let known = was.iter().rev().find(|(revision, _)| revision <= latest).and_then(|(_, revision)| *revision);
    assert_eq!(known, *actual, "{done:?}");
}
