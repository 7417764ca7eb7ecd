//! CustomResourceDefinitions at work: their names are accepted or not, their rows come and go, and at their end their
//! instances are deleted first (`k8s.io/apiextensions-apiserver/pkg/controller`).
//!
//! Level-triggered: any change of any definition leads to [`Extensions::reconcile`], which looks at all of them. What a
//! definition's status should be is a pure function, [`naming::plan`]. What not: validation, and how objects are served.

mod cleanup;
mod naming;
mod status;

use crate::cache::Interest;
use crate::server::Api;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use store::{CommitError, Expect, Revision};

/// Group and plural of the definitions.
const GROUP: &str = "apiextensions.k8s.io";
const PLURAL: &str = "customresourcedefinitions";
/// Who writes their status.
const MANAGER: &str = "kube-apiserver";

/// What is known of the definitions.
pub struct Extensions {
    api: Arc<Api>,
    /// The definitions as last read, by name, with their revisions.
    read: HashMap<Arc<str>, (u64, Arc<Value>)>,
    /// From what the rows of each definition were made.
    installed: HashMap<Arc<str>, String>,
    /// Definitions whose instances are being deleted.
    cleaning: Arc<Mutex<HashSet<String>>>,
}

impl Extensions {
    /// Serves what the store has already.
    pub async fn start(api: Arc<Api>) -> Self {
        let mut extensions = Self { api, read: HashMap::new(), installed: HashMap::new(), cleaning: Arc::default() };
        extensions.reconcile().await;
        extensions
    }

    /// Follows the definitions until the server stops.
    pub async fn run(mut self) {
        let stopping = self.api.stopping.clone();
        loop {
            let shelf = self.api.cache.shelf(GROUP, PLURAL);
            let cache = self.api.cache.clone();
            let (_, mut subscription) = shelf.list_and_watch(|| cache.revision(), Interest::default());
            self.reconcile().await;
            // Ends when we were too slow; then everything is looked at anew.
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    is_open = subscription.changed() => if !is_open { break },
                }
                self.reconcile().await;
            }
        }
    }

    /// Brings status and rows of all definitions up to date.
    async fn reconcile(&mut self) {
        let mut definitions = self.refresh();
        definitions.sort_by_cached_key(|(name, _, definition)| {
            let created = definition["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned();
            (created, name.clone())
        });
        let mut changed = self.forget(&definitions);
        for at in 0..definitions.len() {
            let (name, revision, definition) = definitions[at].clone();
            let others = definitions.iter().filter(|(other, ..)| *other != name).map(|(.., value)| &**value);
            let planned = naming::plan(&definition, others, self.api.clock.now());
            let wanted = planned.as_ref().map_or_else(|| definition.clone(), |planned| Arc::new(planned.clone()));
            changed |= self.install(&name, &wanted);
            if planned.is_some() {
                // Rows are there before the status says so.
                self.describe(&mut changed);
                status::write(&self.api, &name, revision, &definition, &wanted).await;
                definitions[at].2 = wanted.clone();
            }
            if naming::is_cleaning(&wanted) {
                self.clean(&name, &wanted);
            }
        }
        self.describe(&mut changed);
    }

    fn describe(&self, changed: &mut bool) {
        if std::mem::take(changed) {
            self.api.documents.describe(&self.api.rows.all());
        }
    }

    /// All definitions; those that have not changed are not parsed again.
    fn refresh(&mut self) -> Vec<(Arc<str>, u64, Arc<Value>)> {
        let snapshot = self.api.cache.snapshot(&self.api.cache.shelf(GROUP, PLURAL));
        let mut read = HashMap::new();
        let mut all = Vec::new();
        for entry in snapshot.range(None, None) {
            let known = self.read.get(&entry.key).filter(|(revision, _)| *revision == entry.revision);
            let value = known.map_or_else(|| Arc::new(entry.value()), |(_, value)| value.clone());
            read.insert(entry.key.clone(), (entry.revision, value.clone()));
            all.push((entry.key.clone(), entry.revision, value));
        }
        self.read = read;
        all
    }

    /// Takes the rows of definitions away that are gone.
    fn forget(&mut self, definitions: &[(Arc<str>, u64, Arc<Value>)]) -> bool {
        let there: HashSet<&Arc<str>> = definitions.iter().map(|(name, ..)| name).collect();
        let gone: Vec<Arc<str>> = self.installed.keys().filter(|name| !there.contains(name)).cloned().collect();
        for name in &gone {
            self.installed.remove(name);
            self.api.rows.set(name, Vec::new());
        }
        !gone.is_empty()
    }

    /// Makes the rows of a definition, unless they are there already.
    fn install(&mut self, name: &Arc<str>, definition: &Value) -> bool {
        let facts = if naming::is_established(definition) { naming::facts(definition) } else { String::new() };
        if self.installed.get(name).map(String::as_str).unwrap_or_default() == facts {
            return false;
        }
        let rows = if facts.is_empty() { Ok(Vec::new()) } else { registry::custom::rows(definition) };
        let rows = rows.unwrap_or_else(|error| {
            tracing::error!(definition = %name, %error, "a custom resource cannot be served");
            Vec::new()
        });
        self.api.rows.set(name, rows);
        self.installed.insert(name.clone(), facts);
        true
    }

    /// Deletes the instances of a definition in a task of its own, one at a time for each definition.
    fn clean(&self, name: &str, definition: &Arc<Value>) {
        let begins = self.cleaning.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        if !begins {
            return;
        }
        let (api, cleaning) = (self.api.clone(), self.cleaning.clone());
        let (name, definition) = (name.to_owned(), definition.clone());
        tokio::spawn(async move {
            cleanup::run(&api, &name, &definition).await;
            cleaning.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        });
    }
}

/// Writes a definition in the place of the one at `revision`. Whoever was faster leads to another look.
async fn put(api: &Api, name: &str, revision: u64, object: &Value) -> Result<(), CommitError> {
    let Some(row) = api.rows.stored(GROUP, PLURAL) else { return Ok(()) };
    match api.storage.put(&row, name, object, Expect::At(Revision(revision))).await {
        Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
