//! Certificate signing requests (PKCS #10): made by a joining kubelet, read by whoever approves or signs them.

use crate::authority::{dns_names, generate};
use crate::{CertError, Issue, Usage};
use pkcs10::Proof;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use x509_parser::extensions::{GeneralName, ParsedExtension};

/// A request and the key that it is for, both PEM.
#[derive(Clone)]
pub struct SigningRequest {
    /// One `CERTIFICATE REQUEST` block.
    pub request_pem: String,
    /// One `PRIVATE KEY` block.
    pub key_pem: String,
}

/// A new private key, PEM.
///
/// # Errors
/// [`CertError::Generate`] when the random source fails.
pub fn private_key() -> Result<String, CertError> {
    let key = KeyPair::generate().map_err(generate(|| "making a private key".to_owned()))?;
    Ok(key.serialize_pem())
}

/// Asks for a certificate of this subject for a key that is there already: a kubelet that starts again asks the same.
///
/// # Errors
/// [`CertError::Generate`] for a key that does not parse, [`CertError::Name`] for a name that cannot stand there.
pub fn certificate_request(
    common_name: &str,
    organization: Option<&str>,
    alt_names: &[String],
    key_pem: &str,
) -> Result<SigningRequest, CertError> {
    let what = || format!("making the certificate request of {common_name}");
    let key = KeyPair::from_pem(key_pem).map_err(generate(what))?;
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.subject_alt_names = dns_names(alt_names)?;
    let request = params.serialize_request(&key).map_err(generate(what))?;
    let request_pem = request.pem().map_err(generate(what))?;
    Ok(SigningRequest { request_pem, key_pem: key_pem.to_owned() })
}

/// What a request asks for: what upstream's approver and signers look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// CN of the subject.
    pub common_name: String,
    /// O of the subject, in order.
    pub organizations: Vec<String>,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// Addresses.
    pub ip_addresses: Vec<IpAddr>,
    /// E-mail addresses.
    pub email_addresses: Vec<String>,
    /// URIs.
    pub uris: Vec<String>,
}

/// A request whose signature holds: whoever made it has the key.
pub(crate) struct ParsedRequest {
    pub info: RequestInfo,
    /// The subject as it was sent, DER.
    pub subject: Vec<u8>,
    /// `SubjectPublicKeyInfo`, DER.
    pub public_key_info: Vec<u8>,
    /// The content of the extension `subjectAltName`, DER.
    pub alt_names: Option<Vec<u8>>,
}

/// Reads a request and checks its signature.
///
/// # Errors
/// [`CertError::Request`]
pub fn request_info(request_pem: &str) -> Result<RequestInfo, CertError> {
    Ok(parse(request_pem)?.info)
}

/// OID of the extension `subjectAltName`, as the parser writes it.
const ALT_NAMES_OID: &str = "2.5.29.17";

pub(crate) fn parse(request_pem: &str) -> Result<ParsedRequest, CertError> {
    let der = CertificateSigningRequestDer::from_pem_slice(request_pem.as_bytes())
        .map_err(|_| CertError::Request("PEM block type must be CERTIFICATE REQUEST"))?;
    let request = pkcs10::parse(&der).map_err(|_| CertError::Request("malformed certificate request"))?;
    // what cannot be verified is not signed, though the API takes it
    if pkcs10::check_signature(&request) != Ok(Proof::Holds) {
        return Err(CertError::Request("the signature does not verify"));
    }
    let parsed = &request.certification_request_info;
    let text = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| attribute.as_str().ok().map(str::to_owned);
    let mut info = RequestInfo {
        common_name: parsed.subject.iter_common_name().find_map(text).unwrap_or_default(),
        organizations: parsed.subject.iter_organization().filter_map(text).collect(),
        ..RequestInfo::default()
    };
    for extension in request.requested_extensions().into_iter().flatten() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension {
            names.general_names.iter().for_each(|name| add_name(&mut info, name));
        }
    }
    Ok(ParsedRequest {
        info,
        subject: parsed.subject.as_raw().to_vec(),
        public_key_info: parsed.subject_pki.raw.to_vec(),
        alt_names: raw_alt_names(parsed),
    })
}

fn raw_alt_names(info: &x509_parser::certification_request::X509CertificationRequestInfo<'_>) -> Option<Vec<u8>> {
    use x509_parser::cri_attributes::ParsedCriAttribute;
    let requested = info.iter_attributes().find_map(|attribute| match attribute.parsed_attribute() {
        ParsedCriAttribute::ExtensionRequest(request) => Some(request),
        _ => None,
    })?;
    let names = requested.extensions.iter().find(|extension| extension.oid.to_id_string() == ALT_NAMES_OID);
    names.map(|extension| extension.value.to_vec())
}

fn add_name(info: &mut RequestInfo, name: &GeneralName<'_>) {
    match name {
        GeneralName::DNSName(name) => info.dns_names.push((*name).to_owned()),
        GeneralName::RFC822Name(name) => info.email_addresses.push((*name).to_owned()),
        GeneralName::URI(name) => info.uris.push((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
            let v6 = || <[u8; 16]>::try_from(*bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)));
            info.ip_addresses.extend(v4.or_else(|_| v6()));
        }
        _ => {}
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
