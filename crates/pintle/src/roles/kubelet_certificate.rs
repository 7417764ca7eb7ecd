//! The kubelet's client certificate: asked for with a bootstrap token when there is none, and anew before it ends, under
//! its own name (upstream's TLS bootstrap and `rotateCertificates`). The files are upstream's:
//! `kubelet-client-<time>.pem` with certificate and key, and the link `kubelet-client-current.pem`.

use certs::{Credentials, KeyCertificate, Kubeconfig};
use client::{Client, ClientSwap, ObjectKey, Shutdown};
use clock::SharedClock;
use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestSpec};
use rand::RngExt;
use ring::digest;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// How long a request may wait for its answer: upstream's.
const ANSWER_LIMIT: Duration = Duration::from_secs(15 * 60);
/// How often to look at the request's answer: a joining node waits here, and a request is a small thing to read.
const ANSWER_PERIOD: Duration = Duration::from_millis(200);
/// How long to wait after a failed rotation.
const ROTATION_RETRY: Duration = Duration::from_secs(60);
/// Part of a certificate's life after which it is renewed: upstream's 70 to 90 percent, so that nodes do not all ask at once.
const ROTATE_FROM: f64 = 0.7;
const ROTATE_SPREAD: f64 = 0.2;

type Failure = Box<dyn Error + Send + Sync>;

/// Where the kubelet keeps its certificates, and for which node.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// `--cert-dir`
    pub directory: PathBuf,
    /// `--kubeconfig`
    pub kubeconfig: PathBuf,
    /// The node.
    pub node_name: String,
}

impl CertificateFiles {
    fn current(&self) -> PathBuf {
        self.directory.join("kubelet-client-current.pem")
    }

    /// The key of a request that waits: a kubelet that starts again asks for the same.
    fn waiting_key(&self) -> PathBuf {
        self.directory.join("kubelet-client.key.tmp")
    }

    /// Gets the first certificate by the bootstrap kubeconfig and writes the kubelet's own.
    ///
    /// # Errors
    /// No answer, a refusal, a file.
    pub async fn bootstrap(&self, bootstrap: &Path, agent: &str, clock: &SharedClock) -> Result<(), Failure> {
        tracing::info!(bootstrap = %bootstrap.display(), "asking for a client certificate");
        let client = Client::from_kubeconfig(bootstrap, agent).await?;
        let pair = self.request(&client, clock).await?;
        self.store(&pair, clock)?;
        let bytes = std::fs::read(bootstrap)?;
        let document = api::codec::decode_yaml(&bytes)?;
        let from = Kubeconfig::from_value(&document.value)?;
        let current = self.current().display().to_string();
        let own = Kubeconfig {
            cluster: "default-cluster".to_owned(),
            user: "default-auth".to_owned(),
            credentials: Credentials::CertificateFiles { certificate: current.clone(), key: current },
            ..from
        };
        certs::write_private(&self.kubeconfig, &own.to_yaml())?;
        Ok(())
    }

    /// Asks for a certificate and waits for it.
    async fn request(&self, client: &Client, clock: &SharedClock) -> Result<KeyCertificate, Failure> {
        let key_path = self.waiting_key();
        let key_pem = match std::fs::read_to_string(&key_path) {
            Ok(key) => key,
            Err(_) => {
                let key = certs::private_key()?;
                certs::write_private(&key_path, &key)?;
                key
            }
        };
        let user = format!("system:node:{}", self.node_name);
        let made = certs::certificate_request(&user, Some("system:nodes"), &[], &key_pem)?;
        let name = request_name(&key_pem, &user);
        let mut request = CertificateSigningRequest {
            spec: CertificateSigningRequestSpec {
                request: ByteString(made.request_pem.into_bytes()),
                signer_name: SIGNER.to_owned(),
                usages: Some(vec!["digital signature".to_owned(), "client auth".to_owned()]),
                ..CertificateSigningRequestSpec::default()
            },
            ..CertificateSigningRequest::default()
        };
        request.metadata.name = Some(name.clone());
        match client.create(&request).await {
            // asked before this start
            Err(error) if error.is_already_exists() => {}
            other => {
                other?;
            }
        }
        let answer = clock::timeout(&**clock, ANSWER_LIMIT, answer(client, &name, clock)).await;
        let certificate_pem = answer.ok_or_else(|| format!("no answer to certificate signing request {name}"))??;
        let pair = KeyCertificate { certificate_pem, key_pem };
        // refuses a certificate that is not for this key
        certs::server_config(&pair, certs::ClientAuth::None, &[])?;
        std::fs::remove_file(&key_path)?;
        Ok(pair)
    }

    fn store(&self, pair: &KeyCertificate, clock: &SharedClock) -> Result<(), Failure> {
        let stamp = clock.now().strftime("%Y-%m-%d-%H-%M-%S");
        let path = self.directory.join(format!("kubelet-client-{stamp}.pem"));
        certs::write_private(&path, &format!("{}{}", pair.certificate_pem, pair.key_pem))?;
        let link = self.directory.join(".kubelet-client-current.pem.new");
        let _ = std::fs::remove_file(&link); // left by a crash
        std::os::unix::fs::symlink(&path, &link)?;
        std::fs::rename(&link, self.current())?;
        Ok(())
    }

    /// Renews the certificate whenever most of its life is over, until `shutdown`, and puts the new one behind `swap`.
    /// Does nothing for a kubeconfig with other credentials.
    pub async fn rotate(self, client: Client, swap: ClientSwap, agent: String, clock: SharedClock, shutdown: Shutdown) {
        loop {
            let Ok(info) = std::fs::read_to_string(self.current())
                .map_err(Failure::from)
                .and_then(|pem| Ok(certs::certificate_info(&pem)?))
            else {
                return;
            };
            let jitter = rand::make_rng::<rand::rngs::StdRng>().random::<f64>();
            let wait = until_rotation(info.not_before, info.not_after, clock.now(), jitter);
            tokio::select! {
                () = clock.sleep(wait) => {}
                () = shutdown.cancelled() => return,
            }
            if let Err(error) = self.renew(&client, &swap, &agent, &clock).await {
                tracing::error!(%error, "cannot rotate the client certificate");
                clock.sleep(ROTATION_RETRY).await;
            }
        }
    }

    async fn renew(&self, client: &Client, swap: &ClientSwap, agent: &str, clock: &SharedClock) -> Result<(), Failure> {
        tracing::info!("rotating the client certificate");
        let pair = self.request(client, clock).await?;
        self.store(&pair, clock)?;
        swap.replace(&Client::from_kubeconfig(&self.kubeconfig, agent).await?);
        Ok(())
    }
}

/// Upstream's `node-csr-…`: the same key asks under the same name.
fn request_name(key_pem: &str, user: &str) -> String {
    use base64::Engine;
    let text = format!("{key_pem}\n{user}\n{SIGNER}");
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    format!("node-csr-{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest))
}

/// Resolves when the request has its certificate, or is refused.
async fn answer(client: &Client, name: &str, clock: &SharedClock) -> Result<String, Failure> {
    loop {
        let found = client.get::<CertificateSigningRequest>(&ObjectKey::cluster(name)).await;
        match found {
            Err(error) if error.is_retriable() => {}
            Err(error) => return Err(error.into()),
            Ok(request) => {
                let status = request.status.unwrap_or_default();
                let refused = |c: &&k8s_openapi::api::certificates::v1::CertificateSigningRequestCondition| {
                    c.type_ == "Denied" || c.type_ == "Failed"
                };
                if let Some(condition) = status.conditions.iter().flatten().find(refused) {
                    let reason = condition.reason.clone().unwrap_or_default();
                    let message = condition.message.clone().unwrap_or_default();
                    return Err(format!(
                        "certificate signing request {name} is {}: {reason} {message}",
                        condition.type_
                    )
                    .into());
                }
                if let Some(certificate) = status.certificate.filter(|certificate| !certificate.0.is_empty()) {
                    return Ok(String::from_utf8(certificate.0)?);
                }
            }
        }
        clock.sleep(ANSWER_PERIOD).await;
    }
}

fn until_rotation(
    not_before: jiff::Timestamp,
    not_after: jiff::Timestamp,
    now: jiff::Timestamp,
    jitter: f64,
) -> Duration {
    let seconds = |from: jiff::Timestamp, to: jiff::Timestamp| {
        Duration::from_secs(u64::try_from(to.as_second().saturating_sub(from.as_second())).unwrap_or(0))
    };
    let deadline = seconds(not_before, not_after).mul_f64(ROTATE_FROM + ROTATE_SPREAD * jitter);
    deadline.saturating_sub(seconds(not_before, now))
}

/// Whether a kubeconfig's client certificate is still valid; other credentials have no end that we know.
pub fn is_usable(kubeconfig: &Path, now: jiff::Timestamp) -> bool {
    let read = || -> Result<bool, Failure> {
        let document = api::codec::decode_yaml(&std::fs::read(kubeconfig)?)?;
        let pem = match Kubeconfig::from_value(&document.value)?.credentials {
            Credentials::Certificate(pair) => pair.certificate_pem,
            Credentials::CertificateFiles { certificate, .. } => std::fs::read_to_string(certificate)?,
            Credentials::Token(_) | Credentials::None => return Ok(true),
        };
        Ok(certs::certificate_info(&pem)?.not_after > now)
    };
    read().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_comes_late_in_a_life_and_at_once_after_it() {
        let at = |text: &str| text.parse().unwrap();
        let (start, end) = (at("2026-01-01T00:00:00Z"), at("2026-01-11T00:00:00Z"));
        let day = 24 * 3600;
        assert_eq!(until_rotation(start, end, start, 0.0).as_secs(), 7 * day);
        assert_eq!(until_rotation(start, end, start, 1.0).as_secs(), 9 * day);
        assert_eq!(until_rotation(start, end, at("2026-01-10T00:00:00Z"), 0.0).as_secs(), 0);
    }

    #[test]
    fn a_key_asks_under_one_name() {
        assert_eq!(request_name("k", "system:node:a"), request_name("k", "system:node:a"));
        assert_ne!(request_name("k", "system:node:a"), request_name("l", "system:node:a"));
    }
}
