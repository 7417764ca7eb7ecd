//! The objects that a pod's variables and volumes are made from: fetched, cached, watched; and the volumes themselves.

use super::Worker;
use crate::api_access::{IssuedToken, KubeletApi, TokenWish};
use crate::env::{self, References, field_path::Addresses};
use crate::pod;
use crate::volumes::{self, SetUpError, TokenFile, VolumeContext, VolumeObjects};
use crate::watches::Watched;
use client::Error;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A token and when to ask for the next one.
#[derive(Debug, Clone)]
pub(super) struct CachedToken {
    token: IssuedToken,
    refresh_at: Timestamp,
}

/// A token is renewed when four fifths of its life, or all but a day, are over (`requiresRefresh`).
fn refresh_at(token: &IssuedToken, now: Timestamp) -> Timestamp {
    let life = Duration::try_from(token.expires_at.duration_since(now)).unwrap_or_default();
    now + (life * 4 / 5).min(Duration::from_secs(24 * 3600))
}

/// Whether a change is one that is not known already.
pub(super) fn is_news(have: &References, object: &Watched, version: Option<&str>) -> bool {
    let known = match object {
        Watched::ConfigMap(_, name) => {
            have.config_maps.get(name).map(|o| o.as_ref().and_then(|o| o.metadata.resource_version.clone()))
        }
        Watched::Secret(_, name) => {
            have.secrets.get(name).map(|o| o.as_ref().and_then(|o| o.metadata.resource_version.clone()))
        }
    };
    known.is_some_and(|known| known.as_deref() != version)
}

/// Why volumes are not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum VolumesError {
    /// Some could not be made.
    #[error("{} volumes could not be mounted", .0.len())]
    SetUp(Vec<SetUpError>),
    /// An object could not be read.
    #[error(transparent)]
    Api(#[from] Error),
    /// The kubelet's own files.
    #[error("write the pod's files: {0}")]
    Files(#[from] std::io::Error),
}

impl Worker {
    /// Fetches what is not cached, and watches it from then on.
    pub(super) async fn fetch_references(&mut self) -> Result<References, Error> {
        if let Some(references) = &self.references {
            return Ok(references.clone());
        }
        let Some(api) = self.shared.api.clone() else { return Ok(References::default()) };
        let (config_maps, secrets) = referenced(&self.pod);
        let references = fetch(&*api, pod::namespace(&self.pod), &config_maps, &secrets).await?;
        let namespace = pod::namespace(&self.pod);
        let watched: BTreeSet<Watched> = config_maps
            .into_iter()
            .map(|name| Watched::ConfigMap(namespace.to_owned(), name))
            .chain(secrets.into_iter().map(|name| Watched::Secret(namespace.to_owned(), name)))
            .collect();
        self.shared.watches.set(&pod::uid(&self.pod), &watched);
        self.references = Some(references.clone());
        Ok(references)
    }

    /// Makes the volumes, or brings them up to date. Does nothing when nothing has changed.
    pub(super) async fn ensure_volumes(&mut self) -> Result<(), VolumesError> {
        if !self.volumes_dirty && self.volumes.is_some() && self.token_refresh_at().is_none_or(|t| t > self.now()) {
            return Ok(());
        }
        let references = self.fetch_references().await?;
        let tokens = self.fetch_tokens().await;
        let (pod, shared) = (self.pod.clone(), self.shared.clone());
        let now = self.now();
        let node = self.shared.node();
        let work = move || {
            std::fs::create_dir_all(shared.config.paths.pod(&pod::uid(&pod).0))?;
            let objects = VolumeObjects { references, tokens };
            let context = VolumeContext {
                pod: &pod,
                paths: &shared.config.paths,
                objects: &objects,
                addresses: Addresses { pod: &[], host: &node.addresses },
                allocatable: &node.allocatable,
                node_memory_bytes: node.memory_bytes(),
                now,
            };
            volumes::set_up(&context).map_err(VolumesError::SetUp)
        };
        let mounted = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| VolumesError::Files(std::io::Error::other(error)))??;
        self.volumes = Some(mounted);
        self.volumes_dirty = false;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// When the first of the pod's tokens is to be renewed.
    pub(super) fn token_refresh_at(&self) -> Option<Timestamp> {
        self.tokens.values().map(|t| t.refresh_at).min()
    }

    async fn fetch_tokens(&mut self) -> BTreeMap<TokenFile, Result<String, String>> {
        let mut result = BTreeMap::new();
        for wanted in volumes::tokens(&self.pod) {
            let answer = self.token(&wanted).await;
            result.insert(wanted, answer);
        }
        result
    }

    async fn token(&mut self, wanted: &TokenFile) -> Result<String, String> {
        let now = self.now();
        let cached = self.tokens.get(wanted);
        if let Some(cached) = cached.filter(|cached| cached.refresh_at > now) {
            return Ok(cached.token.token.clone());
        }
        let still_good = cached.filter(|c| c.token.expires_at > now).map(|c| c.token.token.clone());
        let Some(api) = self.shared.api.clone() else { return Err("there is no API server".to_owned()) };
        let wish = TokenWish {
            namespace: pod::namespace(&self.pod).to_owned(),
            service_account: pod::spec(&self.pod)
                .service_account_name
                .clone()
                .filter(|n| !n.is_empty())
                .unwrap_or_else(|| "default".to_owned()),
            audience: wanted.audience.clone(),
            expiration_seconds: wanted.expiration_seconds,
            pod_name: pod::name(&self.pod).to_owned(),
            pod_uid: pod::uid(&self.pod).0,
        };
        match (api.create_token(&wish).await, still_good) {
            (Ok(token), _) => {
                let text = token.token.clone();
                let cached = CachedToken { refresh_at: refresh_at(&token, now), token };
                self.tokens.insert(wanted.clone(), cached);
                Ok(text)
            }
            // the old one serves a while longer
            (Err(_), Some(text)) => Ok(text),
            (Err(error), None) => Err(error.to_string()),
        }
    }
}

fn referenced(pod: &Pod) -> (Vec<String>, Vec<String>) {
    let (mut config_maps, mut secrets) = env::referenced(pod);
    let (more_config_maps, more_secrets) = volumes::referenced(pod);
    config_maps.extend(more_config_maps);
    secrets.extend(more_secrets);
    for list in [&mut config_maps, &mut secrets] {
        list.sort();
        list.dedup();
    }
    (config_maps, secrets)
}

async fn fetch(
    api: &dyn KubeletApi,
    namespace: &str,
    config_maps: &[String],
    secrets: &[String],
) -> Result<References, Error> {
    let config_maps = futures::future::try_join_all(config_maps.iter().map(|name| async move {
        Ok::<_, Error>((name.clone(), api.get_config_map(namespace, name).await?.map(Arc::new)))
    }));
    let secrets = futures::future::try_join_all(secrets.iter().map(|name| async move {
        Ok::<_, Error>((name.clone(), api.get_secret(namespace, name).await?.map(Arc::new)))
    }));
    let (config_maps, secrets) = futures::future::try_join(config_maps, secrets).await?;
    Ok(References { config_maps: config_maps.into_iter().collect(), secrets: secrets.into_iter().collect() })
}
