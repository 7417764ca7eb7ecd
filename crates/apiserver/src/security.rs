//! The whole chain of a request, put together: who, whether, in what form, and what is only asked.

mod reviews;

pub use reviews::SecurityReviews;

use crate::admission::AdmissionChain;
use crate::authn::{Authenticators, StaticTokens};
use crate::authz::{Authorizers, Rbac};
use crate::chain::{Chain, ChainBuilder, ChainDocument};
use crate::streaming::{KubeletClient, Streaming};
use crate::tokens::{ServiceAccountTokens, jwks, openid_configuration};
use certs::{TokenSigner, TokenVerifier};
use clock::SharedClock;
use std::sync::Arc;

/// The issuer of service-account tokens unless told otherwise.
pub const DEFAULT_ISSUER: &str = "https://kubernetes.default.svc";

/// What the chain is made of.
pub struct SecurityConfig {
    /// Time.
    pub clock: SharedClock,
    /// `--service-account-issuer`
    pub issuer: String,
    /// `--api-audiences`; empty: the issuer.
    pub audiences: Vec<String>,
    /// `--service-account-signing-key-file`
    pub signer: Arc<TokenSigner>,
    /// `--service-account-key-file`
    pub verifier: TokenVerifier,
    /// `--token-auth-file`, `--token`.
    pub static_tokens: StaticTokens,
    /// `--anonymous-auth`
    pub anonymous: bool,
    /// `--kubelet-certificate-authority`, `--kubelet-client-certificate` and key; `None`: no kubelet can be reached.
    pub kubelet: Option<KubeletClient>,
}

/// The chain over the watch cache that the server will have.
pub fn chain(config: SecurityConfig) -> ChainBuilder {
    Box::new(move |reader| {
        let rbac = Arc::new(Rbac::new(reader.clone()));
        let jwks_uri = format!("{}/openid/v1/jwks", config.issuer);
        let documents = vec![
            ChainDocument {
                path: "/openid/v1/jwks",
                content_type: "application/jwk-set+json",
                body: jwks(&config.verifier),
            },
            ChainDocument {
                path: "/.well-known/openid-configuration",
                content_type: "application/json",
                body: openid_configuration(&config.issuer, &jwks_uri),
            },
        ];
        let tokens = Arc::new(ServiceAccountTokens::new(
            reader.clone(),
            config.clock.clone(),
            config.issuer,
            config.audiences,
            config.signer,
            config.verifier,
        ));
        let authenticators =
            || Authenticators::new(reader.clone(), config.clock.clone(), config.static_tokens.clone(), tokens.clone());
        let authorizers = || Authorizers::new(reader.clone(), rbac.clone());
        Chain {
            authenticator: Box::new(authenticators()),
            authorizer: Box::new(authorizers()),
            admission: Box::new(AdmissionChain::standard(reader.clone(), rbac.clone())),
            reviews: Box::new(SecurityReviews::new(
                authenticators(),
                authorizers(),
                tokens.clone(),
                config.clock.clone(),
            )),
            connector: Box::new(Streaming::new(reader.clone(), config.kubelet, config.clock.clone())),
            legacy_uses: tokens.uses(),
            documents,
            anonymous: config.anonymous,
        }
    })
}
