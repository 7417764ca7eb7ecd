//! The end of a definition: its instances are deleted as anyone would delete them, and when the last is gone, so is what
//! held the definition.

use super::{GROUP, PLURAL};
use crate::cache::{Entry, Interest};
use crate::pipeline::{self, Identity};
use crate::server::Api;
use crate::user::UserInfo;
use api::meta::{ObjectMeta, metadata_mut};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;

/// What holds a definition until then.
pub(super) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Deletes all instances, waits for the last, and lets the definition go. Ends early when the server stops.
pub(super) async fn run(api: &Arc<Api>, name: &str, definition: &Value) {
    begin(api, name).await;
    let group = text(&definition["spec"], "group");
    // Not the accepted names: whoever is quick has made instances before those are written down.
    let plural = text(&definition["spec"]["names"], "plural");
    if !plural.is_empty() {
        let shelf = api.cache.shelf(group, plural);
        loop {
            let (snapshot, mut subscription) = shelf.list_and_watch(|| api.cache.revision(), Interest::default());
            let mut left = 0usize;
            for entry in snapshot.range(None, None) {
                left += 1;
                delete(api, group, plural, entry).await;
            }
            if left == 0 {
                break;
            }
            // What is left has finalizers of its own, or is just going.
            tokio::select! {
                () = api.stopping.cancelled() => return,
                _ = subscription.changes.recv() => {}
            }
        }
    }
    release(api, name).await;
}

/// Says that it goes on now: instances with finalizers may take long.
async fn begin(api: &Api, name: &str) {
    let Some(entry) = api.cache.shelf(GROUP, PLURAL).get(name) else { return };
    let definition = entry.value();
    if let Some(planned) = super::naming::in_cleanup(&definition, api.clock.now()) {
        super::status::write(api, name, entry.revision, &definition, &planned).await;
    }
}

/// One instance, unless it is being deleted already.
async fn delete(api: &Arc<Api>, group: &str, plural: &str, entry: &Arc<Entry>) {
    if entry.value().is_deleting() {
        return;
    }
    let Some(row) = api.rows.stored(group, plural) else {
        // No version is served: nobody but the store knows the object.
        return remove(api, group, plural, entry).await;
    };
    let namespace = match entry.header.namespace() {
        "" => String::new(),
        namespace => format!("/namespaces/{namespace}"),
    };
    let path = format!("/apis/{group}/{}{namespace}/{plural}/{}", row.version, entry.header.name());
    let body = http_body_util::Empty::new().map_err(|never: std::convert::Infallible| match never {}).boxed_unsync();
    let Ok(request) = http::Request::delete(path).body(body) else { return };
    let user = UserInfo::new("system:apiserver", &[crate::user::SYSTEM_PRIVILEGED_GROUP]);
    let answer = pipeline::handle(api.clone(), request, Identity::User(Arc::new(user))).await;
    if answer.status().is_server_error() {
        tracing::warn!(%group, %plural, name = %entry.header.name(), status = %answer.status(), "an instance was not deleted");
    }
}

async fn remove(api: &Api, group: &str, plural: &str, entry: &Entry) {
    // Whoever was faster has changed it, and so leads to another look.
    if let Err(error) = api.storage.delete_key(group, plural, &entry.key, entry.revision).await {
        tracing::debug!(%group, %plural, %error, "an instance of no served version was not deleted");
    }
}

/// Takes the finalizer off; without others the definition goes.
async fn release(api: &Api, name: &str) {
    let shelf = api.cache.shelf(GROUP, PLURAL);
    while let Some(entry) = shelf.get(name) {
        let mut definition = entry.value();
        let mut finalizers: Vec<String> = definition.finalizers().into_iter().map(str::to_owned).collect();
        finalizers.retain(|one| one != FINALIZER);
        let done = if finalizers.is_empty() {
            let Some(row) = api.rows.stored(GROUP, PLURAL) else { return };
            api.storage.delete(&row, name, entry.revision).await.map(|_| ())
        } else {
            metadata_mut(&mut definition).insert("finalizers".to_owned(), finalizers.into());
            super::put(api, name, entry.revision, &definition).await
        };
        match done {
            Ok(()) => return,
            Err(store::CommitError::Conflict { .. }) => {} // changed meanwhile: once more
            Err(error) => {
                tracing::error!(definition = name, %error, "a definition cannot be let go");
                return;
            }
        }
    }
}
