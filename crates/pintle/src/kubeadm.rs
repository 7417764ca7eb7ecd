//! `pintle init`, `join`, `reset`, `token` and `certs`: a cluster made the way kubeadm makes one. The control plane is
//! static pods of an image made from this binary, which the kubelet starts with no API server alive.
//!
//! Pure: what is written (`manifests`, `objects`, `settings`, `config_file`). Shells: the verbs, each in its own file.
//! What not: nothing here runs components; it writes what they start from, starts the kubelet, and talks to the API.

pub mod certs_verb;
pub mod config_file;
pub mod discovery;
pub mod files;
pub mod image;
pub mod init;
pub mod join;
pub mod kubelet_service;
pub mod manifests;
pub mod objects;
pub mod preflight;
pub mod reset;
pub mod settings;
pub mod token;

use client::Client;
use clock::SharedClock;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// How long one step may take: kubeadm's control-plane timeout.
pub const STEP_LIMIT: Duration = Duration::from_secs(240);
/// How often to look at what gives no event: another process, or a server that does not listen yet.
pub const PROBE_PERIOD: Duration = Duration::from_millis(100);

/// The name under which this writes objects.
const FIELD_MANAGER: &str = "kubeadm";

/// A client with the credentials of a kubeconfig.
///
/// # Errors
/// Reading it.
pub async fn client(kubeconfig: &Path) -> Result<Client, client::ConfigError> {
    Client::from_kubeconfig(kubeconfig, FIELD_MANAGER).await
}

/// Makes or replaces one object, by server-side apply: doing it twice changes nothing.
///
/// # Errors
/// As every request.
pub async fn apply(client: &Client, object: &objects::Object) -> Result<(), client::Error> {
    let path = format!("{}?fieldManager={FIELD_MANAGER}&force=true", object.path());
    let request = hyper::http::Request::patch(path)
        .header("content-type", "application/apply-patch+yaml")
        .body(object.value.to_string().into_bytes())
        .map_err(|error| client::Error::Request(Box::new(error)))?;
    client.kube().request::<Value>(request).await?;
    Ok(())
}

/// Waits until `ready` holds, or [`STEP_LIMIT`] is over; gives what it took.
pub async fn wait_until<F: Future<Output = bool>>(clock: &SharedClock, ready: impl Fn() -> F) -> Option<Duration> {
    let start = clock.monotonic();
    let looking = async {
        while !ready().await {
            clock.sleep(PROBE_PERIOD).await;
        }
    };
    clock::timeout(&**clock, STEP_LIMIT, looking).await?;
    Some(clock.monotonic().saturating_sub(start))
}
