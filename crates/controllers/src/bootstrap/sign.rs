//! `cluster-info` in kube-public carries a signature for every token that may sign (upstream's `bootstrapsigner.go`).

use super::{TokenSecret, tokens};
use crate::Context;
use client::{Client, InformerBuilder, ObjectKey, Outcome, Selection, WorkQueue, run_workers};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const NAMESPACE: &str = "kube-public";
const NAME: &str = "cluster-info";
/// The part that is signed.
const KUBECONFIG_KEY: &str = "kubeconfig";
const SIGNATURE_PREFIX: &str = "jws-kubeconfig-";
/// There is one configMap.
const WORKERS: usize = 1;

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let key = ObjectKey::namespaced(NAMESPACE, NAME);
    let (on_map, on_secret, map_key) = (queue.clone(), queue.clone(), key.clone());
    let selection =
        Selection { namespace: Some(NAMESPACE.to_owned()), ..Selection::fields(format!("metadata.name={NAME}")) };
    let maps = InformerBuilder::<ConfigMap>::new(&context.informers, context.clock.clone(), selection)
        .on_change(move |change| on_map.add(change.key.clone()))
        .start(context.shutdown.clone());
    let secrets = InformerBuilder::<Secret>::new(&context.informers, context.clock.clone(), tokens())
        .on_change(move |_| on_secret.add(map_key.clone()))
        .start(context.shutdown.clone());
    if !(maps.wait_synced().await && secrets.wait_synced().await) {
        return;
    }
    run_workers("bootstrap-signer", &queue, WORKERS, &context.shutdown, |key| {
        let now = context.clock.now();
        let tokens = read(&secrets.store().list());
        let next_end = tokens.iter().filter(|token| token.signs(now)).filter_map(|token| token.expiration).min();
        let signed = maps.store().get(&key).and_then(|map| plan(&map, &tokens, now));
        let client = client.clone();
        async move {
            match signed {
                None => {}
                Some(map) => match client.update(&map).await {
                    // the watch brings what others made of it
                    Err(error) if !error.is_conflict() && !error.is_not_found() => return Err(error),
                    _ => {}
                },
            }
            // a signature goes when its token ends
            Ok(next_end.map_or(Outcome::Done, |end| {
                let left = end.as_second().saturating_sub(now.as_second()).saturating_add(1);
                Outcome::RequeueAfter(Duration::from_secs(u64::try_from(left).unwrap_or(1)))
            }))
        }
    })
    .await;
}

fn read(secrets: &[Arc<Secret>]) -> Vec<TokenSecret> {
    secrets.iter().filter_map(|secret| TokenSecret::read(secret)).collect()
}

/// The map with the signatures that it is to have; `None` when it has them.
fn plan(map: &ConfigMap, tokens: &[TokenSecret], now: jiff::Timestamp) -> Option<ConfigMap> {
    let data = map.data.clone().unwrap_or_default();
    let content = data.get(KUBECONFIG_KEY)?;
    let mut wanted: BTreeMap<String, String> = data
        .iter()
        .filter(|(key, _)| !key.starts_with(SIGNATURE_PREFIX))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    for token in tokens.iter().filter(|token| token.signs(now)) {
        let signature = certs::detached_signature(content, &token.token);
        wanted.insert(format!("{SIGNATURE_PREFIX}{}", token.token.id()), signature);
    }
    (wanted != data).then(|| ConfigMap { data: Some(wanted), ..map.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: &str, usages: &[&str], expiration: Option<&str>) -> TokenSecret {
        TokenSecret {
            token: format!("{id}.0123456789abcdef").parse().unwrap(),
            expiration: expiration.map(|end| end.parse().unwrap()),
            usages: usages.iter().map(|usage| (*usage).to_owned()).collect(),
            groups: Vec::new(),
            description: String::new(),
        }
    }

    #[test]
    fn signatures_come_and_go_with_tokens() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let data = [("kubeconfig", "config"), ("jws-kubeconfig-gone00", "x"), ("note", "kept")];
        let data = data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let map = ConfigMap { data: Some(data), ..ConfigMap::default() };
        let tokens = [
            token("aaaaaa", &["signing"], None),
            token("bbbbbb", &["authentication"], None),
            token("cccccc", &["signing"], Some("2025-12-31T00:00:00Z")),
        ];
        let signed = plan(&map, &tokens, now).unwrap();
        let data = signed.data.clone().unwrap();
        assert_eq!(data.keys().collect::<Vec<_>>(), ["jws-kubeconfig-aaaaaa", "kubeconfig", "note"]);
        assert!(certs::is_detached_signature(&data["jws-kubeconfig-aaaaaa"], "config", &tokens[0].token));
        assert_eq!(plan(&signed, &tokens, now), None);
        assert_eq!(plan(&ConfigMap::default(), &tokens, now), None, "nothing to sign");
    }
}
