//! The informers that run on one client: a second one of the same kind and selection joins the first, so that a process
//! holds each object once, however many of its parts look at it.

use crate::lean::Trim;
use crate::watch::Source;
use crate::{Informer, Object, Selection, Shutdown};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What makes informers the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    object: TypeId,
    url_path: String,
    selection: Selection,
    metadata_only: bool,
    /// What trims objects.
    trim: Option<&'static str>,
}

impl Key {
    pub(crate) fn of<K: Object>(source: &Source, trim: Option<Trim<K>>) -> Self {
        Self {
            object: TypeId::of::<K>(),
            url_path: source.url_path.clone(),
            selection: source.selection.clone(),
            metadata_only: source.metadata_only,
            trim: trim.map(|trim| trim.name),
        }
    }
}

struct Entry {
    /// An `Informer<K>` of the key's type.
    informer: Box<dyn Any + Send>,
    users: usize,
    stop: Shutdown,
}

/// Running informers, with the number of their users. Bounded by the selections that the code asks for.
#[derive(Default)]
pub(crate) struct Running {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    informers: HashMap<Key, Entry>,
    last_user: u64,
}

impl Running {
    /// The informer of this key, started by `run` if there is none, and a number for its new user.
    pub(crate) fn join<K: Object>(&self, key: Key, run: impl FnOnce(Shutdown) -> Informer<K>) -> (Informer<K>, u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last_user += 1;
        let user = state.last_user;
        if let Some(entry) = state.informers.get_mut(&key)
            && let Some(informer) = entry.informer.downcast_ref::<Informer<K>>()
        {
            let informer = informer.clone();
            entry.users += 1;
            return (informer, user);
        }
        let stop = Shutdown::new();
        let informer = run(stop.clone());
        state.informers.insert(key, Entry { informer: Box::new(informer.clone()), users: 1, stop });
        (informer, user)
    }

    /// One user less; with the last one the informer stops.
    pub(crate) fn leave(&self, key: &Key) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = state.informers.get_mut(key) else { return };
        entry.users -= 1;
        if entry.users == 0 {
            entry.stop.cancel();
            state.informers.remove(key);
        }
    }
}
