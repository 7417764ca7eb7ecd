//! A certificate that may still be missing, and may be replaced while whoever shows it runs: handshakes take the newest.

use crate::tls::{key, tls};
use crate::{CertError, KeyCertificate, certificates_from_pem};
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::{Arc, PoisonError, RwLock};

/// Shared by its clones. Without a certificate a server's handshakes fail, and a client shows none.
#[derive(Clone, Debug, Default)]
pub struct ShownCertificate(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

impl ShownCertificate {
    /// One that is there from the start.
    ///
    /// # Errors
    /// See [`ShownCertificate::replace`].
    pub fn new(pair: &KeyCertificate) -> Result<Self, CertError> {
        let new = Self::default();
        new.replace(pair)?;
        Ok(new)
    }

    /// From the next handshake on, this one is shown.
    ///
    /// # Errors
    /// [`CertError::Parse`] for what is no certificate or key, [`CertError::Tls`] where the key is another certificate's;
    /// what was shown goes on being shown.
    pub fn replace(&self, pair: &KeyCertificate) -> Result<(), CertError> {
        let chain = certificates_from_pem(&pair.certificate_pem)?;
        let certified =
            CertifiedKey::from_der(chain, key(&pair.key_pem)?, &default_provider()).map_err(tls("the certificate"))?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(certified));
        Ok(())
    }

    fn newest(&self) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for ShownCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.newest()
    }
}

impl ResolvesClientCert for ShownCertificate {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.newest()
    }

    fn has_certs(&self) -> bool {
        self.newest().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authority, Issue, Usage};

    #[test]
    fn what_cannot_be_shown_leaves_what_was_shown() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let authority = Authority::create("ca", 3600, now).unwrap();
        let issue = |name: &str| {
            let (common_name, alt_names) = (name.to_owned(), vec![name.to_owned()]);
            let issue =
                Issue { common_name, organization: None, alt_names, usage: Usage::Server, validity_seconds: 3600 };
            authority.issue(&issue, now).unwrap()
        };
        let serving = ShownCertificate::default();
        let shown = || serving.newest().map(|shown| shown.cert[0].clone());
        assert_eq!(shown(), None);
        let (first, second) = (issue("first"), issue("second"));
        serving.replace(&first).unwrap();
        let before = shown();
        assert!(before.is_some());
        let mixed = KeyCertificate { certificate_pem: second.certificate_pem.clone(), key_pem: first.key_pem };
        assert!(serving.replace(&mixed).is_err());
        assert_eq!(shown(), before);
        serving.clone().replace(&second).unwrap();
        assert_ne!(shown(), before);
    }
}
