//! Service-account tokens: made for a TokenRequest, checked against the objects that they are bound to
//! (`k8s.io/kubernetes/pkg/serviceaccount`).

mod claims;
mod discovery;
mod request;

pub use discovery::{jwks, openid_configuration};
pub(crate) use request::apply_defaults as apply_request_defaults;

use crate::SharedReader;
use crate::user::UserInfo;
use certs::{TokenSigner, TokenVerifier};
use clock::SharedClock;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many verified signatures are remembered: a token of each pod of a large cluster's busiest moment. What a token
/// says is checked against the live objects each time all the same.
const MAX_REMEMBERED: usize = 4096;

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
        Self { reader, clock, issuer, audiences, signer, verifier, remembered: Mutex::default() }
    }

    pub(crate) fn is_own_audience(&self, audience: &str) -> bool {
        self.audiences.iter().any(|own| own == audience)
    }

    /// Who a token is, if it was made here, holds now, and is good for one of the audiences (empty: the server's own).
    pub(crate) fn authenticate(&self, token: &str, audiences: &[String]) -> Option<UserInfo> {
        let claims = self.verified(token)?;
        let wanted = if audiences.is_empty() { &self.audiences } else { audiences };
        let good = claims["aud"].as_array()?.iter().any(|own| wanted.iter().any(|one| own == one));
        if good { claims::user(&claims, &self.reader, self.clock.now()) } else { None }
    }

    /// Which of the audiences a token is good for.
    pub(crate) fn matching_audiences(&self, token: &str, audiences: &[String]) -> Vec<String> {
        let wanted = if audiences.is_empty() { &self.audiences } else { audiences };
        let claims = self.verified(token);
        let own = claims.as_ref().and_then(|claims| claims["aud"].as_array());
        match own {
            Some(own) => wanted.iter().filter(|one| own.iter().any(|own| own == *one)).cloned().collect(),
            // Tokens of other kinds have no audiences: they are the server's.
            None => wanted.iter().filter(|one| self.is_own_audience(one)).cloned().collect(),
        }
    }

    /// The claims of a token with our issuer and signature.
    fn verified(&self, token: &str) -> Option<Arc<Value>> {
        // The unverified issuer first: other tokens are not worth the arithmetic.
        if TokenVerifier::peek(token).ok()?["iss"] != *self.issuer {
            return None;
        }
        let mut key = [0; 32];
        key.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, token.as_bytes()).as_ref());
        let lock = || self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = lock().get(&key) {
            return Some(claims.clone());
        }
        let claims = Arc::new(self.verifier.verify(token).ok()?);
        let mut remembered = lock();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, claims.clone());
        Some(claims)
    }
}

#[cfg(test)]
mod tests;
