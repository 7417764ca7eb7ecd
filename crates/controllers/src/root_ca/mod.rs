//! Every namespace has a configMap `kube-root-ca.crt`, by which pods verify the API server (upstream's
//! `rootcacertpublisher`).

use crate::Context;
use crate::service_account::created;
use client::{Client, InformerBuilder, ObjectKey, Outcome, Selection, WorkQueue, run_workers};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use std::collections::BTreeMap;

const NAME: &str = "kube-root-ca.crt";
const DATA_KEY: &str = "ca.crt";
const DESCRIPTION_KEY: &str = "kubernetes.io/description";
/// Upstream's text: `kubectl describe` shows it.
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
     endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
     distributions of Kubernetes clusters.";
/// Namespaces worked on at once.
const WORKERS: usize = 1;

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let (on_namespace, on_map) = (queue.clone(), queue.clone());
    let namespaces = InformerBuilder::<Namespace>::new(&context.informers, context.clock.clone(), Selection::all())
        .on_change(move |change| on_namespace.add(change.key.clone()))
        .start(context.shutdown.clone());
    let selection = Selection::fields(format!("metadata.name={NAME}"));
    let maps = InformerBuilder::<ConfigMap>::new(&context.informers, context.clock.clone(), selection)
        .on_change(move |change| on_map.add(ObjectKey::cluster(change.key.namespace.clone())))
        .start(context.shutdown.clone());
    if !(namespaces.wait_synced().await && maps.wait_synced().await) {
        return;
    }
    run_workers("root-ca-certificate-publisher", &queue, WORKERS, &context.shutdown, |key| {
        let present = maps.store().get(&ObjectKey::namespaced(&key.name, NAME));
        let namespace = namespaces.store().get(&key);
        let active = namespace.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_none());
        let change = if active { plan(&key.name, present.as_deref(), &context.settings.root_ca) } else { Plan::Keep };
        let client = client.clone();
        async move {
            match change {
                Plan::Keep => Ok(Outcome::Done),
                Plan::Create(map) => created(client.create(&map).await),
                Plan::Update(map) => created(client.update(&map).await),
            }
        }
    })
    .await;
}

#[derive(Debug, PartialEq)]
enum Plan {
    Keep,
    Create(ConfigMap),
    Update(ConfigMap),
}

fn plan(namespace: &str, present: Option<&ConfigMap>, root_ca: &str) -> Plan {
    let data = BTreeMap::from([(DATA_KEY.to_owned(), root_ca.to_owned())]);
    let mut map = present.cloned().unwrap_or_default();
    let annotations = map.metadata.annotations.get_or_insert_default();
    let described = annotations.get(DESCRIPTION_KEY).is_some_and(|text| text == DESCRIPTION);
    if present.is_some() && described && map.data.as_ref() == Some(&data) {
        return Plan::Keep;
    }
    annotations.insert(DESCRIPTION_KEY.to_owned(), DESCRIPTION.to_owned());
    map.data = Some(data);
    map.metadata.name = Some(NAME.to_owned());
    map.metadata.namespace = Some(namespace.to_owned());
    if present.is_some() { Plan::Update(map) } else { Plan::Create(map) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_made_mended_and_left_alone() {
        let Plan::Create(made) = plan("n", None, "CA") else { panic!("not made") };
        assert_eq!(made.data.as_ref().unwrap()[DATA_KEY], "CA");
        assert_eq!(plan("n", Some(&made), "CA"), Plan::Keep);
        let Plan::Update(rotated) = plan("n", Some(&made), "CA2") else { panic!("not mended") };
        assert_eq!(rotated.data.as_ref().unwrap()[DATA_KEY], "CA2");
    }
}
