//! Certificates in files that somebody renews (`certs renew`, cert-manager, an administrator): what is shown follows them
//! without a restart, as with upstream's `DynamicCertKeyPairContent`.
//!
//! What not: renewing them, which is [`crate::renewal`]'s.

use certs::{CertError, KeyCertificate, ShownCertificate};
use client::Shutdown;
use clock::SharedClock;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the files are looked at: upstream's minute.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// A certificate's files, and what was shown of them last.
#[derive(Debug)]
struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    newest: KeyCertificate,
    shown: ShownCertificate,
}

/// What is in the files now and, until `shutdown`, what will be: files in between two states are left alone until they fit.
///
/// # Errors
/// Files that cannot be read or are no certificate with its key.
pub fn follow(
    certificate: &Path,
    key: &Path,
    clock: &SharedClock,
    shutdown: &Shutdown,
) -> Result<ShownCertificate, CertError> {
    let files = CertificateFiles::read(certificate, key)?;
    let shown = files.shown.clone();
    tokio::spawn(files.follow(clock.clone(), shutdown.clone()));
    Ok(shown)
}

impl CertificateFiles {
    fn read(certificate: &Path, key: &Path) -> Result<Self, CertError> {
        let newest = KeyCertificate::read(certificate, key)?;
        let shown = ShownCertificate::new(&newest)?;
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), newest, shown })
    }

    async fn follow(mut self, clock: SharedClock, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = clock.sleep(LOOK_INTERVAL) => {}
                () = shutdown.cancelled() => return,
            }
            let file = self.certificate.display().to_string();
            match self.look() {
                Ok(true) => tracing::info!(file, "shows a new certificate"),
                Ok(false) => {}
                Err(error) => tracing::warn!(file, %error, "cannot use the certificate; the one before stays"),
            }
        }
    }

    /// Whether there is another one, which is shown from now on.
    fn look(&mut self) -> Result<bool, CertError> {
        let found = KeyCertificate::read(&self.certificate, &self.key)?;
        if found.certificate_pem == self.newest.certificate_pem && found.key_pem == self.newest.key_pem {
            return Ok(false);
        }
        self.shown.replace(&found)?;
        self.newest = found;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::serving::self_signed;
    use clock::ManualClock;
    use std::sync::Arc;

    #[test]
    fn a_new_pair_is_shown_once_both_files_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let pair = || self_signed("host", &[], now).unwrap();
        pair().write(&certificate, &key).unwrap();
        let mut files = CertificateFiles::read(&certificate, &key).unwrap();
        assert!(!files.look().unwrap());

        let next = pair();
        certs::write_public(&certificate, &next.certificate_pem).unwrap();
        assert!(files.look().is_err(), "the certificate of another key");
        next.write(&certificate, &key).unwrap();
        assert!(files.look().unwrap());
        assert!(!files.look().unwrap());
        assert_eq!(files.newest.certificate_pem, next.certificate_pem);

        std::fs::remove_file(&key).unwrap();
        assert!(files.look().is_err(), "a file is missing");
    }

    #[tokio::test]
    async fn what_is_shown_follows_the_files_while_its_owner_runs() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
        let start = "2026-01-01T00:00:00Z".parse().unwrap();
        let (manual, stop) = (Arc::new(ManualClock::new(start)), Shutdown::new());
        let clock: SharedClock = manual.clone();
        self_signed("host", &[], start).unwrap().write(&certificate, &key).unwrap();
        let shown = follow(&certificate, &key, &clock, &stop).unwrap();
        let looks = async || {
            while manual.sleepers() == 0 {
                tokio::task::yield_now().await;
            }
            manual.advance(LOOK_INTERVAL);
        };
        let before = format!("{shown:?}");
        looks().await;
        self_signed("host", &[], start).unwrap().write(&certificate, &key).unwrap();
        looks().await;
        while format!("{shown:?}") == before {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    }
}
