//! What a store should do, as plainly as can be; and random steps to try it with.

use proptest::prelude::*;
use std::collections::BTreeMap;
use store::{Expect, Revision};

/// One write to be tried: key, what to expect, new value.
pub type Attempt = (u8, Guess, Option<u8>);

#[derive(Clone, Debug)]
pub enum Step {
    /// Writes offered to the store at the same moment, in this order.
    Group(Vec<Attempt>),
    /// Close and open.
    Reopen,
}

#[derive(Clone, Copy, Debug)]
pub enum Guess {
    Absent,
    Current,
    Stale,
    Any,
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let guess = prop_oneof![Just(Guess::Absent), Just(Guess::Current), Just(Guess::Stale), Just(Guess::Any)];
    let write = (0u8..4, guess, proptest::option::weighted(0.7, any::<u8>()));
    let group = proptest::collection::vec(write, 1..6).prop_map(Step::Group);
    proptest::collection::vec(prop_oneof![8 => group, 1 => Just(Step::Reopen)], 1..25)
}

#[derive(Default)]
pub struct Model {
    pub revision: u64,
    pub keys: BTreeMap<String, (u64, u8)>,
    pub events: Vec<(u64, String, Option<u8>)>,
}

impl Model {
    pub fn expect(&self, key: &str, guess: Guess) -> Expect {
        match guess {
            Guess::Absent => Expect::Absent,
            Guess::Current => self.keys.get(key).map_or(Expect::Absent, |(r, _)| Expect::At(Revision(*r))),
            Guess::Stale => Expect::At(Revision(self.keys.get(key).map_or(0, |(r, _)| *r).wrapping_sub(1))),
            Guess::Any => Expect::Any,
        }
    }

    pub fn write(&mut self, key: &str, expect: Expect, value: Option<u8>) -> Result<u64, Option<u64>> {
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
