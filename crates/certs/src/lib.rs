//! The cluster's own authorities, certificates and keys, as kubeadm lays them out, and what is signed with them:
//! client certificates, kubeconfig files, service-account tokens, bootstrap tokens.
//!
//! Pure where it can be: wall time is an argument everywhere; only keys come from the system's random source. What not:
//! nothing here knows of components, requests or the meaning of a token's claims.

mod authority;
mod bootstrap;
mod file;
mod grant;
mod identity;
mod jws;
mod jwt;
mod kubeconfig;
pub mod legacy_token;
mod pki;
mod renewal;
mod request;
mod shown;
mod tls;

pub use authority::{Authority, Issue, KeyCertificate, Usage};
pub use bootstrap::{BootstrapToken, BootstrapTokenError, ca_cert_hash, ca_cert_hashes};
pub use file::{FileError, write_private, write_public};
pub use grant::{Grant, is_known_usage};
pub use identity::{CertificateInfo, PeerIdentity, certificate_info, certificates_from_pem, peer_identity};
pub use jws::{detached_signature, is_detached_signature};
pub use jwt::{Jwk, JwtError, TokenSigner, TokenVerifier};
pub use kubeconfig::{Credentials, Kubeconfig, KubeconfigError, UserCertificate};
pub use pki::{KubeconfigFile, Paths, Pki, PkiConfig, ensure, write_kubeconfig};
pub use renewal::renewed;
pub use request::{RequestInfo, SigningRequest, certificate_request, private_key, request_info};
pub use shown::ShownCertificate;
pub use tls::{
    ClientAuth, changing_client_config, changing_server_config, client_config, server_config, unverified_client_config,
};

/// Why a certificate or key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// rcgen refused to make or read a certificate or key.
    #[error("{what}")]
    Generate {
        /// What was being made or read.
        what: String,
        /// rcgen's reason.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate does not parse.
    #[error("{what} is not a valid certificate")]
    Parse {
        /// Which one.
        what: String,
    },
    /// A certificate signing request cannot be signed.
    #[error("{0}")]
    Request(&'static str),
    /// A certificate cannot be renewed.
    #[error("{name:?} cannot be renewed: {reason}")]
    Renew {
        /// CN of its subject.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A name is not allowed in a certificate.
    #[error("{name:?} cannot stand in a certificate")]
    Name {
        /// The name.
        name: String,
    },
    /// rustls refused a certificate, key or authority.
    #[error("{what}")]
    Tls {
        /// What was being configured.
        what: &'static str,
        /// rustls' reason.
        #[source]
        source: rustls::Error,
    },
    /// No certificate that could act as an authority.
    #[error("no usable authority in the bundle")]
    NoAuthority,
    /// A signing key cannot be used.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// A kubeconfig could not be written.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
}
