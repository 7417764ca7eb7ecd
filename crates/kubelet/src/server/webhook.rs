//! The API server decides for the kubelet's HTTPS API: who holds a token by TokenReview, who may do what by
//! SubjectAccessReview, remembered for upstream's times.

use super::authorize::{Caller, Delegation, RequestAttributes};
use client::Client;
use clock::SharedClock;
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// `authentication.webhook.cacheTTL`
const TOKEN_TTL: Duration = Duration::from_secs(120);
/// `authorization.webhook.cacheAuthorizedTTL`
const AUTHORIZED_TTL: Duration = Duration::from_secs(300);
/// `authorization.webhook.cacheUnauthorizedTTL`
const UNAUTHORIZED_TTL: Duration = Duration::from_secs(30);
/// Answers that are remembered at once: a node has few callers. At the bound all are forgotten, which costs a request each.
const REMEMBERED_MAX: usize = 1024;

/// Answers with the time, on the monotonic clock, at which they are to be forgotten.
#[derive(Debug)]
struct Remembered<K, V>(Mutex<HashMap<K, (V, Duration)>>);

impl<K: Hash + Eq, V: Clone> Remembered<K, V> {
    fn get(&self, key: &K, now: Duration) -> Option<V> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(key).filter(|(_, end)| *end > now).map(|(value, _)| value.clone())
    }

    fn put(&self, key: K, value: V, end: Duration) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= REMEMBERED_MAX {
            answers.clear();
        }
        answers.insert(key, (value, end));
    }
}

/// Upstream's webhook modes of authentication and authorization.
pub struct Webhook {
    client: Client,
    clock: SharedClock,
    node_name: String,
    /// By the token's digest: tokens themselves are not kept.
    callers: Remembered<[u8; 32], Caller>,
    decisions: Remembered<(Caller, RequestAttributes), bool>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("node_name", &self.node_name).finish_non_exhaustive()
    }
}

impl Webhook {
    /// Asks by `client`, the kubelet's own, about the node `node_name`.
    pub fn new(client: Client, clock: SharedClock, node_name: String) -> Self {
        let (callers, decisions) = (Remembered(Mutex::default()), Remembered(Mutex::default()));
        Self { client, clock, node_name, callers, decisions }
    }

    async fn review_token(&self, token: &str) -> Option<Caller> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let now = self.clock.monotonic();
        if let Some(caller) = self.callers.get(&digest, now) {
            return Some(caller);
        }
        let spec = TokenReviewSpec { token: token.to_owned(), audiences: None };
        let status = match self.client.create(&TokenReview { spec, ..TokenReview::default() }).await {
            Ok(review) => review.status?,
            Err(error) => {
                tracing::warn!(%error, "cannot review a token");
                return None;
            }
        };
        let user = status.user.filter(|_| status.authenticated == Some(true))?;
        let caller = Caller { name: user.username?, groups: user.groups.unwrap_or_default() };
        self.callers.put(digest, caller.clone(), now + TOKEN_TTL);
        Some(caller)
    }

    async fn review_access(&self, caller: &Caller, request: &RequestAttributes) -> bool {
        let key = (caller.clone(), request.clone());
        let now = self.clock.monotonic();
        if let Some(allowed) = self.decisions.get(&key, now) {
            return allowed;
        }
        let attributes = ResourceAttributes {
            verb: Some(request.verb.to_owned()),
            version: Some("v1".to_owned()),
            resource: Some("nodes".to_owned()),
            subresource: Some(request.subresource.to_owned()),
            name: Some(self.node_name.clone()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(caller.name.clone()),
            groups: Some(caller.groups.clone()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        match self.client.create(&SubjectAccessReview { spec, ..SubjectAccessReview::default() }).await {
            Ok(review) => {
                let allowed = review.status.is_some_and(|status| status.allowed);
                self.decisions.put(key, allowed, now + if allowed { AUTHORIZED_TTL } else { UNAUTHORIZED_TTL });
                allowed
            }
            Err(error) => {
                // not remembered: the next request may find the API server there
                tracing::warn!(%error, "cannot review access");
                false
            }
        }
    }
}

impl Delegation for Webhook {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<Caller>> {
        self.review_token(token).boxed()
    }

    fn authorize<'a>(&'a self, caller: &'a Caller, request: &'a RequestAttributes) -> BoxFuture<'a, bool> {
        self.review_access(caller, request).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_forgotten_in_time_and_never_too_many() {
        let answers = Remembered(Mutex::default());
        let seconds = Duration::from_secs;
        answers.put(0, true, seconds(10));
        assert_eq!((answers.get(&0, seconds(9)), answers.get(&0, seconds(10))), (Some(true), None));
        (1..=REMEMBERED_MAX).for_each(|key| answers.put(key, false, seconds(10)));
        assert!(answers.0.lock().unwrap().len() <= REMEMBERED_MAX);
        assert_eq!(answers.get(&REMEMBERED_MAX, seconds(0)), Some(false));
    }
}
