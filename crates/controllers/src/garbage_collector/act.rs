//! Doing what the plan says: asking for owners, deleting, taking references and finalizers off.

use super::CollectError;
use super::monitors::{Graph, Item, Meta};
use super::plan::{FOREGROUND, ORPHAN, OwnerState, Plan, Policy, blocks, is_deleting_by, plan, state_of};
use client::{
    Client, DeleteParams, DynamicObject, Error, Outcome, PartialObjectMeta, Preconditions, PropagationPolicy,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// Looks at one object and does what is to be done.
pub async fn reconcile(client: &Client, graph: &Graph, item: &Item) -> Result<Outcome, CollectError> {
    let Some(object) = graph.get(item) else { return Ok(Outcome::Done) };
    let metadata = &object.metadata;
    if is_deleting_by(metadata, ORPHAN) {
        orphan_dependents(client, graph, metadata).await?;
        remove_finalizer(client, item, metadata, ORPHAN).await?;
    } else if is_deleting_by(metadata, FOREGROUND) {
        delete_dependents_first(client, graph, item, metadata).await?;
    }
    if metadata.deletion_timestamp.is_none() {
        judge(client, graph, item, metadata).await?;
    }
    Ok(Outcome::Done)
}

async fn judge(client: &Client, graph: &Graph, item: &Item, metadata: &ObjectMeta) -> Result<(), CollectError> {
    let mut states = Vec::new();
    for owner in metadata.owner_references.iter().flatten() {
        states.push(owner_state(client, graph, item, owner).await?);
    }
    let has_dependents = !graph.dependents(metadata.uid.as_deref().unwrap_or_default()).is_empty();
    match plan(metadata, &states, has_dependents) {
        Plan::Keep => Ok(()),
        Plan::KeepReferences(references) => {
            let change = json!({"ownerReferences": references});
            patch_metadata(client, item, metadata, change).await.map_err(CollectError::from)
        }
        Plan::Delete(policy) => delete(client, item, metadata, policy).await.map_err(CollectError::from),
    }
}

async fn owner_state(
    client: &Client,
    graph: &Graph,
    item: &Item,
    owner: &OwnerReference,
) -> Result<OwnerState, CollectError> {
    let in_reach = |namespace: &Option<String>| {
        namespace.as_deref().is_none_or(|namespace| namespace.is_empty() || namespace == item.key.namespace)
    };
    if let Some(known) = graph.by_uid(&owner.uid)
        && known.metadata.name.as_deref() == Some(&owner.name)
        && in_reach(&known.metadata.namespace)
    {
        return Ok(state_of(&known.metadata));
    }
    let unknown = || CollectError::UnknownKind { api_version: owner.api_version.clone(), kind: owner.kind.clone() };
    let resource = graph.resource_of(&owner.api_version, &owner.kind).ok_or_else(unknown)?;
    let kube = client.kube().clone();
    let api: Api<Meta> = match (resource.namespaced, item.key.namespace_opt()) {
        (false, _) => Api::all_with(kube, &resource.api),
        (true, Some(namespace)) => Api::namespaced_with(kube, namespace, &resource.api),
        (true, None) => return Err(CollectError::NamespacedOwner(item.key.clone())),
    };
    match api.get_metadata(&owner.name).await.map_err(Error::from) {
        Ok(found) if found.metadata.uid.as_deref() == Some(&owner.uid) => Ok(state_of(&found.metadata)),
        Ok(_) => Ok(OwnerState::Dangling),
        Err(error) if error.is_not_found() => Ok(OwnerState::Dangling),
        Err(error) => Err(error.into()),
    }
}

/// Foreground: dependents go first; without any that blocks, the object itself may.
async fn delete_dependents_first(
    client: &Client,
    graph: &Graph,
    item: &Item,
    metadata: &ObjectMeta,
) -> Result<(), Error> {
    let uid = metadata.uid.as_deref().unwrap_or_default();
    let dependents = graph.dependents(uid);
    if !dependents.iter().any(|(_, dependent)| blocks(&dependent.metadata, uid)) {
        return remove_finalizer(client, item, metadata, FOREGROUND).await;
    }
    dependents.into_iter().for_each(|(dependent, _)| graph.queue.add(dependent));
    Ok(())
}

async fn orphan_dependents(client: &Client, graph: &Graph, metadata: &ObjectMeta) -> Result<(), Error> {
    let uid = metadata.uid.as_deref().unwrap_or_default();
    for (item, dependent) in graph.dependents(uid) {
        let mut others = dependent.metadata.owner_references.clone().unwrap_or_default();
        others.retain(|owner| owner.uid != uid);
        patch_metadata(client, &item, &dependent.metadata, json!({"ownerReferences": others})).await?;
    }
    Ok(())
}

async fn remove_finalizer(client: &Client, item: &Item, metadata: &ObjectMeta, finalizer: &str) -> Result<(), Error> {
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|own| own != finalizer);
    patch_metadata(client, item, metadata, json!({"finalizers": finalizers})).await
}

/// Lists are replaced as a whole, so only in the version that they were read in. An object that is gone is no error.
async fn patch_metadata(client: &Client, item: &Item, metadata: &ObjectMeta, mut change: Value) -> Result<(), Error> {
    change["resourceVersion"] = json!(metadata.resource_version);
    change["uid"] = json!(metadata.uid);
    let patch = json!({"metadata": change});
    let api = api(client, item);
    let name = &item.key.name;
    match api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch)).await.map_err(Error::from) {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

async fn delete(client: &Client, item: &Item, metadata: &ObjectMeta, policy: Policy) -> Result<(), Error> {
    let propagation = match policy {
        Policy::Orphan => PropagationPolicy::Orphan,
        Policy::Foreground => PropagationPolicy::Foreground,
        Policy::Background => PropagationPolicy::Background,
    };
    let params = DeleteParams {
        propagation_policy: Some(propagation),
        // The version too: it may just have got another owner.
        preconditions: Some(Preconditions {
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
        }),
        ..DeleteParams::default()
    };
    match api(client, item).delete(&item.key.name, &params).await.map_err(Error::from) {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

fn api(client: &Client, item: &Item) -> Api<PartialObjectMeta<DynamicObject>> {
    let kube = client.kube().clone();
    match item.key.namespace_opt() {
        Some(namespace) => Api::namespaced_with(kube, namespace, &*item.api),
        None => Api::all_with(kube, &*item.api),
    }
}
