//! What clients were answered and what was watched, and whether one history explains it all.
//!
//! Revisions order everything: a write that was answered has one, so it only has to be shown that each took place on the
//! state that it expected, after all that was answered before it was asked, and that reads show no older state than that.

use std::collections::{BTreeMap, HashMap};

/// What is asked of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// With this value.
    Create(u64),
    /// Of the state at a revision, to this value.
    Update(u64, u64),
    /// Of the state at a revision.
    Delete(u64),
    Read,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// At this revision.
    Written(u64),
    Deleted,
    /// It is there already, or has changed.
    Refused,
    /// There is no such object.
    Missing,
    /// Revision and value.
    Read(Option<(u64, u64)>),
    /// Nothing: it may have taken place or not.
    Unknown,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub key: usize,
    pub want: Want,
    /// The highest revision that had been answered to anyone when this was asked.
    pub asked_after: u64,
    /// The same of this object.
    pub floor: u64,
    pub answer: Answer,
}

/// One event of a watch.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub revision: u64,
    pub key: usize,
    /// ADDED, not MODIFIED or DELETED.
    pub is_new: bool,
    /// None: it is gone.
    pub value: Option<u64>,
}

/// Revision and value of each object.
pub type Found = BTreeMap<usize, (u64, u64)>;

/// States of one object, in order: since when, and which.
type Past = Vec<(u64, Option<(u64, u64)>)>;

/// What is known for certain, and what is open.
#[derive(Default)]
pub struct History {
    /// After the last event that was seen.
    state: Found,
    /// That event's revision, or the list's.
    seen: Option<u64>,
    /// Requests of the last life that no event explains: answered after the watch broke, or never.
    open: Vec<Done>,
}

impl Done {
    fn makes(&self, value: Option<u64>) -> bool {
        match self.want {
            Want::Create(own) | Want::Update(_, own) => value == Some(own),
            Want::Delete(_) => value.is_none(),
            Want::Read => false,
        }
    }

    /// Whether it may take place on this state.
    fn fits(&self, state: Option<(u64, u64)>) -> bool {
        match self.want {
            Want::Create(_) => state.is_none(),
            Want::Update(expect, _) | Want::Delete(expect) => state.is_some_and(|(revision, _)| revision == expect),
            Want::Read => false,
        }
    }

    fn is_write(&self) -> bool {
        self.want != Want::Read
    }
}

impl History {
    pub fn seen(&self) -> Option<u64> {
        self.seen
    }

    pub fn state(&self) -> &Found {
        &self.state
    }

    pub fn differs(&self, found: &Found) -> bool {
        self.state != *found
    }

    /// After a death: what is there is what was seen, or what open requests have made of it; and what was answered is
    /// there.
    pub fn check_found(&mut self, found: &Found, revision: u64) {
        assert!(self.seen.is_none_or(|seen| revision >= seen), "{revision} is before what was seen, {:?}", self.seen);
        for done in &self.open {
            let now = found.get(&done.key);
            match (done.want, done.answer) {
                (_, Answer::Written(written)) => {
                    assert!(revision >= written, "the server is at {revision}, and has answered {done:?}");
                    let (at, value) = *now.unwrap_or(&(u64::MAX, 0));
                    assert!(at >= written, "{done:?} was answered, and is lost: {now:?}");
                    assert!(at > written || done.makes(Some(value)), "{done:?} was answered, and is other: {now:?}");
                }
                (Want::Delete(expect), Answer::Deleted) => {
                    assert!(now.is_none_or(|(at, _)| *at > expect), "{done:?} was answered, and is lost: {now:?}");
                }
                _ => {}
            }
        }
        for (key, now) in found.iter().filter(|(key, now)| self.state.get(key) != Some(now)) {
            let asked = self.open.iter().any(|done| done.key == *key && done.makes(Some(now.1)));
            assert!(asked || self.seen.is_none(), "{key} is {now:?}: nobody wrote that");
        }
        for (key, before) in self.state.iter().filter(|(key, _)| !found.contains_key(key)) {
            let deleted = self.open.iter().any(|done| done.key == *key && done.makes(None));
            assert!(deleted, "{key} was {before:?} and is lost");
        }
        self.state.clone_from(found);
        self.seen = Some(revision);
        self.open.clear();
    }

    /// At the end of a life: the events explain the answers.
    pub fn check_life(&mut self, events: &[Event], done: Vec<Done>) {
        let begin = self.seen.unwrap_or(0);
        let mut past: HashMap<usize, Past> = HashMap::new();
        for (key, state) in &self.state {
            past.insert(*key, vec![(begin, Some(*state))]);
        }
        let mut seen = begin;
        let mut open: Vec<Done> = done.iter().copied().filter(Done::is_write).collect();
        for event in events {
            assert!(event.revision > seen, "{event:?} comes after {seen}");
            seen = event.revision;
            let before = self.state.get(&event.key).copied();
            assert_eq!(event.is_new, before.is_none(), "{event:?} after {before:?}");
            let asked = |done: &Done| done.key == event.key && explains(done, event, before);
            let causes = || open.iter().enumerate().filter(|(_, done)| asked(done));
            // Of two that want the same deletion one takes place: that which was told so, if one was.
            let in_time = causes().filter(|(_, done)| done.asked_after < event.revision);
            let cause = in_time.max_by_key(|(_, done)| !matches!(done.answer, Answer::Unknown)).map(|(at, _)| at);
            let early = || causes().next().map(|(_, done)| *done);
            let cause = cause.unwrap_or_else(|| panic!("nobody asked for {event:?} before it came: {:?}", early()));
            open.swap_remove(cause);
            let now = event.value.map(|value| (event.revision, value));
            past.entry(event.key).or_insert_with(|| vec![(begin, None)]).push((event.revision, now));
            match now {
                Some(now) => drop(self.state.insert(event.key, now)),
                None => drop(self.state.remove(&event.key)),
            }
        }
        open.retain(|done| !matches!(done.answer, Answer::Refused | Answer::Missing));
        for done in &open {
            match (done.want, done.answer) {
                (_, Answer::Written(revision)) => {
                    assert!(revision > seen, "{done:?} was answered, and the watch did not show it before {seen}");
                }
                (Want::Delete(expect), Answer::Deleted) => {
                    let now = self.state.get(&done.key).map(|(revision, _)| *revision);
                    assert_eq!(now, Some(expect), "{done:?} was answered, and the watch shows something else");
                }
                _ => {}
            }
        }
        let nothing = vec![(begin, None)];
        for done in &done {
            // What the watch did not come to see may be the reason.
            let is_open = done.floor > seen || open.iter().any(|other| other.key == done.key);
            check_look(done, past.get(&done.key).unwrap_or(&nothing), is_open);
        }
        self.seen = Some(seen);
        self.open = open;
    }
}

fn explains(done: &Done, event: &Event, before: Option<(u64, u64)>) -> bool {
    let answered = match done.answer {
        Answer::Written(revision) => revision == event.revision,
        Answer::Deleted | Answer::Unknown => true,
        Answer::Refused | Answer::Missing | Answer::Read(_) => false,
    };
    answered && done.makes(event.value) && done.fits(before)
}

/// What a request was shown must be a state that the object had, and none that had been written over, by an answer that
/// anyone had, before it was asked; unless it may be one after the last event that the watch saw.
fn check_look(done: &Done, past: &Past, is_open: bool) {
    let could_be = |wanted: &dyn Fn(Option<(u64, u64)>) -> bool| {
        let ends = past.iter().skip(1).map(|(since, _)| *since).chain([u64::MAX]);
        past.iter().zip(ends).any(|((_, state), end)| wanted(*state) && end > done.floor)
    };
    let is_missing = done.answer == Answer::Missing;
    let explained = match done.answer {
        Answer::Read(found) => could_be(&|state| state == found),
        // For a reason: at some moment the object was not as it was expected.
        Answer::Refused | Answer::Missing => could_be(&|state| !done.fits(state) && is_missing == state.is_none()),
        Answer::Written(_) | Answer::Deleted | Answer::Unknown => true,
    };
    assert!(explained || is_open, "{done:?} does not fit {past:?}");
}

/// The checks can fail: a history that is whole, and then one in which a write is lost, one that is shown twice, an old read.
mod can_fail {
    use super::*;

    fn write(expect: Option<u64>, value: u64, answer: Answer, asked_after: u64) -> Done {
        let want = expect.map_or(Want::Create(value), |expect| Want::Update(expect, value));
        Done { key: 0, want, asked_after, floor: asked_after, answer }
    }

    fn event(revision: u64, is_new: bool, value: u64) -> Event {
        Event { revision, key: 0, is_new, value: Some(value) }
    }

    fn check(events: &[Event], more: &[Done], found: Option<(u64, u64)>) {
        let mut history = History { seen: Some(1), ..History::default() };
        let mut done = vec![write(None, 10, Answer::Written(2), 1), write(Some(2), 11, Answer::Written(3), 2)];
        done.extend(more);
        history.check_life(events, done);
        history.check_found(&found.map(|state| (0, state)).into_iter().collect(), 3);
    }

    #[test]
    fn a_whole_history_passes() {
        check(&[event(2, true, 10), event(3, false, 11)], &[], Some((3, 11)));
        // the watch broke before the last event
        check(&[event(2, true, 10)], &[], Some((3, 11)));
    }

    #[test]
    #[should_panic(expected = "is lost")]
    fn a_lost_write_is_found() {
        check(&[event(2, true, 10)], &[], Some((2, 10)));
    }

    #[test]
    #[should_panic(expected = "comes after")]
    fn a_second_showing_is_found() {
        check(&[event(2, true, 10), event(2, true, 10)], &[], Some((3, 11)));
    }

    #[test]
    #[should_panic(expected = "did not show it")]
    fn a_gap_is_found() {
        check(&[event(3, true, 11)], &[write(None, 11, Answer::Unknown, 1)], Some((3, 11)));
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn an_old_read_is_found() {
        let answer = Answer::Read(Some((2, 10)));
        let read = Done { key: 0, want: Want::Read, asked_after: 3, floor: 3, answer };
        check(&[event(2, true, 10), event(3, false, 11)], &[read], Some((3, 11)));
    }
}
