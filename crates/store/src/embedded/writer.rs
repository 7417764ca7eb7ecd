//! The one thread that writes.

use super::Job;
use super::file::{File, Index};
use crate::history::History;
use crate::{CommitError, Committed, Event, Expect, LoadError, Mutation, Revision, Write};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Writes in one transaction. Enough for every client to have one in it; small enough that the first does not wait long.
const MAX_BATCH: usize = 1024;

type Answer = oneshot::Sender<Result<Committed, CommitError>>;
type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// The database is not open: it failed, and could not be opened again.
#[derive(Debug, thiserror::Error)]
#[error("the database could not be opened again after an error")]
struct NotOpen;

pub(super) struct Writer {
    path: PathBuf,
    /// `None` after an error that reopening has not healed yet.
    file: Option<File>,
    latest: Revision,
    index: Index,
    history: Arc<Mutex<History>>,
}

impl Writer {
    pub(super) fn new(path: PathBuf, file: File, latest: Revision, index: Index, history: Arc<Mutex<History>>) -> Self {
        Self { path, file: Some(file), latest, index, history }
    }

    /// Works until the queue's senders are gone or a [`Job::Close`] comes.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(MAX_BATCH);
        while let Some(first) = queue.blocking_recv() {
            jobs.push(first);
            while jobs.len() < MAX_BATCH
                && let Ok(job) = queue.try_recv()
            {
                jobs.push(job);
            }
            if jobs.iter().any(|job| matches!(job, Job::Close)) {
                queue.close();
            }
            self.work(jobs.drain(..));
        }
        self.history.lock().unwrap_or_else(PoisonError::into_inner).close();
    }

    fn work(&mut self, jobs: impl Iterator<Item = Job>) {
        let mut writes = Vec::new();
        for job in jobs {
            match job {
                Job::Commit(write, answer) => writes.push((write, answer)),
                Job::Close => {}
                Job::Load(answer) => {
                    self.commit(std::mem::take(&mut writes));
                    let _ = answer.send(self.load()); // the asker may have gone
                }
            }
        }
        self.commit(writes);
    }

    fn load(&mut self) -> Result<crate::Loaded, LoadError> {
        self.reopen().map_err(LoadError::Io)?;
        let Some(file) = &self.file else { return Err(LoadError::Io(Arc::new(NotOpen))) };
        file.load().map_err(|error| LoadError::Io(Arc::new(error)))
    }

    /// One group: check, write, publish, answer.
    fn commit(&mut self, writes: Vec<(Write, Answer)>) {
        if writes.is_empty() {
            return;
        }
        if let Err(cause) = self.reopen() {
            writes.into_iter().for_each(|(_, answer)| drop(answer.send(Err(CommitError::Io(cause.clone())))));
            return;
        }
        let mut changed: HashMap<Arc<str>, Option<Revision>> = HashMap::new();
        let mut events = Vec::with_capacity(writes.len());
        let mut answers = Vec::with_capacity(writes.len());
        let mut conflicts = Vec::new();
        let mut next = self.latest;
        for (write, answer) in writes {
            let actual = changed.get(&write.key).copied().unwrap_or_else(|| self.index.get(&write.key).copied());
            if !holds(&write, actual) {
                // Answered with the group: what it lost to is then committed, and another try sees it.
                conflicts.push((actual, answer));
                continue;
            }
            next = Revision(next.0 + 1);
            let value = match write.mutation {
                Mutation::Put(value) => Some(value),
                Mutation::Delete => None,
            };
            changed.insert(write.key.clone(), value.is_some().then_some(next));
            events.push(Event { revision: next, key: write.key, value, note: write.note });
            answers.push((next, answer));
        }
        if events.is_empty() {
            self.refuse(conflicts);
            return;
        }
        let written = self.file.as_ref().map_or_else(
            || Err(Arc::new(NotOpen) as Cause),
            |file| file.write(&events).map_err(|error| Arc::new(error) as Cause),
        );
        if let Err(cause) = written {
            tracing::error!(error = %cause, "the database cannot write");
            self.file = None; // redb takes no more transactions after a failed one
            let conflicts = conflicts.into_iter().map(|(_, answer)| answer);
            let answers = answers.into_iter().map(|(_, answer)| answer).chain(conflicts);
            answers.for_each(|answer| drop(answer.send(Err(CommitError::Io(cause.clone())))));
            return;
        }
        self.latest = next;
        for (key, revision) in changed {
            match revision {
                Some(revision) => drop(self.index.insert(key, revision)),
                None => drop(self.index.remove(&key)),
            }
        }
        self.history.lock().unwrap_or_else(PoisonError::into_inner).publish(events);
        for (revision, answer) in answers {
            let _ = answer.send(Ok(Committed { revision })); // the asker may have gone
        }
        self.refuse(conflicts);
    }

    fn refuse(&self, conflicts: Vec<(Option<Revision>, Answer)>) {
        for (actual, answer) in conflicts {
            let conflict = CommitError::Conflict { actual, latest: self.latest };
            let _ = answer.send(Err(conflict)); // the asker may have gone
        }
    }

    /// After an error: opens the file again, and publishes what the failed transaction may have left in it after all.
    fn reopen(&mut self) -> Result<(), Cause> {
        if self.file.is_some() {
            return Ok(());
        }
        let cause = |error: redb::Error| Arc::new(error) as Cause;
        let file = File::open(&self.path).map_err(cause)?;
        let found = file.load().map_err(cause)?;
        if found.revision > self.latest {
            let mut index = Index::new();
            let mut events = Vec::new();
            for entry in found.entries {
                if entry.revision > self.latest {
                    let (key, value) = (entry.key.clone(), Some(entry.value));
                    events.push(Event { revision: entry.revision, key, value, note: crate::Note::default() });
                }
                index.insert(entry.key, entry.revision);
            }
            // The revisions of deletions are lost; each takes one that no other event has.
            let taken: std::collections::HashSet<u64> = events.iter().map(|event| event.revision.0).collect();
            let free = (self.latest.0 + 1..=found.revision.0).filter(|revision| !taken.contains(revision));
            let gone = self.index.keys().filter(|key| !index.contains_key(*key)).cloned();
            let deleted: Vec<Event> = free
                .zip(gone)
                .map(|(r, key)| Event { revision: Revision(r), key, value: None, note: crate::Note::default() })
                .collect();
            events.extend(deleted);
            events.sort_by_key(|event| event.revision);
            self.index = index;
            self.latest = found.revision;
            self.history.lock().unwrap_or_else(PoisonError::into_inner).publish(events);
        }
        self.file = Some(file);
        Ok(())
    }
}

fn holds(write: &Write, actual: Option<Revision>) -> bool {
    match (write.expect, actual) {
        (Expect::Absent, actual) => actual.is_none() && matches!(write.mutation, Mutation::Put(_)),
        (Expect::At(expected), actual) => actual == Some(expected),
        (Expect::Any, Some(_)) => true,
        (Expect::Any, None) => matches!(write.mutation, Mutation::Put(_)),
    }
}
