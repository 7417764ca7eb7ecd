//! Reading objects inside the API server: what authenticators, authorizers and admission know of the cluster.
//!
//! All of it comes from the watch cache, so nothing here waits. What not: writing; that goes through the pipeline.

use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Access to the stored objects (in their stored version) as the watch cache has them now.
pub trait ObjectReader: Send + Sync + std::fmt::Debug {
    /// One object; `namespace` is empty for cluster scope. Carries `apiVersion`, `kind` and `metadata.resourceVersion`.
    fn get(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Arc<Value>>;

    /// The value of an object's label. The cache looks at its header for it and parses nothing.
    fn label(&self, group: &str, plural: &str, namespace: &str, name: &str, label: &str) -> Option<String> {
        let object = self.get(group, plural, namespace, name)?;
        object["metadata"]["labels"][label].as_str().map(str::to_owned)
    }

    /// All objects of a resource, in the order of namespace and name; with a namespace those in it.
    fn list(&self, group: &str, plural: &str, namespace: Option<&str>) -> Vec<Arc<Value>>;

    /// The objects whose selectable field (`spec.nodeName`, as field selectors have it) has this value. The cache
    /// looks at its headers for it and parses only what is found.
    fn list_where(
        &self,
        group: &str,
        plural: &str,
        namespace: Option<&str>,
        field: &str,
        value: &str,
    ) -> Vec<Arc<Value>> {
        let pointer = format!("/{}", field.replace('.', "/"));
        let mut all = self.list(group, plural, namespace);
        all.retain(|object| object.pointer(&pointer).and_then(Value::as_str).unwrap_or_default() == value);
        all
    }

    /// What changes whenever an object of the resource does. Ask for it once, and look at it before each use of something
    /// compiled from [`ObjectReader::list`].
    fn generation(&self, group: &str, plural: &str) -> Generation;
}

/// A number that changes whenever an object of a resource is created, changed or deleted.
#[derive(Clone, Debug, Default)]
pub struct Generation(Arc<AtomicU64>);

impl Generation {
    /// The number: one atomic load.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Something has changed.
    pub(crate) fn advance(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// How the chain's stages hold their reader.
pub type SharedReader = Arc<dyn ObjectReader>;
