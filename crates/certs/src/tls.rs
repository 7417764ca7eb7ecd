//! rustls configurations from PEM texts: one place that says which protocol and which checks.

use crate::{CertError, KeyCertificate, ShownCertificate, certificates_from_pem};
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::sync::Arc;

/// What a server asks of its clients.
#[derive(Clone, Copy, Debug)]
pub enum ClientAuth<'a> {
    /// No certificate is asked for.
    None,
    /// A certificate is asked for; one that is sent must be issued by this bundle (PEM). Upstream's `RequestClientCert`.
    Optional(&'a str),
}

/// A server's configuration. `alpn` in order of preference, such as `[b"h2", b"http/1.1"]`.
///
/// # Errors
/// [`CertError::Parse`], [`CertError::NoAuthority`], [`CertError::Tls`]
pub fn server_config(
    pair: &KeyCertificate,
    client_auth: ClientAuth<'_>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, CertError> {
    changing_server_config(&ShownCertificate::new(pair)?, client_auth, alpn)
}

/// The same for a certificate that is replaced while the server runs.
///
/// # Errors
/// [`CertError::NoAuthority`], [`CertError::Tls`]
pub fn changing_server_config(
    serving: &ShownCertificate,
    client_auth: ClientAuth<'_>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, CertError> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(tls("TLS versions"))?;
    let builder = match client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Optional(bundle) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(bundle)?), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|_| CertError::NoAuthority)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(serving.clone()));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// A client's configuration: trusts `ca_pem` alone, and shows `pair` when the server asks.
///
/// # Errors
/// [`CertError::Parse`], [`CertError::NoAuthority`], [`CertError::Tls`]
pub fn client_config(
    ca_pem: &str,
    pair: Option<&KeyCertificate>,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, CertError> {
    as_client(trusting(ca_pem)?, pair, alpn)
}

/// A client's configuration whose certificate is replaced while the client runs. Without `ca_pem` servers are not
/// verified: see [`unverified_client_config`].
///
/// # Errors
/// [`CertError::Parse`], [`CertError::NoAuthority`], [`CertError::Tls`]
pub fn changing_client_config(
    ca_pem: Option<&str>,
    shown: &ShownCertificate,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, CertError> {
    let builder = match ca_pem {
        Some(ca_pem) => trusting(ca_pem)?,
        None => trusting_all()?,
    };
    let mut config = builder.with_client_cert_resolver(Arc::new(shown.clone()));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// A client's configuration that takes every server for what it says it is: upstream's `InsecureSkipVerify`, for probes,
/// for kubelets whose certificates nobody signed, and for the first look at a cluster by a bootstrap token, which proves
/// the cluster in another way. Signatures of the handshake are checked all the same.
///
/// # Errors
/// [`CertError::Parse`], [`CertError::Tls`]
pub fn unverified_client_config(pair: Option<&KeyCertificate>, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, CertError> {
    as_client(trusting_all()?, pair, alpn)
}

fn trusting(ca_pem: &str) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, CertError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls("TLS versions"))?;
    Ok(builder.with_root_certificates(roots(ca_pem)?))
}

fn trusting_all() -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, CertError> {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(tls("TLS versions"))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider))))
}

/// What a client's configuration has beside its way to judge servers.
fn as_client(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    pair: Option<&KeyCertificate>,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, CertError> {
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => builder
            .with_client_auth_cert(certificates_from_pem(&pair.certificate_pem)?, key(&pair.key_pem)?)
            .map_err(tls("the client's certificate"))?,
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Accepts every certificate.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn roots(bundle: &str) -> Result<RootCertStore, CertError> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates_from_pem(bundle)?);
    if added == 0 { Err(CertError::NoAuthority) } else { Ok(store) }
}

pub(crate) fn key(pem: &str) -> Result<PrivateKeyDer<'static>, CertError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| CertError::Parse { what: "a private key".to_owned() })
}

pub(crate) fn tls(what: &'static str) -> impl FnOnce(rustls::Error) -> CertError {
    move |source| CertError::Tls { what, source }
}
