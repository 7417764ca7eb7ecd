//! Watches on the single configMaps and secrets that pods of this node use, so that a change wakes the pods at once.
//!
//! A node may read only what its pods name, hence a watch per object and not one for all.

use crate::pod::PodUid;
use client::{Change, Client, InformerBuilder, Object, Selection, Shutdown};
use clock::SharedClock;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Resource;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// An object that pods may use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watched {
    /// Namespace and name.
    ConfigMap(String, String),
    /// Namespace and name.
    Secret(String, String),
}

/// Told of each pod that uses a changed object, the object, and its resourceVersion (`None`: deleted).
type Wake = Arc<dyn Fn(&PodUid, &Watched, Option<&str>) + Send + Sync>;

/// The watches, with the pods that want them.
pub struct ObjectWatches {
    client: Option<(Client, SharedClock, Shutdown)>,
    inner: Arc<Mutex<HashMap<Watched, Entry>>>,
    wake: Mutex<Option<Wake>>,
}

struct Entry {
    users: BTreeSet<PodUid>,
    stop: Shutdown,
}

impl std::fmt::Debug for ObjectWatches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ObjectWatches")
    }
}

impl ObjectWatches {
    /// Without a client nothing is watched.
    pub fn new(client: Option<(Client, SharedClock, Shutdown)>) -> Self {
        Self { client, inner: Arc::default(), wake: Mutex::new(None) }
    }

    /// Says what is to be called for each pod that uses a changed object.
    pub fn on_change(&self, wake: impl Fn(&PodUid, &Watched, Option<&str>) + Send + Sync + 'static) {
        *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(wake));
    }

    /// Makes these the objects that `uid` uses; an empty set ends its use.
    pub fn set(&self, uid: &PodUid, objects: &BTreeSet<Watched>) {
        let Some((client, clock, shutdown)) = &self.client else { return };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.retain(|object, entry| {
            if !objects.contains(object) {
                entry.users.remove(uid);
            }
            if entry.users.is_empty() {
                entry.stop.cancel();
            }
            !entry.users.is_empty()
        });
        for object in objects {
            if let Some(entry) = inner.get_mut(object) {
                entry.users.insert(uid.clone());
                continue;
            }
            let stop = shutdown.child_token();
            inner.insert(object.clone(), Entry { users: BTreeSet::from([uid.clone()]), stop: stop.clone() });
            match object {
                Watched::ConfigMap(namespace, name) => {
                    self.watch::<ConfigMap>(client, clock, stop, object, namespace, name);
                }
                Watched::Secret(namespace, name) => {
                    self.watch::<Secret>(client, clock, stop, object, namespace, name);
                }
            }
        }
    }

    fn watch<K: Object + Resource<DynamicType = ()>>(
        &self,
        client: &Client,
        clock: &SharedClock,
        stop: Shutdown,
        object: &Watched,
        namespace: &str,
        name: &str,
    ) {
        let selection = Selection {
            namespace: Some(namespace.to_owned()),
            fields: Some(format!("metadata.name={name}")),
            ..Selection::all()
        };
        let wake = self.wake.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (object, inner) = (object.clone(), Arc::downgrade(&self.inner));
        let changed = move |change: &Change<K>| {
            let version = change.new.as_ref().and_then(|new| new.meta().resource_version.as_deref());
            let Some(inner) = inner.upgrade() else { return };
            let users = inner.lock().unwrap_or_else(PoisonError::into_inner).get(&object).map(|e| e.users.clone());
            if let Some(wake) = &wake {
                users.iter().flatten().for_each(|uid| wake(uid, &object, version));
            }
        };
        // it runs until its token is cancelled; nobody reads its store
        drop(InformerBuilder::<K>::new(client, clock.clone(), selection).on_change(changed).start(stop));
    }
}
