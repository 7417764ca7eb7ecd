//! Certificates that near their end are replaced at a start, unasked: those of clusters that `up` and `server` look after.
//!
//! What not: clusters of `init`, whose administrator renews (`certs renew`), and the kubelet's own rotation while it runs.

use crate::kubeadm::{certs_verb, files, token};
use certs::{Authority, CertError, Credentials, KeyCertificate, Paths, UserCertificate, certificate_info};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// A certificate is replaced when less than one part of so many is left of its life: kubelets ask for theirs no later.
const PARTS_OF_LIFE: i64 = 3;

/// Why a certificate that should have been replaced was not.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    /// It cannot be read, or signed again.
    #[error("renew {path}: {source}")]
    Certificate {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: CertError,
    },
    /// The kubeconfig that it is in cannot be written.
    #[error("renew the certificate in {path}: {reason}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

fn at(path: &Path) -> impl Fn(CertError) -> RenewalError + '_ {
    |source| RenewalError::Certificate { path: path.to_owned(), source }
}

/// The next certificate, where `authority` has signed this one and little of its life is left.
fn next(pem: &str, authority: &Authority, now: Timestamp) -> Result<Option<KeyCertificate>, CertError> {
    let (info, issuer) = (certificate_info(pem)?, certificate_info(authority.certificate_pem())?);
    let life_seconds = info.not_after.as_second() - info.not_before.as_second();
    let left_seconds = info.not_after.as_second() - now.as_second();
    let is_due = info.issuer == issuer.common_name && left_seconds < life_seconds / PARTS_OF_LIFE;
    is_due.then(|| certs::renewed(pem, authority, now)).transpose()
}

/// Replaces what nears its end in a PKI directory. What others have signed stays, and what an authority has whose key is
/// not there.
///
/// # Errors
/// [`RenewalError`]
pub fn renew_directory(pki: &Path, now: Timestamp) -> Result<(), RenewalError> {
    let paths = Paths::new(pki);
    for (name, issuer) in certs_verb::pairs() {
        let (certificate, key) = (paths.certificate(issuer), paths.key(issuer));
        if !certificate.exists() || !key.exists() {
            continue;
        }
        let authority = KeyCertificate::read(&certificate, &key).map_err(CertError::from);
        let authority = authority.and_then(|pair| Authority::from_pem(&pair.certificate_pem, &pair.key_pem));
        renew_pair(&paths.certificate(name), &paths.key(name), &authority.map_err(at(&certificate))?, now)?;
    }
    Ok(())
}

/// Replaces a certificate and its key, if they are there and near their end.
///
/// # Errors
/// [`RenewalError`]
pub fn renew_pair(certificate: &Path, key: &Path, authority: &Authority, now: Timestamp) -> Result<(), RenewalError> {
    if !certificate.exists() || !key.exists() {
        return Ok(());
    }
    let renewed = KeyCertificate::read(certificate, key).map_err(CertError::from).and_then(|old| {
        let Some(new) = next(&old.certificate_pem, authority, now)? else { return Ok(()) };
        tracing::info!(certificate = %certificate.display(), "renewed a certificate");
        Ok(new.write(certificate, key)?)
    });
    renewed.map_err(at(certificate))
}

/// Replaces the certificate in a kubeconfig, if it is near its end; all else in the file stays. A file that is none, or
/// without a certificate, is left to whoever reads it.
///
/// # Errors
/// [`RenewalError`]
pub fn renew_kubeconfig(path: &Path, authority: &Authority, now: Timestamp) -> Result<(), RenewalError> {
    let Some(Credentials::Certificate(old)) = token::read_kubeconfig(path).ok().map(|config| config.credentials) else {
        return Ok(());
    };
    let Some(new) = next(&old.certificate_pem, authority, now).map_err(at(path))? else { return Ok(()) };
    tracing::info!(kubeconfig = %path.display(), "renewed a certificate");
    let written = files::set_certificate(path, &UserCertificate::Embedded(&new));
    written.map_err(|error| RenewalError::Kubeconfig { path: path.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use certs::{KubeconfigFile, PkiConfig};
    use std::fs;

    const DAY_SECONDS: i64 = 24 * 3600;

    fn day(count: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + count * DAY_SECONDS).unwrap()
    }

    fn config() -> PkiConfig {
        PkiConfig {
            node_name: "master".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            service_address: "10.96.0.1".to_owned(),
            extra_names: vec!["172.30.0.2".to_owned()],
            etcd_names: vec!["localhost".to_owned()],
        }
    }

    /// The day on which each certificate of a directory ends, by its file.
    fn ends(pki: &Path) -> Vec<(&'static str, i64)> {
        let day_of = |name| {
            let pem = fs::read_to_string(Paths::new(pki).certificate(name)).unwrap();
            (certificate_info(&pem).unwrap().not_after.as_second() - day(0).as_second()) / DAY_SECONDS
        };
        certs_verb::pairs().map(|(name, _)| (name, day_of(name))).collect()
    }

    #[test]
    fn a_directory_is_renewed_in_the_last_third_of_a_year() {
        let directory = tempfile::tempdir().unwrap();
        let pki = directory.path();
        certs::ensure(pki, &config(), day(0)).unwrap();
        renew_directory(pki, day(243)).unwrap();
        assert!(ends(pki).iter().all(|(_, end)| *end == 365), "{:?}", ends(pki));
        // who has an authority elsewhere renews its certificates there
        fs::remove_file(Paths::new(pki).key("front-proxy-ca")).unwrap();
        for (today, others) in [(244, 244 + 365), (2000, 2000 + 365)] {
            renew_directory(pki, day(today)).unwrap();
            let wanted = |name: &str| if name == "front-proxy-client" { 365 } else { others };
            assert!(ends(pki).iter().all(|(name, end)| *end == wanted(name)), "{:?}", ends(pki));
        }
        let server = Paths::new(pki);
        let server = KeyCertificate::read(&server.certificate("apiserver"), &server.key("apiserver")).unwrap();
        certs::server_config(&server, certs::ClientAuth::None, &[]).expect("a certificate and its key");
        assert!(certificate_info(&server.certificate_pem).unwrap().alt_names.contains(&"172.30.0.2".to_owned()));
    }

    #[test]
    fn a_certificate_of_another_authority_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("x.crt"), directory.path().join("x.key"));
        let authority = |name| Authority::create(name, 3650 * DAY_SECONDS.unsigned_abs(), day(0)).unwrap();
        let (own, other) = (authority("own"), authority("other"));
        other.issue(&KubeconfigFile::Proxy.issue(), day(0)).unwrap().write(&certificate, &key).unwrap();
        let before = fs::read_to_string(&certificate).unwrap();
        renew_pair(&certificate, &key, &own, day(364)).unwrap();
        assert_eq!(fs::read_to_string(&certificate).unwrap(), before);
        renew_pair(&certificate, &key, &other, day(364)).unwrap();
        assert_ne!(fs::read_to_string(&certificate).unwrap(), before);
    }
}
