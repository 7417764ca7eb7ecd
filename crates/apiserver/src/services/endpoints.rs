//! Endpoints go with their Service (upstream's `afterDelete`): the next Service of the name must not find them, also where
//! they were written by hand. What not: slices; they have owners, and so the garbage collector takes them.

use super::Services;
use super::claims::Owner;
use store::CommitError;

/// Somebody else may change them meanwhile. Who loses as often leaves them behind, as upstream does at the first error.
const ATTEMPTS_MAX: usize = 3;

impl Services {
    pub(super) async fn remove_endpoints(&self, service: &Owner) {
        let key = format!("{}/{}", service.namespace, service.name);
        let mut outcome = Ok(());
        for _ in 0..ATTEMPTS_MAX {
            let Some(entry) = self.cache.shelf("", "endpoints").get(&key) else { return };
            if entry.value()["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty()) {
                return; // they are somebody's to take away
            }
            outcome = self.claims.storage.delete_key("", "endpoints", &key, entry.revision).await.map(drop);
            if !matches!(outcome, Err(CommitError::Conflict { .. })) {
                break;
            }
        }
        if let Err(error) = outcome {
            tracing::warn!(%error, endpoints = key, "the endpoints of a service could not be deleted");
        }
    }
}
