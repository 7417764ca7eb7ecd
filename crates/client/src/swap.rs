//! A client whose credentials change while it is in use: a kubelet goes on under its next certificate without anyone
//! noticing. Requests that are under way end on the old connection.

use crate::client::ConfigError;
use crate::{Client, Error};
use http::Request;
use kube::client::Body;
use std::sync::{Arc, PoisonError, RwLock};

/// Puts another client behind the ones in use.
#[derive(Clone)]
pub struct ClientSwap(Arc<RwLock<kube::Client>>);

impl std::fmt::Debug for ClientSwap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientSwap")
    }
}

impl ClientSwap {
    /// A client that sends by whatever `first` is replaced with.
    ///
    /// # Errors
    /// [`ConfigError::UserAgent`].
    pub fn new(first: &Client, user_agent: &str) -> Result<(Client, Self), ConfigError> {
        let current = Arc::new(RwLock::new(first.kube().clone()));
        let shared = current.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let client = shared.read().unwrap_or_else(PoisonError::into_inner).clone();
            async move { client.send(request).await.map_err(Error::from) }
        });
        Ok((Client::from_service(service, user_agent)?, Self(current)))
    }

    /// From now on requests go by `next`.
    pub fn replace(&self, next: &Client) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next.kube().clone();
    }
}
