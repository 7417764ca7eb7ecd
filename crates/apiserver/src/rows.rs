//! The resources that this server serves: the built-in rows, and those of CustomResourceDefinitions, which come and go.

use foldhash::HashMap;
use registry::{Resource, Storage};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// The resource table at run time.
#[derive(Debug)]
pub struct Rows {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// By plural, which few rows share.
    served: HashMap<Arc<str>, Vec<Served>>,
    stored: HashMap<(Arc<str>, Arc<str>), Arc<Resource>>,
    /// What belongs to each definition, by its name.
    custom: HashMap<Arc<str>, Vec<Arc<Resource>>>,
}

/// A row, and how those who hold it learn that it holds no more.
#[derive(Debug)]
struct Served {
    row: Arc<Resource>,
    retired: CancellationToken,
}

impl Served {
    fn is(&self, group: &str, version: &str) -> bool {
        &*self.row.group == group && &*self.row.version == version
    }
}

impl Rows {
    /// The built-in rows, and further ones that are served like them.
    pub fn builtin(further: Vec<Resource>) -> Self {
        let mut table = Table::default();
        for row in registry::table().iter().cloned().chain(further) {
            table.add(Arc::new(row));
        }
        Self { table: RwLock::new(table) }
    }

    /// Puts rows in the place of those that the owner (the name of a CustomResourceDefinition, say) had before; none
    /// takes them away. Built-in rows are never replaced.
    pub fn set(&self, owner: &str, rows: Vec<Resource>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        for gone in table.custom.remove(owner).unwrap_or_default() {
            table.remove(&gone);
        }
        let mut added = Vec::new();
        for row in rows.into_iter().map(Arc::new) {
            if table.find(&row.group, &row.version, &row.plural).is_none() {
                table.add(row.clone());
                added.push(row);
            }
        }
        if !added.is_empty() {
            table.custom.insert(owner.into(), added);
        }
    }

    /// The row that serves a path.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.find(group, version, plural).map(|served| served.row.clone())
    }

    /// Cancelled as soon as the row is replaced or gone: what goes on for long with an old row ends then.
    pub fn retirement(&self, row: &Arc<Resource>) -> CancellationToken {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        match table.find(&row.group, &row.version, &row.plural) {
            Some(served) if Arc::ptr_eq(&served.row, row) => served.retired.clone(),
            _ => {
                let token = CancellationToken::new();
                token.cancel();
                token
            }
        }
    }

    /// The row in whose form a resource is stored.
    pub fn stored(&self, group: &str, plural: &str) -> Option<Arc<Resource>> {
        let key = (group.into(), plural.into());
        self.table.read().unwrap_or_else(PoisonError::into_inner).stored.get(&key).cloned()
    }

    /// Every row, in no order.
    pub fn all(&self) -> Vec<Arc<Resource>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.all().map(|served| served.row.clone()).collect()
    }

    /// Whether any built-in resource is served below `/apis/<group>`.
    pub fn has_builtin_group(&self, group: &str) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.all().any(|served| &*served.row.group == group && served.row.custom.is_none())
    }

    /// Whether any resource is served below `/apis/<group>/<version>` (`/api/v1` for the empty group).
    pub fn has_version(&self, group: &str, version: &str) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.all().any(|served| served.is(group, version))
    }
}

impl Table {
    fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Served> {
        self.served.get(plural)?.iter().find(|served| served.is(group, version))
    }

    fn all(&self) -> impl Iterator<Item = &Served> {
        self.served.values().flatten()
    }

    fn add(&mut self, row: Arc<Resource>) {
        // A custom resource may be stored in the form of a version that is not served: any of its rows will do.
        let is_stored = match &row.storage {
            Storage::Own => true,
            Storage::Shared { group, plural, .. } => {
                row.custom.is_some() && !self.stored.contains_key(&(group.clone(), plural.clone()))
            }
        };
        if is_stored {
            self.stored.insert((row.group.clone(), row.plural.clone()), row.clone());
        }
        let served = self.served.entry(row.plural.clone()).or_default();
        served.retain(|other| !other.is(&row.group, &row.version));
        served.push(Served { row, retired: CancellationToken::new() });
    }

    fn remove(&mut self, row: &Arc<Resource>) {
        if let Some(served) = self.served.get_mut(&row.plural) {
            let gone = served.extract_if(.., |served| served.is(&row.group, &row.version));
            gone.for_each(|gone| gone.retired.cancel());
            if served.is_empty() {
                self.served.remove(&row.plural);
            }
        }
        let stored = (row.group.clone(), row.plural.clone());
        if self.stored.get(&stored).is_some_and(|one| one.custom.is_some()) {
            self.stored.remove(&stored);
        }
    }
}
