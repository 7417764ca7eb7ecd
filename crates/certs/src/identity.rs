//! Reading certificates: who a TLS peer is, and when a certificate ends.

use crate::{CertError, Usage};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Who the holder of a client certificate is: CN is the user, each O a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// CN
    pub name: String,
    /// O, in order.
    pub groups: Vec<String>,
    /// `X509SHA256=<hex>`, upstream's `authentication.kubernetes.io/credential-id`.
    pub credential_id: String,
}

/// What `pintle certs check-expiration` and rotation want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// CN of the subject.
    pub common_name: String,
    /// O of the subject.
    pub organizations: Vec<String>,
    /// CN of the issuer.
    pub issuer: String,
    /// First second of validity.
    pub not_before: jiff::Timestamp,
    /// Last second of validity.
    pub not_after: jiff::Timestamp,
    /// DNS names and addresses, in order.
    pub alt_names: Vec<String>,
    /// Whether it may issue others.
    pub is_authority: bool,
    /// For what it is good, as far as the extended key usages say so.
    pub usage: Option<Usage>,
}

/// The identity in a client certificate that TLS has already verified. `None`: it names nobody.
///
/// # Errors
/// [`CertError::Parse`] for bytes that are not a certificate.
pub fn peer_identity(der: &[u8]) -> Result<Option<PeerIdentity>, CertError> {
    let certificate = parse(der, "the peer's certificate")?;
    let Some(name) = first(certificate.subject().iter_common_name()) else {
        return Ok(None);
    };
    let groups = all(certificate.subject().iter_organization());
    let credential_id = format!("X509SHA256={}", hex::encode(ring::digest::digest(&ring::digest::SHA256, der)));
    Ok(Some(PeerIdentity { name, groups, credential_id }))
}

/// Subject, validity and names of the first certificate in a PEM text.
///
/// # Errors
/// [`CertError::Parse`] when there is none.
pub fn certificate_info(pem: &str) -> Result<CertificateInfo, CertError> {
    let certificates = certificates_from_pem(pem)?;
    let der = certificates.first().ok_or_else(|| CertError::Parse { what: "an empty PEM text".to_owned() })?;
    let certificate = parse(der, "the PEM text")?;
    let mut alt_names = Vec::new();
    if let Ok(Some(extension)) = certificate.subject_alternative_name() {
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(name) => alt_names.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => alt_names.extend(address(bytes)),
                _ => {}
            }
        }
    }
    Ok(CertificateInfo {
        common_name: first(certificate.subject().iter_common_name()).unwrap_or_default(),
        organizations: all(certificate.subject().iter_organization()),
        issuer: first(certificate.issuer().iter_common_name()).unwrap_or_default(),
        not_before: timestamp(certificate.validity().not_before.timestamp()),
        not_after: timestamp(certificate.validity().not_after.timestamp()),
        alt_names,
        is_authority: certificate.is_ca(),
        usage: usage(&certificate),
    })
}

fn usage(certificate: &X509Certificate<'_>) -> Option<Usage> {
    let extension = certificate.extended_key_usage().ok()??;
    match (extension.value.client_auth, extension.value.server_auth) {
        (true, true) => Some(Usage::ServerAndClient),
        (true, false) => Some(Usage::Client),
        (false, true) => Some(Usage::Server),
        (false, false) => None,
    }
}

/// All certificates of a PEM text, DER.
///
/// # Errors
/// [`CertError::Parse`] when a block is broken, or there is none.
pub fn certificates_from_pem(pem: &str) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let broken = || CertError::Parse { what: "a PEM bundle".to_owned() };
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|_| broken())?;
    if all.is_empty() { Err(broken()) } else { Ok(all) }
}

/// The DER form of a certificate's `SubjectPublicKeyInfo`.
pub(crate) fn public_key_info(der: &[u8]) -> Result<Vec<u8>, CertError> {
    Ok(parse(der, "the authority's certificate")?.public_key().raw.to_vec())
}

fn parse<'a>(der: &'a [u8], what: &str) -> Result<X509Certificate<'a>, CertError> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(_) => Err(CertError::Parse { what: what.to_owned() }),
    }
}

fn all<'a>(attributes: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>) -> Vec<String> {
    attributes.filter_map(|attribute| attribute.as_str().ok().map(str::to_owned)).collect()
}

fn first<'a>(attributes: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>) -> Option<String> {
    all(attributes).into_iter().next().filter(|name| !name.is_empty())
}

fn timestamp(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX)
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string())
}
