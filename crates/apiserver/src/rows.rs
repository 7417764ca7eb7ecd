//! The resources that this server serves: the built-in rows, and later those of CustomResourceDefinitions.

use registry::{Resource, Storage};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The resource table at run time.
#[derive(Debug)]
pub struct Rows {
    table: RwLock<Table>,
}

type GroupVersionResource = (Arc<str>, Arc<str>, Arc<str>);

#[derive(Debug, Default)]
struct Table {
    served: HashMap<GroupVersionResource, Arc<Resource>>,
    stored: HashMap<(Arc<str>, Arc<str>), Arc<Resource>>,
}

impl Rows {
    /// The built-in rows.
    pub fn builtin() -> Self {
        let mut table = Table::default();
        for row in registry::table() {
            table.add(Arc::new(row.clone()));
        }
        Self { table: RwLock::new(table) }
    }

    /// The row that serves a path.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let key = (group.into(), version.into(), plural.into());
        self.table.read().unwrap_or_else(PoisonError::into_inner).served.get(&key).cloned()
    }

    /// The row in whose form a resource is stored.
    pub fn stored(&self, group: &str, plural: &str) -> Option<Arc<Resource>> {
        let key = (group.into(), plural.into());
        self.table.read().unwrap_or_else(PoisonError::into_inner).stored.get(&key).cloned()
    }

    /// Every row, in no order.
    pub fn all(&self) -> Vec<Arc<Resource>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).served.values().cloned().collect()
    }

    /// Whether any resource is served below `/apis/<group>/<version>` (`/api/v1` for the empty group).
    pub fn has_version(&self, group: &str, version: &str) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.served.keys().any(|(g, v, _)| &**g == group && &**v == version)
    }
}

impl Table {
    fn add(&mut self, row: Arc<Resource>) {
        if matches!(row.storage, Storage::Own) {
            self.stored.insert((row.group.clone(), row.plural.clone()), row.clone());
        }
        self.served.insert((row.group.clone(), row.version.clone(), row.plural.clone()), row);
    }
}
