//! Service-account tokens: made for a TokenRequest, checked against the objects that they are bound to
//! (`k8s.io/kubernetes/pkg/serviceaccount`).

mod claims;
mod discovery;
mod legacy;
mod request;
mod uses;

pub use discovery::{jwks, openid_configuration};
pub(crate) use request::apply_defaults as apply_request_defaults;
pub use uses::LegacyUses;
pub(crate) use uses::{LAST_USED, date};

use crate::SharedReader;
use crate::authz::rule::go_quoted;
use crate::chain::Authenticated;
use certs::{TokenSigner, TokenVerifier, legacy_token};
use clock::SharedClock;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many verified signatures are remembered: a token of each pod of a large cluster's busiest moment. What a token
/// says is checked against the live objects each time all the same.
const MAX_REMEMBERED: usize = 4096;

/// Why a token is nobody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It was not made here.
    Unknown,
    /// It was, and does not hold; in upstream's words.
    Because(String),
}

/// Makes and checks tokens.
#[derive(Debug)]
pub struct ServiceAccountTokens {
    reader: SharedReader,
    clock: SharedClock,
    issuer: String,
    audiences: Vec<String>,
    signer: Arc<TokenSigner>,
    verifier: TokenVerifier,
    /// Digest of the token → its claims.
    remembered: Mutex<HashMap<[u8; 32], Arc<Value>>>,
    uses: Arc<LegacyUses>,
}

impl ServiceAccountTokens {
    /// `audiences` are the server's own; empty means the issuer.
    pub fn new(
        reader: SharedReader,
        clock: SharedClock,
        issuer: String,
        audiences: Vec<String>,
        signer: Arc<TokenSigner>,
        verifier: TokenVerifier,
    ) -> Self {
        let audiences = if audiences.is_empty() { vec![issuer.clone()] } else { audiences };
        Self { reader, clock, issuer, audiences, signer, verifier, remembered: Mutex::default(), uses: Arc::default() }
    }

    /// Uses of secrets' tokens that are still to be noted.
    pub(crate) fn uses(&self) -> Arc<LegacyUses> {
        self.uses.clone()
    }

    pub(crate) fn is_own_audience(&self, audience: &str) -> bool {
        self.audiences.iter().any(|own| own == audience)
    }

    /// Who a token is, if it was made here, holds now, and is good for one of the audiences (empty: the server's own).
    ///
    /// # Errors
    /// Why not, in upstream's words, if it was made here.
    pub(crate) fn authenticate(&self, token: &str, audiences: &[String]) -> Result<Authenticated, Refused> {
        let claims = self.verified(token)?;
        let wanted = if audiences.is_empty() { &self.audiences } else { audiences };
        let is_legacy = claims["iss"] == legacy_token::ISSUER;
        let own = match claims["aud"].as_array() {
            Some(own) => own.iter().map(claims::text).collect(),
            // those of secrets are for the server alone
            None if is_legacy => self.audiences.clone(),
            None => Vec::new(),
        };
        if !own.iter().any(|own| wanted.contains(own)) {
            let (own, wanted) = (go_quoted(&own), go_quoted(wanted));
            let why = format!("token audiences {own} is invalid for the target audiences {wanted}");
            return Err(Refused::Because(why));
        }
        let user = match is_legacy {
            true => legacy::user(token, &claims, &self.reader, (&self.uses, self.clock.now())),
            false => claims::user(&claims, &self.reader, self.clock.now()).map(Authenticated::from),
        };
        user.map_err(Refused::Because)
    }

    /// Which of the audiences a token is good for.
    pub(crate) fn matching_audiences(&self, token: &str, audiences: &[String]) -> Vec<String> {
        let wanted = if audiences.is_empty() { &self.audiences } else { audiences };
        let claims = self.verified(token).ok();
        let own = claims.as_ref().and_then(|claims| claims["aud"].as_array());
        match own {
            Some(own) => wanted.iter().filter(|one| own.iter().any(|own| own == *one)).cloned().collect(),
            // Tokens of other kinds have no audiences: they are the server's.
            None => wanted.iter().filter(|one| self.is_own_audience(one)).cloned().collect(),
        }
    }

    /// The claims of a token with our issuer and signature.
    fn verified(&self, token: &str) -> Result<Arc<Value>, Refused> {
        // The unverified issuer first: other tokens are not worth the arithmetic.
        let known = |claims: Value| claims["iss"] == *self.issuer || claims["iss"] == legacy_token::ISSUER;
        let is_ours = TokenVerifier::peek(token).is_ok_and(known);
        if !is_ours {
            return Err(Refused::Unknown);
        }
        let mut key = [0; 32];
        key.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, token.as_bytes()).as_ref());
        let lock = || self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = lock().get(&key) {
            return Ok(claims.clone());
        }
        let no_signature = |_| Refused::Because("go-jose/go-jose: error in cryptographic primitive".to_owned());
        let claims = Arc::new(self.verifier.verify(token).map_err(no_signature)?);
        let mut remembered = lock();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, claims.clone());
        Ok(claims)
    }
}

#[cfg(test)]
mod tests;
