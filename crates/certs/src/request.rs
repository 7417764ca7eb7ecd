//! Certificate signing requests (PKCS #10): made by a joining kubelet, signed by whoever holds the authority.

use crate::authority::generate;
use crate::{Authority, CertError, Issue, Usage};
use rcgen::{CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, KeyPair};

/// A request and the key that it is for, both PEM.
#[derive(Clone)]
pub struct SigningRequest {
    /// One `CERTIFICATE REQUEST` block.
    pub request_pem: String,
    /// One `PRIVATE KEY` block.
    pub key_pem: String,
}

/// Makes a key and asks for a certificate of this subject.
///
/// # Errors
/// [`CertError::Generate`] when the random source fails.
pub fn certificate_request(common_name: &str, organization: Option<&str>) -> Result<SigningRequest, CertError> {
    let what = || format!("making the certificate request of {common_name}");
    let key = KeyPair::generate().map_err(generate(what))?;
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    let request = params.serialize_request(&key).map_err(generate(what))?;
    let request_pem = request.pem().map_err(generate(what))?;
    Ok(SigningRequest { request_pem, key_pem: key.serialize_pem() })
}

impl Authority {
    /// Signs a request under the subject that the *signer* decided on: what the request says of itself is only where
    /// its public key is taken from, and its signature is checked.
    ///
    /// # Errors
    /// [`CertError::Generate`] when the request does not parse.
    pub fn sign_request(&self, request_pem: &str, issue: &Issue, now: jiff::Timestamp) -> Result<String, CertError> {
        let what = || "reading a certificate request".to_owned();
        let request = CertificateSigningRequestParams::from_pem(request_pem).map_err(generate(what))?;
        self.sign(issue, &request.public_key, now)
    }
}

/// The subject of a kubelet's client certificate (`kubernetes.io/kube-apiserver-client-kubelet`).
pub(crate) fn kubelet_client(node: &str, validity_seconds: u64) -> Issue {
    Issue {
        common_name: format!("system:node:{node}"),
        organization: Some("system:nodes".to_owned()),
        alt_names: Vec::new(),
        usage: Usage::Client,
        validity_seconds,
    }
}
