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
        // An informer that runs already tells of what it has at once, and its listener asks who the users are: started only
        // when nothing is held.
        for (object, stop) in self.note(uid, objects, shutdown) {
            match &object {
                Watched::ConfigMap(namespace, name) => {
                    self.watch::<ConfigMap>(client, clock, stop, &object, namespace, name);
                }
                Watched::Secret(namespace, name) => {
                    self.watch::<Secret>(client, clock, stop, &object, namespace, name);
                }
            }
        }
    }

    /// Notes who uses what; returns what is used for the first time, with what ends its watch.
    fn note(&self, uid: &PodUid, objects: &BTreeSet<Watched>, shutdown: &Shutdown) -> Vec<(Watched, Shutdown)> {
        let mut new = Vec::new();
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
            new.push((object.clone(), stop));
        }
        new
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::{BodyExt, Full, StreamBody};
    use std::sync::mpsc;

    /// An API server with one configMap, which never changes.
    fn client() -> Client {
        let service = tower::service_fn(|request: Request<kube::client::Body>| async move {
            let is_watch = request.uri().query().unwrap_or_default().contains("watch=true");
            let body = if is_watch {
                StreamBody::new(futures::stream::pending::<Result<hyper::body::Frame<Bytes>, std::io::Error>>())
                    .boxed_unsync()
            } else {
                let list = serde_json::json!({
                    "kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"},
                    "items": [{"metadata": {"name": "m", "namespace": "n", "resourceVersion": "7"}}],
                });
                Full::new(Bytes::from(list.to_string())).map_err(|never| match never {}).boxed_unsync()
            };
            Ok::<_, std::io::Error>(Response::new(body))
        });
        Client::from_service(service, "kubelet/v1.36.2").unwrap()
    }

    /// The last user of an object goes and another comes before its watch has ended: the watch is joined and tells at once
    /// what it has, while `set` is at work.
    #[tokio::test]
    async fn a_watch_that_is_about_to_end_can_be_joined() {
        let watches = ObjectWatches::new(Some((client(), clock::system(), Shutdown::new())));
        let (told, wakes) = mpsc::channel();
        watches.on_change(move |uid, _, version| {
            told.send((uid.0.clone(), version.map(str::to_owned))).unwrap();
        });
        let map = BTreeSet::from([Watched::ConfigMap("n".to_owned(), "m".to_owned())]);
        let told_next = async || loop {
            if let Ok(told) = wakes.try_recv() {
                return told;
            }
            tokio::task::yield_now().await;
        };
        watches.set(&PodUid("first".to_owned()), &map);
        assert_eq!(told_next().await, ("first".to_owned(), Some("7".to_owned())));
        watches.set(&PodUid("first".to_owned()), &BTreeSet::new());
        watches.set(&PodUid("second".to_owned()), &map);
        assert_eq!(told_next().await, ("second".to_owned(), Some("7".to_owned())));
    }
}
