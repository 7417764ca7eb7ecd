//! What did not fit on the way through an object, and which of it Go's decoder would have told of.
//!
//! Go goes on after a value of the wrong type and tells of the first in the end; where a type decodes itself, its error ends
//! everything at once. So the first of the latter outranks all of the former. What is first is said by the document, whose
//! order a value does not have any more: it is looked up only where there is a choice.

use super::{ConformError, json};

/// How many are remembered of one object: a choice among more would not be told from the right one by anybody.
const MAX_MISFITS: usize = 1000;
/// How long their paths may be together: each may be as long as the body.
const MAX_PATH_BYTES: usize = 1 << 20;

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
pub(super) struct Misfits {
    all: Vec<Misfit>,
    path_bytes: usize,
}

impl Misfits {
    /// Whether more need not be looked for.
    pub(super) fn is_full(&self) -> bool {
        self.all.len() >= MAX_MISFITS || self.path_bytes > MAX_PATH_BYTES
    }

    pub(super) fn add(&mut self, path: impl FnOnce() -> String, error: ConformError, at_once: bool) {
        if !self.is_full() {
            let path = path();
            self.path_bytes += path.len();
            self.all.push(Misfit { path, error, at_once });
        }
    }

    /// The one to tell of where objects are decoded in the order of sorted keys.
    pub(super) fn first(self) -> Option<ConformError> {
        let at = self.all.iter().position(|misfit| misfit.at_once).unwrap_or(0);
        self.all.into_iter().nth(at).map(|misfit| misfit.error)
    }

    /// The one to tell of by the order of a document; of YAML upstream sorts the keys first.
    pub(super) fn first_in(mut self, body: &[u8]) -> Option<ConformError> {
        if self.all.len() > 1 {
            let places = json::places(body, self.all.iter().map(|misfit| misfit.path.as_str()));
            self.all.sort_by_key(|misfit| places.get(&misfit.path).copied().unwrap_or(usize::MAX));
        }
        self.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_are_not_written_down_without_end() {
        let mut misfits = Misfits::default();
        let error = || ConformError::Own("no");
        misfits.add(|| "x".repeat(MAX_PATH_BYTES), error(), false);
        assert!(!misfits.is_full());
        misfits.add(|| "y".to_owned(), error(), false);
        assert!(misfits.is_full());
        misfits.add(|| unreachable!("there is no room for its path"), error(), true);
        assert_eq!(misfits.all.len(), 2);
    }
}
