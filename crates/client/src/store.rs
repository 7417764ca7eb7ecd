//! The objects that an informer holds, with indices. Readers get `Arc`s and never wait for the network.

use crate::{Object, ObjectKey};
use foldhash::{HashMap, HashMapExt};
use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Computes under which values an object is found in an index.
pub type IndexFn<K> = fn(&K) -> Vec<String>;

/// A read handle on an informer's objects. Cheap to clone.
#[derive(Debug)]
pub struct Store<K> {
    inner: Arc<RwLock<Inner<K>>>,
    /// Whose indices are looked at through this handle.
    user: u64,
}

#[derive(Debug)]
struct Inner<K> {
    objects: HashMap<Arc<ObjectKey>, Arc<K>>,
    indices: Vec<Index<K>>,
}

#[derive(Debug)]
struct Index<K> {
    user: u64,
    name: &'static str,
    of: IndexFn<K>,
    keys: HashMap<String, Keys>,
}

/// The objects under one value of an index: mostly one (a uid's), and a tree of one takes six hundred bytes.
#[derive(Debug)]
enum Keys {
    One(Arc<ObjectKey>),
    Many(BTreeSet<Arc<ObjectKey>>),
}

impl Keys {
    fn insert(&mut self, key: Arc<ObjectKey>) {
        match self {
            Self::One(only) if *only == key => {}
            Self::One(only) => *self = Self::Many([only.clone(), key].into()),
            Self::Many(keys) => drop(keys.insert(key)),
        }
    }

    /// Takes a key away. True: none is left.
    fn remove(&mut self, key: &ObjectKey) -> bool {
        match self {
            Self::One(only) => **only == *key,
            Self::Many(keys) => {
                keys.remove(key);
                keys.is_empty()
            }
        }
    }

    /// In order.
    fn iter(&self) -> impl Iterator<Item = &Arc<ObjectKey>> {
        let (one, many) = match self {
            Self::One(key) => (Some(key), None),
            Self::Many(keys) => (None, Some(keys)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

impl<K> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), user: self.user }
    }
}

impl<K: Object> Store<K> {
    pub(crate) fn new() -> Self {
        Self { inner: Arc::new(RwLock::new(Inner { objects: HashMap::new(), indices: Vec::new() })), user: 0 }
    }

    /// A handle for one more user, with indices of its own.
    pub(crate) fn join(&self, user: u64, indices: Vec<(&'static str, IndexFn<K>)>) -> Self {
        let mut inner = self.write();
        let Inner { objects, indices: all } = &mut *inner;
        for (name, of) in indices {
            let mut index = Index { user, name, of, keys: HashMap::new() };
            objects.iter().for_each(|(key, object)| index.replace(key, None, Some(object)));
            all.push(index);
        }
        drop(inner);
        Self { inner: self.inner.clone(), user }
    }

    /// Drops the indices of a user.
    pub(crate) fn leave(&self, user: u64) {
        self.write().indices.retain(|index| index.user != user);
    }

    /// The object of this key.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<K>> {
        self.read().objects.get(key).cloned()
    }

    /// All objects, in no order.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.read().objects.values().cloned().collect()
    }

    /// All keys, in no order.
    pub fn keys(&self) -> Vec<ObjectKey> {
        self.read().objects.keys().map(|key| (**key).clone()).collect()
    }

    /// The objects that index `name` holds under `value`, ordered by key. An index that does not exist holds nothing.
    pub fn by_index(&self, name: &str, value: &str) -> Vec<Arc<K>> {
        let inner = self.read();
        let own = |index: &&Index<K>| index.user == self.user && index.name == name;
        let Some(index) = inner.indices.iter().find(own) else { return Vec::new() };
        let keys = index.keys.get(value).into_iter().flat_map(Keys::iter);
        keys.filter_map(|key| inner.objects.get(key).cloned()).collect()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.read().objects.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts the object of this key in the place of the one before.
    pub(crate) fn insert(&self, key: &ObjectKey, object: Arc<K>) {
        let mut inner = self.write();
        let held = inner.objects.get_key_value(key).map(|(held, _)| held.clone());
        let key = held.unwrap_or_else(|| Arc::new(key.clone()));
        let old = inner.objects.insert(key.clone(), object.clone());
        for index in &mut inner.indices {
            index.replace(&key, old.as_deref(), Some(&object));
        }
    }

    pub(crate) fn remove(&self, key: &ObjectKey) -> Option<Arc<K>> {
        let mut inner = self.write();
        let (key, old) = inner.objects.remove_entry(key)?;
        for index in &mut inner.indices {
            index.replace(&key, Some(&old), None);
        }
        Some(old)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner<K>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<K>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Index<K> {
    fn replace(&mut self, key: &Arc<ObjectKey>, old: Option<&K>, new: Option<&K>) {
        let before = old.map(self.of).unwrap_or_default();
        let after = new.map(self.of).unwrap_or_default();
        if before == after {
            return;
        }
        for value in before {
            if self.keys.get_mut(&value).is_some_and(|keys| keys.remove(key)) {
                self.keys.remove(&value);
            }
        }
        for value in after {
            match self.keys.entry(value) {
                Entry::Occupied(mut keys) => keys.get_mut().insert(key.clone()),
                Entry::Vacant(place) => drop(place.insert(Keys::One(key.clone()))),
            }
        }
    }
}
