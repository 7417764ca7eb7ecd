//! A certificate signing request of the kubelet, and the wait for its answer.

use super::Failure;
use certs::KeyCertificate;
use client::{Client, InformerBuilder, ObjectKey, Selection, Shutdown};
use clock::SharedClock;
use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition, CertificateSigningRequestSpec,
};
use ring::digest;
use std::time::Duration;

/// How long a request may wait for its answer: upstream's.
const ANSWER_LIMIT: Duration = Duration::from_secs(15 * 60);

/// What the kubelet asks for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    node_name: String,
    signer: &'static str,
    usage: &'static str,
    /// Names and addresses of a server.
    pub(super) alt_names: Vec<String>,
}

/// Whose request it is, by its name.
pub(super) enum RequestName {
    /// The same key asks under the same name, as upstream's bootstrap does.
    OfKey,
    /// Each request is new.
    Generated,
}

impl Wanted {
    /// The certificate by which the API server knows the node.
    pub(super) fn client(node_name: &str) -> Self {
        let (signer, usage) = ("kubernetes.io/kube-apiserver-client-kubelet", "client auth");
        Self { node_name: node_name.to_owned(), signer, usage, alt_names: Vec::new() }
    }

    /// The certificate by which others know the node's server under these names and addresses.
    pub(super) fn serving(node_name: &str, alt_names: Vec<String>) -> Self {
        let (signer, usage) = ("kubernetes.io/kubelet-serving", "server auth");
        Self { node_name: node_name.to_owned(), signer, usage, alt_names }
    }

    fn user(&self) -> String {
        format!("system:node:{}", self.node_name)
    }

    /// Upstream's `node-csr-…`.
    fn name_of_key(&self, key_pem: &str) -> String {
        use base64::Engine;
        let text = format!("{key_pem}\n{}\n{}", self.user(), self.signer);
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        format!("node-csr-{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest))
    }

    fn object(&self, key_pem: &str, name: &RequestName) -> Result<CertificateSigningRequest, Failure> {
        let made = certs::certificate_request(&self.user(), Some("system:nodes"), &self.alt_names, key_pem)?;
        let mut request = CertificateSigningRequest {
            spec: CertificateSigningRequestSpec {
                request: ByteString(made.request_pem.into_bytes()),
                signer_name: self.signer.to_owned(),
                usages: Some(vec!["digital signature".to_owned(), self.usage.to_owned()]),
                ..CertificateSigningRequestSpec::default()
            },
            ..CertificateSigningRequest::default()
        };
        match name {
            RequestName::OfKey => request.metadata.name = Some(self.name_of_key(key_pem)),
            RequestName::Generated => request.metadata.generate_name = Some("csr-".to_owned()),
        }
        Ok(request)
    }

    /// Asks for a certificate for this key, and waits for it.
    ///
    /// # Errors
    /// The API server's refusal, a denial, no answer within 15 minutes, a certificate for another key.
    pub(super) async fn request(
        &self,
        client: &Client,
        key_pem: String,
        name: RequestName,
        clock: &SharedClock,
    ) -> Result<KeyCertificate, Failure> {
        let request = self.object(&key_pem, &name)?;
        let name = match client.create(&request).await {
            // asked before this start
            Err(error) if error.is_already_exists() => request.metadata.name,
            other => other?.metadata.name,
        };
        let name = name.ok_or("the API server gave the certificate signing request no name")?;
        let answer = clock::timeout(&**clock, ANSWER_LIMIT, answer(client, &name, clock)).await;
        let certificate_pem = answer.ok_or_else(|| format!("no answer to certificate signing request {name}"))??;
        let pair = KeyCertificate { certificate_pem, key_pem };
        // refuses a certificate that is not for this key
        certs::ShownCertificate::new(&pair)?;
        Ok(pair)
    }
}

/// Resolves when the request has its certificate, or is refused.
async fn answer(client: &Client, name: &str, clock: &SharedClock) -> Result<String, Failure> {
    let stop = Shutdown::new();
    let _stop = stop.clone().drop_guard();
    let selection = Selection::fields(format!("metadata.name={name}"));
    let informer = InformerBuilder::<CertificateSigningRequest>::new(client, clock.clone(), selection).start(stop);
    let mut changes = informer.subscribe();
    informer.wait_synced().await;
    if informer.store().get(&ObjectKey::cluster(name)).is_none() {
        return Err(format!("certificate signing request {name} is gone").into());
    }
    while let Some(change) = changes.next().await {
        let request = change.new.ok_or_else(|| format!("certificate signing request {name} was deleted"))?;
        if let Some(certificate) = issued(&request)? {
            return Ok(certificate);
        }
    }
    Err("the watch for the certificate's signing has ended".into())
}

/// The certificate, once there is one.
fn issued(request: &CertificateSigningRequest) -> Result<Option<String>, Failure> {
    let Some(status) = &request.status else { return Ok(None) };
    let refused = |c: &&CertificateSigningRequestCondition| c.type_ == "Denied" || c.type_ == "Failed";
    if let Some(condition) = status.conditions.iter().flatten().find(refused) {
        let name = request.metadata.name.as_deref().unwrap_or_default();
        let reason = condition.reason.as_deref().unwrap_or_default();
        let message = condition.message.as_deref().unwrap_or_default();
        return Err(format!("certificate signing request {name} is {}: {reason} {message}", condition.type_).into());
    }
    match &status.certificate {
        Some(certificate) if !certificate.0.is_empty() => Ok(Some(String::from_utf8(certificate.0.clone())?)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_asks_under_one_name() {
        let wanted = Wanted::client("a");
        assert_eq!(wanted.name_of_key("k"), wanted.name_of_key("k"));
        assert_ne!(wanted.name_of_key("k"), wanted.name_of_key("l"));
        assert_ne!(wanted.name_of_key("k"), Wanted::serving("a", Vec::new()).name_of_key("k"));
    }
}
