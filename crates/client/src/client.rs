//! Making a client: from a kubeconfig over HTTPS, or from a tower service in the same process.

use crate::direct::Direct;
use crate::sharing::Running;
use http::header::{HeaderValue, USER_AGENT};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::Path;
use std::sync::Arc;
use tower::{BoxError, Service, ServiceExt};

/// A handle on an API server under one identity. Cheap to clone.
///
/// The user agent matters: the server takes the part before the first `/` as the name of the field manager, so a
/// component names itself as upstream does (`kubelet/v1.36.2 …`, `kube-scheduler/v1.36.2 …`).
#[derive(Clone)]
pub struct Client {
    kube: kube::Client,
    /// Where the server is in this process: what is asked instead of sending requests.
    direct: Option<Arc<dyn Direct>>,
    /// The informers that run on this handle and its clones.
    informers: Arc<Running>,
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The kubeconfig cannot be read or lacks something.
    #[error("kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// TLS or authentication set-up failed.
    #[error("client set-up: {0}")]
    Setup(#[from] kube::Error),
    /// The user agent holds characters that a header cannot.
    #[error("user agent {0:?} cannot stand in a header")]
    UserAgent(String),
}

impl Client {
    /// A client on a service in this process, as `apiserver`'s `Server::service(identity)` hands it out.
    ///
    /// # Errors
    /// [`ConfigError::UserAgent`].
    pub fn from_service<S, B>(service: S, user_agent: &str) -> Result<Self, ConfigError>
    where
        S: Service<http::Request<Body>, Response = http::Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let agent = header(user_agent)?;
        let service = service.map_request(move |mut request: http::Request<Body>| {
            request.headers_mut().insert(USER_AGENT, agent.clone());
            request
        });
        Ok(Self { kube: kube::Client::new(service, "default"), direct: None, informers: Arc::default() })
    }

    /// The same client, whose verbs and informers ask `direct` instead of sending requests.
    #[must_use]
    pub fn with_direct(self, direct: Arc<dyn Direct>) -> Self {
        Self { direct: Some(direct), ..self }
    }

    /// A client from kube's configuration: address, trust anchors, credentials.
    ///
    /// # Errors
    /// TLS and authentication set-up, [`ConfigError::UserAgent`].
    pub fn from_config(mut config: kube::Config, user_agent: &str) -> Result<Self, ConfigError> {
        config.headers.push((USER_AGENT, header(user_agent)?));
        // Whoever calls knows better when to try again, and does so by its own clock.
        config.default_retry = false;
        // More than one provider may be compiled in, and then rustls will not choose. An error says that somebody has
        // chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { kube: kube::Client::try_from(config)?, direct: None, informers: Arc::default() })
    }

    /// A client from a kubeconfig file's current context.
    ///
    /// # Errors
    /// Reading the file, and as [`Client::from_config`].
    pub async fn from_kubeconfig(path: &Path, user_agent: &str) -> Result<Self, ConfigError> {
        Self::from_config(Self::read_kubeconfig(path).await?, user_agent)
    }

    /// What a kubeconfig file's current context says.
    ///
    /// # Errors
    /// Reading the file.
    pub async fn read_kubeconfig(path: &Path) -> Result<kube::Config, ConfigError> {
        let file = Kubeconfig::read_from(path)?;
        Ok(kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?)
    }

    /// kube's own client, for what [`Client`] has no verb for.
    pub fn kube(&self) -> &kube::Client {
        &self.kube
    }

    pub(crate) fn direct(&self) -> Option<&Arc<dyn Direct>> {
        self.direct.as_ref()
    }

    pub(crate) fn informers(&self) -> &Arc<Running> {
        &self.informers
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

fn header(user_agent: &str) -> Result<HeaderValue, ConfigError> {
    HeaderValue::from_str(user_agent).map_err(|_| ConfigError::UserAgent(user_agent.to_owned()))
}
