//! Pulls from registries: the distribution protocol is `oci-client`'s, the store's side is here.
//!
//! Layers come in parallel, each into a file of its own, and are checked by digest twice: as they came and as unpacked. A layer that is
//! here already is not fetched, so that a broken pull goes on where it stopped.

use super::reference::Reference;
use super::store::ImageStore;
use crate::service::{Image, ImageError, RegistryAuth};
use futures::TryStreamExt;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Layers fetched at once for one image, as containerd does.
const PARALLEL_LAYERS: usize = 3;
/// How long a registry may stay silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl ImageStore {
    /// Pulls `name`. If the registry's image is here already, only the name is recorded.
    pub async fn pull(self: &Arc<Self>, name: &str, auth: Option<RegistryAuth>) -> Result<Image, ImageError> {
        let parsed = Reference::parse(name)
            .map_err(|error| ImageError::InvalidName { reference: name.to_owned(), message: error.to_string() })?;
        let full = parsed.to_string();
        let remote: oci_client::Reference = full
            .parse()
            .map_err(|error| ImageError::InvalidName { reference: name.to_owned(), message: format!("{error}") })?;
        let client = client(&parsed);
        let auth = match auth {
            None => oci_client::secrets::RegistryAuth::Anonymous,
            Some(RegistryAuth::Basic { username, password }) => {
                oci_client::secrets::RegistryAuth::Basic(username, password)
            }
            Some(RegistryAuth::Token(token)) => oci_client::secrets::RegistryAuth::Bearer(token),
        };
        let failed = |error: OciDistributionError| classify(&full, error);
        let (manifest, digest, config, list_digest) =
            client.pull_manifest_and_config_and_list_digest(&remote, &auth).await.map_err(failed)?;

        let store = Arc::clone(self);
        let config_size = config.len() as u64;
        let (id, mut record) = blocking(move || store.add_config(config.as_bytes())).await?;
        if record.diff_ids.len() != manifest.layers.len() {
            return Err(ImageError::invalid(full, "configuration and manifest differ in their number of layers"));
        }
        let guard = self.hold_layers(&record.diff_ids);
        let work = record.diff_ids.iter().cloned().zip(manifest.layers.iter());
        futures::stream::iter(work.map(Ok::<_, ImageError>))
            .try_for_each_concurrent(PARALLEL_LAYERS, |(diff_id, layer)| {
                let (client, remote, full) = (&client, &remote, &full);
                async move {
                    if self.has_layer(&diff_id) {
                        return Ok(());
                    }
                    let scratch = self.scratch()?;
                    let path = scratch.path().join("blob");
                    let file = tokio::fs::File::create(&path)
                        .await
                        .map_err(ImageError::io(format!("create {}", path.display())))?;
                    client.pull_blob(remote, layer, file).await.map_err(|error| classify(full, error))?;
                    self.add_layer_file(diff_id, path).await
                }
            })
            .await?;
        record.size_bytes = config_size + manifest.layers.iter().map(|layer| layer.size.max(0) as u64).sum::<u64>();
        record.digests.insert(format!("{}@{}", parsed.name(), list_digest.unwrap_or(digest)));
        if let Some(tag) = &parsed.tag {
            record.tags.insert(format!("{}:{tag}", parsed.name()));
        }
        let store = Arc::clone(self);
        let mut images = blocking(move || store.commit(vec![(id, record)])).await?;
        drop(guard);
        images.pop().ok_or_else(|| ImageError::invalid(full, "removed while it was pulled"))
    }

    async fn add_layer_file(self: &Arc<Self>, diff_id: String, path: PathBuf) -> Result<(), ImageError> {
        let store = Arc::clone(self);
        blocking(move || {
            let file = std::fs::File::open(&path).map_err(ImageError::io(format!("open {}", path.display())))?;
            store.add_layer(&diff_id, file)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(ImageError::invalid("image store", error)))
}

fn client(reference: &Reference) -> oci_client::Client {
    // the HTTP client brings no cryptography of its own; an error means that the process has chosen already
    let _ = rustls::crypto::ring::default_provider().install_default();
    let protocol = if reference.is_loopback() { ClientProtocol::Http } else { ClientProtocol::Https };
    oci_client::Client::new(ClientConfig {
        protocol,
        read_timeout: Some(READ_TIMEOUT),
        connect_timeout: Some(CONNECT_TIMEOUT),
        platform_resolver: Some(Box::new(|entries| {
            let fits = entries.iter().find(|entry| {
                entry.platform.as_ref().is_some_and(|platform| {
                    platform.os.to_string() == "linux"
                        && platform.architecture.to_string() == super::archive::architecture()
                })
            });
            fits.map(|entry| entry.digest.clone())
        })),
        ..ClientConfig::default()
    })
}

fn classify(reference: &str, error: OciDistributionError) -> ImageError {
    let prefix = format!("failed to resolve reference \"{reference}\": ");
    let reference = reference.to_owned();
    match &error {
        OciDistributionError::ImageManifestNotFoundError(_) | OciDistributionError::ServerError { code: 404, .. } => {
            ImageError::NotFound { message: format!("{prefix}{reference}: not found"), reference }
        }
        OciDistributionError::RegistryError { envelope, .. } => {
            let codes: Vec<&OciErrorCode> = envelope.errors.iter().map(|error| &error.code).collect();
            let unauthorized = |code: &&OciErrorCode| matches!(code, OciErrorCode::Unauthorized | OciErrorCode::Denied);
            if codes.iter().any(unauthorized) {
                ImageError::Unauthorized { message: format!("{prefix}{error}"), reference }
            } else {
                ImageError::NotFound { message: format!("{prefix}{reference}: not found"), reference }
            }
        }
        OciDistributionError::AuthenticationFailure(_)
        | OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::ServerError { code: 401 | 403, .. } => ImageError::Unauthorized {
            message: format!(
                "{prefix}pull access denied, repository does not exist or may require authorization: {error}"
            ),
            reference,
        },
        OciDistributionError::DigestError(_)
        | OciDistributionError::ManifestParsingError(_)
        | OciDistributionError::ManifestEncodingError(_)
        | OciDistributionError::JsonError(_) => ImageError::invalid(reference, error),
        _ => ImageError::Unavailable { message: format!("{prefix}{}", with_causes(&error)), reference },
    }
}

/// The error with what is behind it: `oci-client` shows only the outermost.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
