//! What the kubelet asks of the API server, as a trait: tests answer it themselves, and a kubelet without an API server
//! has none.

use crate::pod::FullName;
use client::{Client, DeleteParams, Error, ObjectKey, PatchKind, Preconditions};
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use serde_json::Value;

/// The answer to a request.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// A token that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The signed token.
    pub token: String,
    /// When it ends.
    pub expires_at: jiff::Timestamp,
}

/// What a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenWish {
    /// Of the service account.
    pub namespace: String,
    /// Of the service account.
    pub service_account: String,
    /// Empty: the API server's own.
    pub audience: String,
    /// How long it is to be valid.
    pub expiration_seconds: i64,
    /// The pod that it is bound to.
    pub pod_name: String,
    /// The pod that it is bound to.
    pub pod_uid: String,
}

/// Requests about pods and what they need.
pub trait KubeletApi: Send + Sync + std::fmt::Debug + 'static {
    /// Reads a pod; `None` when there is none.
    fn get_pod<'a>(&'a self, name: &'a FullName) -> Answer<'a, Option<Pod>>;
    /// Creates a mirror pod.
    fn create_pod<'a>(&'a self, pod: &'a Pod) -> Answer<'a, Pod>;
    /// Sends a strategic merge patch of the status.
    fn patch_pod_status<'a>(&'a self, name: &'a FullName, patch: &'a Value) -> Answer<'a, Pod>;
    /// Removes a pod at once, if it still has this uid.
    fn delete_pod<'a>(&'a self, name: &'a FullName, uid: &'a str) -> Answer<'a, ()>;
    /// Reads a configMap; `None` when there is none.
    fn get_config_map<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, Option<ConfigMap>>;
    /// Reads a secret; `None` when there is none.
    fn get_secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, Option<Secret>>;
    /// Asks for a token.
    fn create_token<'a>(&'a self, wish: &'a TokenWish) -> Answer<'a, IssuedToken>;
}

impl KubeletApi for Client {
    fn get_pod<'a>(&'a self, name: &'a FullName) -> Answer<'a, Option<Pod>> {
        Box::pin(async move { self.get_opt(&key(name)).await })
    }

    fn create_pod<'a>(&'a self, pod: &'a Pod) -> Answer<'a, Pod> {
        Box::pin(self.create(pod))
    }

    fn patch_pod_status<'a>(&'a self, name: &'a FullName, patch: &'a Value) -> Answer<'a, Pod> {
        Box::pin(async move { self.patch_status(&key(name), PatchKind::Strategic, patch).await })
    }

    fn delete_pod<'a>(&'a self, name: &'a FullName, uid: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let params = DeleteParams {
                grace_period_seconds: Some(0),
                preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
                ..DeleteParams::default()
            };
            self.delete::<Pod>(&key(name), &params).await
        })
    }

    fn get_config_map<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, Option<ConfigMap>> {
        Box::pin(async move { self.get_opt(&ObjectKey::namespaced(namespace, name)).await })
    }

    fn get_secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, Option<Secret>> {
        Box::pin(async move { self.get_opt(&ObjectKey::namespaced(namespace, name)).await })
    }

    fn create_token<'a>(&'a self, wish: &'a TokenWish) -> Answer<'a, IssuedToken> {
        Box::pin(async move {
            let request = TokenRequest {
                spec: Some(TokenRequestSpec {
                    audiences: (!wish.audience.is_empty()).then(|| vec![wish.audience.clone()]),
                    expiration_seconds: Some(wish.expiration_seconds),
                    bound_object_ref: Some(BoundObjectReference {
                        api_version: Some("v1".to_owned()),
                        kind: Some("Pod".to_owned()),
                        name: Some(wish.pod_name.clone()),
                        uid: Some(wish.pod_uid.clone()),
                    }),
                }),
                ..TokenRequest::default()
            };
            let account = ObjectKey::namespaced(&wish.namespace, &wish.service_account);
            let answer: TokenRequest =
                self.create_subresource::<ServiceAccount, _>("token", &account, &request).await?;
            let status = answer.status.unwrap_or_default();
            let expires_at = status.expiration_timestamp.map(|time| time.0);
            match (status.token, expires_at) {
                (Some(token), Some(expires_at)) => Ok(IssuedToken { token, expires_at }),
                _ => Err(Error::Request("the answer to a TokenRequest holds no token".into())),
            }
        })
    }
}

fn key(name: &FullName) -> ObjectKey {
    ObjectKey::namespaced(&name.namespace, &name.name)
}
