//! A certificate authority, and what it issues. Keys are ECDSA P-256: small, and quick to make and to verify.

use crate::file::{self, FileError};
use crate::{CertError, write_private, write_public};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// How far certificates reach back, so that machines whose clocks are a little behind accept them (kubeadm has the same).
const BACKDATE: Duration = Duration::from_secs(5 * 60);

/// What a certificate may be used for (the extended key usages).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// `clientAuth`
    Client,
    /// `serverAuth`
    Server,
    /// Both, as etcd's members need it.
    ServerAndClient,
}

/// What is wanted of a certificate: upstream's `cert.Config`.
#[derive(Clone, Debug)]
pub struct Issue {
    /// CN: the user name of a client.
    pub common_name: String,
    /// O: the group of a client. The library writes at most one.
    pub organization: Option<String>,
    /// DNS names and IP addresses of a server.
    pub alt_names: Vec<String>,
    /// For what.
    pub usage: Usage,
    /// For how long from now, in seconds.
    pub validity_seconds: u64,
}

/// A certificate with its private key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyCertificate {
    /// One `CERTIFICATE` block.
    pub certificate_pem: String,
    /// One `PRIVATE KEY` block (PKCS #8).
    pub key_pem: String,
}

impl std::fmt::Debug for KeyCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyCertificate").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

impl KeyCertificate {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// [`FileError`] when one of them cannot be read.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, FileError> {
        Ok(Self { certificate_pem: file::read(certificate)?, key_pem: file::read(key)? })
    }

    /// Writes both, the key first and private: a certificate on disk always has its key.
    ///
    /// # Errors
    /// [`FileError`] when one of them cannot be written.
    pub fn write(&self, certificate: &Path, key: &Path) -> Result<(), FileError> {
        write_private(key, &self.key_pem)?;
        write_public(certificate, &self.certificate_pem)
    }
}

/// A certificate authority that can issue: certificate and key.
#[derive(Debug)]
pub struct Authority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new self-signed authority, valid for `validity_seconds` from `now`.
    ///
    /// # Errors
    /// [`CertError::Generate`] when the random source fails.
    pub fn create(common_name: &str, validity_seconds: u64, now: jiff::Timestamp) -> Result<Self, CertError> {
        let what = || format!("making the authority {common_name}");
        let key = KeyPair::generate().map_err(generate(what))?;
        let mut params = params(common_name, None, validity_seconds, now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::KeyCertSign];
        params.subject_alt_names = dns_names(&[common_name.to_owned()])?;
        let certificate_pem = params.self_signed(&key).map_err(generate(what))?.pem();
        Ok(Self { certificate_pem, issuer: Issuer::new(params, key) })
    }

    /// An authority from its PEM parts. Further certificates in `certificate_pem` are kept as the bundle.
    ///
    /// # Errors
    /// [`CertError::Generate`] when they do not parse.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, CertError> {
        let what = || "reading an authority".to_owned();
        let key = KeyPair::from_pem(key_pem).map_err(generate(what))?;
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, key).map_err(generate(what))?;
        Ok(Self { certificate_pem: certificate_pem.to_owned(), issuer })
    }

    /// The authority's certificate (or bundle), PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's private key, PEM.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    pub(crate) fn key(&self) -> &KeyPair {
        self.issuer.key()
    }

    /// Makes a key and a certificate for it.
    ///
    /// # Errors
    /// [`CertError::Name`] for an alternative name that is neither an address nor ASCII.
    pub fn issue(&self, issue: &Issue, now: jiff::Timestamp) -> Result<KeyCertificate, CertError> {
        let what = || format!("making the key of {}", issue.common_name);
        let key = KeyPair::generate().map_err(generate(what))?;
        let certificate_pem = self.sign(issue, &key, now)?;
        Ok(KeyCertificate { certificate_pem, key_pem: key.serialize_pem() })
    }

    fn sign(&self, issue: &Issue, key: &impl rcgen::PublicKeyData, now: jiff::Timestamp) -> Result<String, CertError> {
        let what = || format!("making the certificate of {}", issue.common_name);
        let mut params = params(&issue.common_name, issue.organization.as_deref(), issue.validity_seconds, now);
        params.subject_alt_names = dns_names(&issue.alt_names)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = match issue.usage {
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Usage::ServerAndClient => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        };
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(key, &self.issuer).map_err(generate(what))?.pem())
    }
}

pub(crate) fn generate(what: impl Fn() -> String) -> impl FnOnce(rcgen::Error) -> CertError {
    move |source| CertError::Generate { what: what(), source }
}

fn params(
    common_name: &str,
    organization: Option<&str>,
    validity_seconds: u64,
    now: jiff::Timestamp,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    let now = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(BACKDATE);
    params.not_after = epoch + (now + Duration::from_secs(validity_seconds));
    params
}

pub(crate) fn dns_names(names: &[String]) -> Result<Vec<SanType>, CertError> {
    names
        .iter()
        .map(|name| match name.parse::<IpAddr>() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => match name.as_str().try_into() {
                Ok(dns) => Ok(SanType::DnsName(dns)),
                Err(_) => Err(CertError::Name { name: name.clone() }),
            },
        })
        .collect()
}
