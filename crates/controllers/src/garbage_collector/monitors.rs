//! The graph of owners and dependents: metadata informers of all resources, and the queue of objects to look at.

use super::plan::{FOREGROUND, is_deleting_by};
use super::resources::{Discovered, discover};
use crate::Context;
use client::{
    ApiResource, Change, Client, DynamicObject, Fields, Informer, InformerBuilder, ObjectKey, Part, PartialObjectMeta,
    Selection, Shutdown, Trim, WorkQueue,
};
use clock::SharedClock;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// An object's metadata.
pub type Meta = PartialObjectMeta<DynamicObject>;

const BY_UID: &str = "uid";
const BY_OWNER: &str = "owner";
/// Wait before discovery is tried again when it failed at the start.
const FIRST_DISCOVERY_RETRY: Duration = Duration::from_secs(1);

/// An object to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    pub api: Arc<ApiResource>,
    pub key: ObjectKey,
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{} {}", self.api.plural, self.api.group, self.key)
    }
}

struct Monitor {
    api: Arc<ApiResource>,
    informer: Informer<Meta>,
    stop: Shutdown,
}

/// See the module's text.
pub struct Graph {
    pub queue: WorkQueue<Item>,
    monitors: RwLock<Vec<Monitor>>,
    resources: RwLock<Vec<Discovered>>,
    discovered: watch::Sender<bool>,
    definitions: Notify,
}

impl Graph {
    pub fn new(clock: SharedClock) -> Self {
        Self {
            queue: WorkQueue::new(clock),
            monitors: RwLock::default(),
            resources: RwLock::default(),
            discovered: watch::Sender::new(false),
            definitions: Notify::new(),
        }
    }

    /// Looks at which resources there are, and starts and stops informers accordingly.
    pub async fn discover(self: &Arc<Self>, context: &Context, client: &Client) {
        let (mut resources, failed) = loop {
            match discover(client).await {
                Ok(found) => break found,
                Err(error) => {
                    tracing::warn!(%error, "cannot discover resources");
                    if *self.discovered.borrow() {
                        return; // what is known goes on being watched
                    }
                    context.clock.sleep(FIRST_DISCOVERY_RETRY).await;
                }
            }
        };
        let known = self.resources.read().unwrap_or_else(PoisonError::into_inner);
        resources.extend(known.iter().filter(|one| failed.contains(&one.api.api_version)).cloned());
        drop(known);
        let watched: HashSet<ApiResource> =
            resources.iter().filter(|resource| is_collected(resource)).map(|resource| resource.api.clone()).collect();
        let mut monitors = self.monitors.write().unwrap_or_else(PoisonError::into_inner);
        monitors.retain(|monitor| {
            let keep = watched.contains(&*monitor.api);
            if !keep {
                monitor.stop.cancel();
            }
            keep
        });
        let new: Vec<Monitor> = watched
            .into_iter()
            .filter(|api| monitors.iter().all(|monitor| *monitor.api != *api))
            .map(|api| start(context, api))
            .collect();
        let handlers: Vec<_> = new.iter().map(|monitor| (monitor.api.clone(), monitor.informer.clone())).collect();
        monitors.extend(new);
        drop(monitors); // handlers read the list
        *self.resources.write().unwrap_or_else(PoisonError::into_inner) = resources;
        for (api, informer) in handlers {
            let graph = self.clone();
            informer.add_handler(move |change| graph.on_change(&api, change));
        }
        self.discovered.send_replace(true);
    }

    /// Waits until a CustomResourceDefinition comes, changes or goes, if none has since the last time.
    pub async fn definition_changed(&self) {
        self.definitions.notified().await;
    }

    /// Waits for the first discovery and for all informers that it started.
    pub async fn wait_synced(&self) {
        let mut discovered = self.discovered.subscribe();
        if discovered.wait_for(|done| *done).await.is_err() {
            return;
        }
        let informers: Vec<Informer<Meta>> = self.read().iter().map(|monitor| monitor.informer.clone()).collect();
        for informer in informers {
            informer.wait_synced().await;
        }
    }

    /// The object of this uid, wherever it is.
    pub fn by_uid(&self, uid: &str) -> Option<Arc<Meta>> {
        self.read().iter().find_map(|monitor| monitor.informer.store().by_index(BY_UID, uid).into_iter().next())
    }

    /// What names the object of this uid as an owner.
    pub fn dependents(&self, uid: &str) -> Vec<(Item, Arc<Meta>)> {
        let mut dependents = Vec::new();
        for monitor in self.read().iter() {
            for object in monitor.informer.store().by_index(BY_OWNER, uid) {
                dependents.push((Item { api: monitor.api.clone(), key: ObjectKey::of_meta(&object) }, object));
            }
        }
        dependents
    }

    /// The object of an item, if it is still there.
    pub fn get(&self, item: &Item) -> Option<Arc<Meta>> {
        self.read().iter().find(|monitor| monitor.api == item.api)?.informer.store().get(&item.key)
    }

    /// The resource of a kind in a group, whatever the version.
    pub fn resource_of(&self, api_version: &str, kind: &str) -> Option<Discovered> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let resources = self.resources.read().unwrap_or_else(PoisonError::into_inner);
        resources.iter().find(|resource| resource.api.group == group && resource.api.kind == kind).cloned()
    }

    fn on_change(&self, api: &Arc<ApiResource>, change: &Change<Meta>) {
        if api.plural == "customresourcedefinitions" {
            self.definitions.notify_one();
        }
        let owners = |object: &Meta| object.metadata.owner_references.clone().unwrap_or_default();
        if let Some(new) = &change.new
            && (!owners(new).is_empty() || new.metadata.deletion_timestamp.is_some())
        {
            self.queue.add(Item { api: api.clone(), key: change.key.clone() });
        }
        let Some(old) = &change.old else { return };
        let gone = change.new.as_ref().is_none_or(|new| new.metadata.uid != old.metadata.uid);
        if gone && let Some(uid) = &old.metadata.uid {
            self.dependents(uid).into_iter().for_each(|(item, _)| self.queue.add(item));
        }
        if gone || change.new.as_ref().is_some_and(|new| owners(new) != owners(old)) {
            // An owner may have waited for just this one.
            for owner in owners(old) {
                self.look_at_deleting_owner(&owner.uid);
            }
        }
    }

    fn look_at_deleting_owner(&self, uid: &str) {
        for monitor in self.read().iter() {
            for object in monitor.informer.store().by_index(BY_UID, uid) {
                if is_deleting_by(&object.metadata, FOREGROUND) {
                    self.queue.add(Item { api: monitor.api.clone(), key: ObjectKey::of_meta(&object) });
                }
            }
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Monitor>> {
        self.monitors.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of an object known by its metadata alone.
trait OfMeta {
    fn of_meta(object: &Meta) -> ObjectKey;
}

impl OfMeta for ObjectKey {
    fn of_meta(object: &Meta) -> ObjectKey {
        let metadata = &object.metadata;
        ObjectKey {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}

/// Events have no owners and no dependents worth the traffic (`DefaultIgnoredResources`).
fn is_collected(resource: &Discovered) -> bool {
    resource.can(&["delete", "list", "watch"]) && resource.api.plural != "events"
}

/// Of metadata, what the collector reads.
const ONLY_OWNERSHIP: Trim<Meta> = Trim::new(
    "ownership",
    &Fields {
        named: &[(
            "metadata",
            Part::Fields(&Fields {
                named: &[
                    ("managedFields", Part::Nothing),
                    ("labels", Part::Nothing),
                    ("annotations", Part::Nothing),
                    ("creationTimestamp", Part::Nothing),
                ],
                others: Part::Whole,
            }),
        )],
        others: Part::Nothing,
    },
);

fn start(context: &Context, api: ApiResource) -> Monitor {
    let stop = context.shutdown.child_token();
    let informer = InformerBuilder::<Meta>::dynamic(&context.informers, context.clock.clone(), Selection::all(), &api)
        .trim(ONLY_OWNERSHIP)
        .index(BY_UID, |object| object.metadata.uid.clone().into_iter().collect())
        .index(BY_OWNER, |object| {
            object.metadata.owner_references.iter().flatten().map(|owner| owner.uid.clone()).collect()
        })
        .start(stop.clone());
    Monitor { api: Arc::new(api), informer, stop }
}
