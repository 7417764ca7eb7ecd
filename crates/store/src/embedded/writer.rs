//! The one thread that writes.

use super::Job;
use super::disk::Disk;
use super::file::Known;
use super::journal::Journal;
use super::patience::Patience;
use super::record::Deadline;
use crate::history::History;
use crate::{Cause, CommitError, Committed, Event, Expect, Mutation, Note, ReadError, Revision, Write};
use clock::SharedClock;
use foldhash::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Writes in one transaction. Enough for every client to have one in it; small enough that the first does not wait long.
const MAX_BATCH: usize = 1024;
/// Deletions by time in one transaction: they may not hold up the writes that come with them.
const MAX_EXPIRED: usize = 256;

type Answer = oneshot::Sender<Result<Committed, CommitError>>;

/// The database is not open: it failed, and could not be opened again.
#[derive(Debug, thiserror::Error)]
#[error("the database could not be opened again after an error")]
struct NotOpen;

pub(super) struct Writer {
    disk: Box<dyn Disk>,
    /// `None` after an error that reopening has not healed yet.
    journal: Option<Journal>,
    /// The last epoch of a journal that was ours.
    epoch: u64,
    known: Known,
    /// What the write that failed would have done: it may be found in the log after all.
    doubtful: Vec<Event>,
    history: Arc<Mutex<History>>,
    clock: SharedClock,
    patience: Patience,
}

/// What came out of the waiting.
enum Woken {
    Job(Job),
    /// A deadline has come.
    Due,
    /// Nobody can send any more.
    Over,
}

impl Writer {
    pub(super) fn new(
        disk: Box<dyn Disk>,
        journal: Journal,
        known: Known,
        history: Arc<Mutex<History>>,
        clock: SharedClock,
    ) -> Self {
        let epoch = journal.epoch();
        Self {
            disk,
            journal: Some(journal),
            epoch,
            known,
            doubtful: Vec::new(),
            history,
            clock,
            patience: Patience::default(),
        }
    }

    /// Works until the queue's senders are gone or a [`Job::Close`] comes.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(MAX_BATCH);
        loop {
            match self.wait(&mut queue).await {
                Woken::Job(first) => {
                    jobs.push(first);
                    self.patience.wait(&*self.clock, || 1 + queue.len());
                }
                Woken::Due => {}
                Woken::Over => break,
            }
            while jobs.len() < MAX_BATCH
                && let Ok(job) = queue.try_recv()
            {
                jobs.push(job);
            }
            self.patience.answer(jobs.len());
            if jobs.iter().any(|job| matches!(job, Job::Close)) {
                queue.close();
            }
            self.work(jobs.drain(..));
        }
        // The next start is quicker for it; the logs have it all anyway.
        if let Some(Err(error)) = self.journal.as_mut().map(Journal::merge) {
            tracing::warn!(%error, "the logs stay as they are");
        }
        self.journal = None;
        self.history.lock().unwrap_or_else(PoisonError::into_inner).close();
    }

    async fn wait(&self, queue: &mut mpsc::Receiver<Job>) -> Woken {
        if let Ok(job) = queue.try_recv() {
            return Woken::Job(job);
        }
        let received = |job: Option<Job>| job.map_or(Woken::Over, Woken::Job);
        // After a failure a deadline is tried again with the next write, not in a loop of its own.
        let Some(deadline) = self.known.expiry.next().filter(|_| self.journal.is_some()) else {
            return received(queue.recv().await);
        };
        let wait = Duration::from_secs(deadline.saturating_sub(self.now()));
        tokio::select! {
            biased;
            job = queue.recv() => received(job),
            () = self.clock.sleep(wait) => Woken::Due,
        }
    }

    /// Seconds of the Unix epoch.
    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().as_second()).unwrap_or(0)
    }

    fn work(&mut self, jobs: impl Iterator<Item = Job>) {
        let mut writes = self.expired();
        for job in jobs {
            match job {
                Job::Commit(write, answer) => writes.push((write, Some(answer))),
                Job::Close => {}
                Job::Load(answer) => {
                    self.commit(std::mem::take(&mut writes));
                    let _ = answer.send(self.load()); // the asker may have gone
                }
            }
        }
        self.commit(writes);
    }

    /// The deletions that are due.
    fn expired(&self) -> Vec<(Write, Option<Answer>)> {
        if self.known.expiry.next().is_none() {
            return Vec::new();
        }
        let due = self.known.expiry.due(self.now(), MAX_EXPIRED);
        due.into_iter()
            .map(|key| {
                let (expect, mutation) = (Expect::Any, Mutation::Delete);
                (Write { key, expect, mutation, ttl_seconds: None, note: Note::default() }, None)
            })
            .collect()
    }

    fn load(&mut self) -> Result<crate::Loaded, ReadError> {
        self.reopen().map_err(ReadError::Io)?;
        let Some(journal) = &mut self.journal else { return Err(ReadError::Io(Arc::new(NotOpen))) };
        let loaded = journal.load();
        if loaded.is_err() {
            self.give_up(); // a merge has failed, perhaps
        }
        loaded.map_err(|error| ReadError::Io(Arc::new(error)))
    }

    /// Closes the files after an error: the database takes no more transactions after a failed one, and what the logs hold
    /// must be read again.
    fn give_up(&mut self) {
        self.epoch = self.journal.take().map_or(self.epoch, |journal| journal.epoch());
    }

    /// One group: check, write, publish, answer.
    fn commit(&mut self, writes: Vec<(Write, Option<Answer>)>) {
        if writes.is_empty() {
            return;
        }
        if let Err(cause) = self.reopen() {
            fail(writes.into_iter().filter_map(|(_, answer)| answer), &cause);
            return;
        }
        let group = self.check(writes);
        if group.events.is_empty() {
            refuse(group.conflicts);
            return;
        }
        let written = self.journal.as_mut().map_or_else(
            || Err(Arc::new(NotOpen) as Cause),
            |journal| journal.append(&group.events, &group.deadlines).map_err(|error| Arc::new(error) as Cause),
        );
        if let Err(cause) = written {
            tracing::error!(error = %cause, "the database cannot write");
            self.give_up();
            self.doubtful = group.events;
            let conflicts = group.conflicts.into_iter().map(|(_, answer)| answer);
            fail(group.answers.into_iter().map(|(_, answer)| answer).chain(conflicts), &cause);
            return;
        }
        self.known.latest = group.latest;
        for (key, revision) in group.changed {
            match revision {
                Some(revision) => drop(self.known.index.insert(key, revision)),
                None => drop(self.known.index.remove(&key)),
            }
        }
        for (key, deadline) in &group.deadlines {
            self.known.expiry.set(key, *deadline);
        }
        self.history.lock().unwrap_or_else(PoisonError::into_inner).publish(group.events, group.latest);
        for (revision, answer) in group.answers {
            let _ = answer.send(Ok(Committed { revision })); // the asker may have gone
        }
        refuse(group.conflicts);
    }

    /// Checks the expectations of a group, each against what the writes before it leave behind.
    fn check(&self, writes: Vec<(Write, Option<Answer>)>) -> Group {
        let mut group = Group { latest: self.known.latest, ..Group::default() };
        let now = self.now();
        for (write, answer) in writes {
            let before = || self.known.index.get(&write.key).copied();
            let actual = group.changed.get(&write.key).copied().unwrap_or_else(before);
            if !holds(&write, actual) {
                // Answered with the group: what it lost to is then committed, and another try sees it.
                let conflict = CommitError::Conflict { actual, latest: group.latest };
                group.conflicts.extend(answer.map(|answer| (conflict, answer)));
                continue;
            }
            group.latest = Revision(group.latest.0 + 1);
            let value = match write.mutation {
                Mutation::Put(value) => Some(value),
                Mutation::Delete => None,
            };
            let deadline = write.ttl_seconds.filter(|_| value.is_some()).map(|ttl| now.saturating_add(ttl.get()));
            if deadline.is_some() || self.known.expiry.has(&write.key) || group.changed.contains_key(&write.key) {
                group.deadlines.push((write.key.clone(), deadline));
            }
            group.changed.insert(write.key.clone(), value.is_some().then_some(group.latest));
            group.events.push(Event { revision: group.latest, key: write.key, value, note: write.note });
            group.answers.extend(answer.map(|answer| (group.latest, answer)));
        }
        group
    }

    /// After an error: opens the file again, and publishes what the failed write may have left in it after all.
    fn reopen(&mut self) -> Result<(), Cause> {
        if self.journal.is_some() {
            return Ok(());
        }
        let cause = |error: redb::Error| Arc::new(error) as Cause;
        let journal = Journal::open(&*self.disk, self.epoch).map_err(cause)?;
        let latest = journal.latest().map_err(cause)?;
        if latest > self.known.latest {
            // A record is whole or not at all, and there was only this one.
            self.known = journal.known().map_err(cause)?;
            let events = std::mem::take(&mut self.doubtful);
            self.history.lock().unwrap_or_else(PoisonError::into_inner).publish(events, latest);
        }
        self.doubtful.clear();
        self.journal = Some(journal);
        Ok(())
    }
}

/// A group on its way: what will be written, and who waits for it.
#[derive(Default)]
struct Group {
    latest: Revision,
    changed: HashMap<Arc<str>, Option<Revision>>,
    events: Vec<Event>,
    deadlines: Vec<Deadline>,
    answers: Vec<(Revision, Answer)>,
    /// With what was so at the moment of the check: later writes of the group may change it again.
    conflicts: Vec<(CommitError, Answer)>,
}

fn refuse(conflicts: Vec<(CommitError, Answer)>) {
    conflicts.into_iter().for_each(|(conflict, answer)| drop(answer.send(Err(conflict)))); // the asker may have gone
}

fn fail(answers: impl Iterator<Item = Answer>, cause: &Cause) {
    answers.for_each(|answer| drop(answer.send(Err(CommitError::Io(cause.clone()))))); // the asker may have gone
}

fn holds(write: &Write, actual: Option<Revision>) -> bool {
    match (write.expect, actual) {
        (Expect::Absent, actual) => actual.is_none() && matches!(write.mutation, Mutation::Put(_)),
        (Expect::At(expected), actual) => actual == Some(expected),
        (Expect::Any, Some(_)) => true,
        (Expect::Any, None) => matches!(write.mutation, Mutation::Put(_)),
    }
}
