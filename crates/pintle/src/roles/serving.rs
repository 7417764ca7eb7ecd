//! The certificate that a component serves with: `--tls-cert-file` and `--tls-private-key-file`, or one that it signs for
//! itself.

use super::certificate_files;
use certs::{Authority, CertError, Issue, KeyCertificate, ShownCertificate, Usage};
use clap::Args;
use client::Shutdown;
use clock::SharedClock;
use std::path::PathBuf;

/// How long a certificate that a component signs for itself is valid, in seconds: upstream's year.
const SELF_SIGNED_VALIDITY_SECONDS: u64 = 365 * 24 * 3600;

/// Upstream's flags of secure serving.
#[derive(Clone, Debug, Args)]
pub struct Serving {
    /// The certificate to serve with; without one, the component signs one for itself.
    #[arg(long, value_name = "FILE", requires = "tls_private_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "FILE", requires = "tls_cert_file")]
    pub tls_private_key_file: Option<PathBuf>,
}

impl Serving {
    /// What the files have, now and later, or a certificate made for this host.
    ///
    /// # Errors
    /// [`CertError`]
    pub fn certificate(&self, clock: &SharedClock, shutdown: &Shutdown) -> Result<ShownCertificate, CertError> {
        if let (Some(certificate), Some(key)) = (&self.tls_cert_file, &self.tls_private_key_file) {
            return certificate_files::follow(certificate, key, clock, shutdown);
        }
        let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().to_lowercase());
        let host = host.unwrap_or_else(|_| "localhost".to_owned());
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        ShownCertificate::new(&self_signed(&host, &names, clock.now())?)
    }
}

/// A certificate for `name` by an authority that nobody else has.
///
/// # Errors
/// [`CertError`]
pub fn self_signed(name: &str, alt_names: &[String], now: jiff::Timestamp) -> Result<KeyCertificate, CertError> {
    let authority = Authority::create(&format!("{name}-ca"), SELF_SIGNED_VALIDITY_SECONDS, now)?;
    let issue = Issue {
        common_name: name.to_owned(),
        organization: None,
        alt_names: std::iter::once(name.to_owned()).chain(alt_names.iter().cloned()).collect(),
        usage: Usage::Server,
        validity_seconds: SELF_SIGNED_VALIDITY_SECONDS,
    };
    authority.issue(&issue, now)
}
