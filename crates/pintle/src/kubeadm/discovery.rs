//! How a joining node comes to know its cluster (kubeadm's discovery): by a token, whose holder signed `cluster-info`,
//! with the authority pinned by its hash; or by a kubeconfig file.

use super::{PROBE_PERIOD, token};
use certs::{BootstrapToken, Credentials, Kubeconfig};
use client::{Client, ObjectKey};
use clock::SharedClock;
use k8s_openapi::api::core::v1::ConfigMap;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

/// What to look for, and what to trust.
#[derive(Clone, Debug)]
pub struct Discovery<'a> {
    /// `host:port`
    pub endpoint: &'a str,
    /// The shared secret.
    pub token: &'a BootstrapToken,
    /// `sha256:…` of authorities; one of them must be the cluster's.
    pub ca_cert_hashes: &'a [String],
    /// For how long a signature is waited for: the token may be new.
    pub limit: Duration,
}

/// Address and authority of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// `https://host:port`
    pub server: String,
    /// PEM.
    pub certificate_authority: String,
}

impl ClusterInfo {
    /// A kubeconfig for the holder of a token.
    pub fn with_token(&self, token: &BootstrapToken) -> Kubeconfig {
        Kubeconfig {
            cluster: "kubernetes".to_owned(),
            server: self.server.clone(),
            certificate_authority: Some(self.certificate_authority.clone()),
            user: "tls-bootstrap-token-user".to_owned(),
            credentials: Credentials::Token(token.to_string()),
        }
    }
}

fn authorities(pem: &str) -> Result<Vec<Vec<u8>>, certs::CertError> {
    Ok(certs::certificates_from_pem(pem)?.iter().map(|der| der.to_vec()).collect())
}

/// Finds the cluster by a token. An answer without a signature for it is asked for again: the token may be new.
///
/// # Errors
/// No answer in time, a wrong signature, an authority that is not the pinned one.
pub async fn by_token(discovery: &Discovery<'_>, clock: &SharedClock) -> Result<ClusterInfo, Box<dyn Error>> {
    println!("[discovery] Trying to connect to API Server {:?}", discovery.endpoint);
    let server = format!("https://{}", discovery.endpoint);
    let last = std::cell::RefCell::new(String::new());
    let attempts = async {
        loop {
            match attempt(discovery, &server).await {
                Ok(text) => return Ok(text),
                Err(Attempt::Again(reason)) => *last.borrow_mut() = reason,
                Err(Attempt::Fatal(error)) => return Err(error),
            }
            clock.sleep(PROBE_PERIOD).await;
        }
    };
    let found = clock::timeout(&**clock, discovery.limit, attempts).await;
    let text = found.ok_or_else(|| last.borrow().clone())??;
    let info = parse(&text)?;
    check_pins(&info, discovery.ca_cert_hashes)?;
    // once more, this time knowing whom to trust: what was signed is what the real server has
    let mut config = client::ServerConfig::new(server.parse()?);
    config.root_cert = Some(authorities(&info.certificate_authority)?);
    let again = read(config).await.map_err(|error| format!("failed to request the cluster-info ConfigMap: {error}"))?;
    if again.data.unwrap_or_default().get("kubeconfig") != Some(&text) {
        return Err(
            "the second kubeconfig from the cluster-info ConfigMap (using validated TLS) was different from the first"
                .into(),
        );
    }
    println!(
        "[discovery] Cluster info signature and contents are valid and TLS certificate validates against pinned roots, will use API Server {:?}",
        discovery.endpoint
    );
    Ok(info)
}

enum Attempt {
    Again(String),
    Fatal(Box<dyn Error>),
}

async fn read(config: client::ServerConfig) -> Result<ConfigMap, Box<dyn Error>> {
    let client = Client::from_config(config, super::FIELD_MANAGER)?;
    Ok(client.get::<ConfigMap>(&ObjectKey::namespaced("kube-public", "cluster-info")).await?)
}

/// The signed kubeconfig text, read from a server that is not trusted yet.
async fn attempt(discovery: &Discovery<'_>, server: &str) -> Result<String, Attempt> {
    let url = server.parse().map_err(|error| Attempt::Fatal(format!("invalid endpoint {server:?}: {error}").into()))?;
    let mut config = client::ServerConfig::new(url);
    config.accept_invalid_certs = true;
    let failed =
        |error: Box<dyn Error>| Attempt::Again(format!("failed to request the cluster-info ConfigMap: {error}"));
    let map = read(config).await.map_err(failed)?;
    let data = map.data.unwrap_or_default();
    let id = discovery.token.id();
    let Some(text) = data.get("kubeconfig") else {
        let words = "there is no kubeconfig key in the cluster-info ConfigMap. This API Server isn't set up for token bootstrapping, can't connect";
        return Err(Attempt::Fatal(words.into()));
    };
    let Some(signature) = data.get(&format!("jws-kubeconfig-{id}")) else {
        let words = format!("could not find a JWS signature in the cluster-info ConfigMap for token ID {id:?}");
        return Err(Attempt::Again(words));
    };
    if certs::is_detached_signature(signature, text, discovery.token) {
        return Ok(text.clone());
    }
    Err(Attempt::Fatal(
        "failed to verify JWS signature of received cluster info object, can't trust this API Server".into(),
    ))
}

/// Upstream's `publickeypin`: one of the hashes must be the authority's. Without hashes the caller has said that it does
/// not care.
fn check_pins(info: &ClusterInfo, pins: &[String]) -> Result<(), Box<dyn Error>> {
    if pins.is_empty() {
        return Ok(());
    }
    let own = certs::ca_cert_hashes(&info.certificate_authority)?;
    if own.iter().any(|hash| pins.iter().any(|pin| pin.eq_ignore_ascii_case(hash))) {
        return Ok(());
    }
    let words = format!(
        "cluster CA found in cluster-info ConfigMap is invalid: none of the public keys {:?} are pinned",
        own.join(":")
    );
    Err(words.into())
}

/// `cluster-info`: a kubeconfig with one cluster and nothing else.
fn parse(text: &str) -> Result<ClusterInfo, Box<dyn Error>> {
    let document = api::codec::decode_yaml(text.as_bytes())?;
    let cluster = &document.value["clusters"][0]["cluster"];
    let server = cluster["server"].as_str().ok_or("cluster-info names no server")?;
    let authority = cluster["certificate-authority-data"].as_str().ok_or("cluster-info names no authority")?;
    use base64::Engine;
    let authority = base64::engine::general_purpose::STANDARD.decode(authority)?;
    Ok(ClusterInfo { server: server.to_owned(), certificate_authority: String::from_utf8(authority)? })
}

/// Finds the cluster in a kubeconfig file; its credentials, if any, are used instead of a token.
///
/// # Errors
/// Reading it, or that it lacks something.
pub fn by_file(path: &Path) -> Result<(ClusterInfo, Kubeconfig), Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = String::from_utf8(bytes)?;
    if let Ok(kubeconfig) = token::read_kubeconfig(path) {
        let authority = kubeconfig.certificate_authority.clone().ok_or("the discovery file names no authority")?;
        let info = ClusterInfo { server: kubeconfig.server.clone(), certificate_authority: authority };
        return Ok((info, kubeconfig));
    }
    let info = parse(&text)?;
    let kubeconfig = Kubeconfig {
        cluster: "kubernetes".to_owned(),
        server: info.server.clone(),
        certificate_authority: Some(info.certificate_authority.clone()),
        user: String::new(),
        credentials: Credentials::None,
    };
    Ok((info, kubeconfig))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_writes_is_read_and_pinned() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let authority = certs::Authority::create("kubernetes", 3600, now).unwrap();
        let map = &super::super::objects::cluster_info("https://10.0.0.5:6443", authority.certificate_pem())[0];
        let info = parse(map.value["data"]["kubeconfig"].as_str().unwrap()).unwrap();
        assert_eq!(info.server, "https://10.0.0.5:6443");
        assert_eq!(info.certificate_authority, authority.certificate_pem());
        let hash = certs::ca_cert_hash(authority.certificate_pem()).unwrap();
        assert!(check_pins(&info, &["sha256:00".to_owned(), hash]).is_ok());
        assert!(check_pins(&info, &["sha256:00".to_owned()]).is_err());
        assert!(parse("clusters: []").is_err());
    }
}
