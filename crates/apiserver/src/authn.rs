//! Authentication: client certificates, then bearer tokens (static, service account, bootstrap). The first that knows
//! the credentials decides; credentials that nobody knows are 401.
//!
//! What not: what a user may do. Impersonation, which needs that, is for the pipeline to call in between.

mod bearer;
mod bootstrap_token;
mod impersonation;
mod static_token;

pub use impersonation::Impersonation;
pub use static_token::{StaticTokenError, StaticTokens};

use crate::SharedReader;
use crate::chain::{Authenticated, Authenticator};
use crate::tokens::{Refused, ServiceAccountTokens};
use crate::user::{ALL_AUTHENTICATED, UserInfo};
use api::status::Status;
use clock::SharedClock;
use rustls_pki_types::CertificateDer;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// Where upstream keeps what identifies the credential itself.
pub(crate) const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// Client certificates whose users are remembered: parsing one takes longer than all else about a `GET`. Some 2 kB each.
const MAX_CERTIFICATES: usize = 1024;

/// All authenticators of the server.
pub struct Authenticators {
    /// Who shows a certificate is written in it and never changes, so it is read once.
    certificates: RwLock<HashMap<CertificateDer<'static>, Option<UserInfo>>>,
    reader: SharedReader,
    clock: SharedClock,
    static_tokens: StaticTokens,
    service_accounts: Arc<ServiceAccountTokens>,
}

impl Authenticators {
    /// The usual set.
    pub fn new(
        reader: SharedReader,
        clock: SharedClock,
        static_tokens: StaticTokens,
        service_accounts: Arc<ServiceAccountTokens>,
    ) -> Self {
        Self { certificates: RwLock::default(), reader, clock, static_tokens, service_accounts }
    }

    fn certificate_user(&self, certificate: &CertificateDer<'static>) -> Option<UserInfo> {
        let known = self.certificates.read().unwrap_or_else(PoisonError::into_inner).get(certificate).cloned();
        if let Some(user) = known {
            return user;
        }
        let user = certificate_user(certificate).map(authenticated);
        let mut certificates = self.certificates.write().unwrap_or_else(PoisonError::into_inner);
        if certificates.len() >= MAX_CERTIFICATES {
            certificates.clear(); // rare enough that who is in use comes back at once
        }
        certificates.insert(certificate.clone(), user.clone());
        user
    }

    /// Who holds a token, if it is good for one of the audiences (empty: for the server's own).
    ///
    /// # Errors
    /// Why nobody takes it.
    pub(crate) fn token_user(&self, token: &str, audiences: &[String]) -> Result<Authenticated, Refused> {
        // Tokens that know no audiences are good for the server alone.
        let ours = audiences.is_empty() || audiences.iter().any(|one| self.service_accounts.is_own_audience(one));
        let user = self.service_accounts.authenticate(token, audiences).or_else(|refused| {
            let fixed = ours.then(|| self.static_tokens.authenticate(token)).flatten();
            let bootstrap = || bootstrap_token::authenticate(&self.reader, &*self.clock, token);
            fixed.or_else(|| ours.then(bootstrap).flatten()).map(Authenticated::from).ok_or(refused)
        });
        user.map(|found| Authenticated { user: authenticated(found.user), ..found })
    }
}

impl Authenticator for Authenticators {
    fn authenticate(
        &self,
        headers: &http::HeaderMap,
        peer_certificates: &[CertificateDer<'static>],
    ) -> Result<Option<Authenticated>, Status> {
        // TLS has verified the chain; a certificate without a name is no credential.
        if let Some(user) = peer_certificates.first().and_then(|certificate| self.certificate_user(certificate)) {
            return Ok(Some(user.into()));
        }
        let Some(token) = bearer::token(headers) else {
            return Ok(None);
        };
        match self.token_user(&token, &[]) {
            Ok(user) => Ok(Some(user)),
            Err(_) => Err(Status::unauthorized()),
        }
    }

    fn authenticate_token(&self, token: &str, audiences: &[String]) -> Result<Option<UserInfo>, Status> {
        Ok(self.token_user(token, audiences).ok().map(|found| found.user))
    }
}

fn certificate_user(der: &CertificateDer<'static>) -> Option<UserInfo> {
    let peer = certs::peer_identity(der).ok().flatten()?;
    let extra = BTreeMap::from([(CREDENTIAL_ID.to_owned(), vec![peer.credential_id])]);
    Some(UserInfo { name: peer.name, uid: String::new(), groups: peer.groups, extra })
}

/// Upstream's `NewAuthenticatedGroupAdder`.
fn authenticated(mut user: UserInfo) -> UserInfo {
    if !user.in_group(ALL_AUTHENTICATED) {
        user.groups.push(ALL_AUTHENTICATED.to_owned());
    }
    user
}

/// Constant-time enough: digests are compared, so that timing tells nothing of the secret itself.
pub(crate) fn same_secret(one: &str, two: &str) -> bool {
    let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest(one).as_ref() == digest(two).as_ref()
}

#[cfg(test)]
mod tests;
