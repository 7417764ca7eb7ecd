//! What did not fit on the way through an object, and which of it Go's decoder would have told of.
//!
//! Go goes on after a value of the wrong type and tells of the first in the end; where a type decodes itself, its error ends
//! everything at once. So the first of the latter outranks all of the former. What is first is said by the document, whose
//! order a value does not have any more: it is looked up only where there is a choice.

use super::{ConformError, json};

/// How many are remembered of one object: a choice among more would not be told from the right one by anybody.
const MAX_MISFITS: usize = 1000;

/// A value that does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Misfit {
    path: String,
    error: ConformError,
    /// The type decodes itself.
    at_once: bool,
}

/// All of one object, in the order of sorted keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Misfits(Vec<Misfit>);

impl Misfits {
    pub(super) fn add(&mut self, path: impl FnOnce() -> String, error: ConformError, at_once: bool) {
        if self.0.len() < MAX_MISFITS {
            self.0.push(Misfit { path: path(), error, at_once });
        }
    }

    /// The one to tell of where objects are decoded in the order of sorted keys.
    pub(super) fn first(self) -> Option<ConformError> {
        let at = self.0.iter().position(|misfit| misfit.at_once).unwrap_or(0);
        self.0.into_iter().nth(at).map(|misfit| misfit.error)
    }

    /// The one to tell of by the order of a document; of YAML upstream sorts the keys first.
    pub(super) fn first_in(mut self, body: &[u8]) -> Option<ConformError> {
        if self.0.len() > 1 {
            let places = json::places(body, self.0.iter().map(|misfit| misfit.path.as_str()));
            self.0.sort_by_key(|misfit| places.get(&misfit.path).copied().unwrap_or(usize::MAX));
        }
        self.first()
    }
}
