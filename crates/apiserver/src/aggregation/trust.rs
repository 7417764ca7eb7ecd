//! What others must know to believe the front proxy and clients: the ConfigMap `extension-apiserver-authentication`
//! (kube-apiserver's `clusterauthenticationtrust`).

use crate::bootstrap::{BootstrapError, Cluster};
use certs::KeyCertificate;
use serde_json::{Value, json};
use store::Expect;

const NAME: &str = "extension-apiserver-authentication";

/// `--proxy-client-cert-file` and key, and who has signed which clients.
#[derive(Clone, Debug)]
pub struct FrontProxy {
    /// What we show to API services' servers.
    pub client: KeyCertificate,
    /// `--requestheader-client-ca-file`
    pub authority_pem: String,
    /// `--client-ca-file`
    pub clients_authority_pem: String,
}

impl FrontProxy {
    fn data(&self) -> Value {
        // kubeadm's `--requestheader-…`
        let list = |text: &str| json!([text]).to_string();
        json!({
            "client-ca-file": self.clients_authority_pem,
            "requestheader-allowed-names": list("front-proxy-client"),
            "requestheader-client-ca-file": self.authority_pem,
            "requestheader-extra-headers-prefix": list("X-Remote-Extra-"),
            "requestheader-group-headers": list("X-Remote-Group"),
            "requestheader-uid-headers": "[]",
            "requestheader-username-headers": list("X-Remote-User"),
        })
    }
}

/// Writes it, or mends what is another.
///
/// # Errors
/// When the store refuses.
pub(crate) async fn publish(cluster: &Cluster<'_>, proxy: &FrontProxy) -> Result<(), BootstrapError> {
    let data = proxy.data();
    let there = cluster.cache.shelf("", "configmaps").get(&crate::cache::key("kube-system", NAME));
    if let Some(there) = there {
        let mut object = there.value();
        if object["data"] == data {
            return Ok(());
        }
        object["data"] = data;
        return crate::bootstrap::replace(
            cluster,
            "",
            "configmaps",
            &object,
            Expect::At(store::Revision(there.revision)),
        )
        .await;
    }
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": "kube-system"},
        "data": data});
    crate::bootstrap::put(cluster, "", "configmaps", object, Expect::Absent).await
}
