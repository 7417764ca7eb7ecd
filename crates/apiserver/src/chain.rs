//! The stages between a request and the generic path, as traits: authentication, authorization, admission.
//!
//! They are synchronous: all they may look at is in the request or in the watch cache. What not: their order, which is
//! the pipeline's; their rules, which stand in `authn`, `authz` and `admission`.

use crate::request::RequestInfo;
use crate::tokens::LegacyUses;
use crate::user::UserInfo;
use api::status::Status;
use registry::Resource;
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use std::sync::Arc;

/// Who was found.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Who.
    pub user: UserInfo,
    /// What to tell them of their credentials.
    pub warning: Option<&'static str>,
}

impl From<UserInfo> for Authenticated {
    fn from(user: UserInfo) -> Self {
        Self { user, warning: None }
    }
}

/// Finds out who asks.
pub trait Authenticator: Send + Sync {
    /// `Ok(None)`: no credentials that this authenticator knows; `Err`: credentials that are wrong (401).
    fn authenticate(
        &self,
        headers: &http::HeaderMap,
        peer_certificates: &[CertificateDer<'static>],
    ) -> Result<Option<Authenticated>, Status>;

    /// The same for a bare bearer token and the audiences it should be good for (empty: the server's own): what
    /// TokenReview asks. `Ok(None)`: no such token.
    fn authenticate_token(&self, token: &str, audiences: &[String]) -> Result<Option<UserInfo>, Status> {
        let _ = (token, audiences);
        Ok(None)
    }
}

/// What an authorizer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request may go on; why, for SubjectAccessReviews (may be empty).
    Allow(String),
    /// It may not, whatever other authorizers say.
    Deny(String),
    /// Let the next authorizer decide; why nothing was found (may be empty). At the end of the chain this refuses.
    NoOpinion(String),
}

/// Decides whether a user may.
pub trait Authorizer: Send + Sync {
    /// The decision for one request.
    fn authorize(&self, user: &UserInfo, request: &RequestInfo) -> Decision;

    /// All rules that apply to a user in a namespace, for SelfSubjectRulesReview: `(resourceRules, nonResourceRules)`
    /// in their wire form.
    fn rules_for(&self, user: &UserInfo, namespace: &str) -> (Vec<Value>, Vec<Value>) {
        let _ = (user, namespace);
        (Vec::new(), Vec::new())
    }
}

/// What admission is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new object, or a creating subresource (`binding`, `eviction`, `token`).
    Create,
    /// A change, by `PUT`, `PATCH` or apply; of the object or a subresource.
    Update,
    /// A deletion.
    Delete,
    /// `exec`, `attach`, `portforward`, `proxy`.
    Connect,
}

/// One question to admission.
pub struct Attributes<'a> {
    /// What is going to happen.
    pub operation: Operation,
    /// The request.
    pub request: &'a RequestInfo,
    /// The row of the resource.
    pub resource: &'a Resource,
    /// The subresource, empty for the object itself.
    pub subresource: &'a str,
    /// Who asks.
    pub user: &'a UserInfo,
    /// The name of the object as the client gave it: none where it is generated, which the object has later.
    pub name: String,
    /// Its namespace; empty for cluster scope.
    pub namespace: String,
    /// The new object (for `create` of a subresource: its body); `Null` for a deletion. Mutating admission may change it.
    pub object: Value,
    /// The stored object; `Null` for `create`.
    pub old: &'a Value,
    /// CreateOptions, UpdateOptions, PatchOptions or DeleteOptions as far as the client gave them.
    pub options: Value,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// `Warning` headers for the answer.
    pub warnings: Vec<String>,
}

/// A chain of admission plugins.
pub trait Admission: Send + Sync {
    /// May change the object, or refuse.
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status>;

    /// After all mutation, before the object's fields are looked at: what a kind's storage keeps from its writer.
    fn guard(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let _ = attributes;
        Ok(())
    }

    /// After validation: may only refuse.
    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let _ = attributes;
        Ok(())
    }
}

/// Serves the resources that are questions, not objects (TokenReview, SubjectAccessReview, …) and `serviceaccounts/token`.
/// The body has been decoded and conformed.
pub trait Reviews: Send + Sync {
    /// The answer to a `create` of such a resource, or why not. `None`: not a review that this knows.
    fn review(
        &self,
        user: &UserInfo,
        request: &RequestInfo,
        resource: &Resource,
        body: &Value,
    ) -> Option<Result<Value, Status>>;
}

/// Serves what is no object but a connection: `pods/log`, `exec`, `attach`, `portforward`, `proxy` of pods, services and
/// nodes. Called after authorization and Connect admission.
pub trait Connector: Send + Sync {
    /// The answer; for upgrades the request carries hyper's `OnUpgrade` in its extensions.
    fn connect(
        &self,
        request: http::Request<crate::body::RequestBody>,
        info: &RequestInfo,
        user: &UserInfo,
    ) -> futures::future::BoxFuture<'static, Result<http::Response<crate::body::Body>, Status>>;
}

/// A document that the chain has to show.
pub struct ChainDocument {
    /// Its path.
    pub path: &'static str,
    /// Its media type; a client that does not accept it gets 406.
    pub content_type: &'static str,
    /// Its content.
    pub body: Value,
}

/// All of the chain, as `security` builds it and [`crate::Config`] takes it.
pub struct Chain {
    /// Who.
    pub authenticator: Box<dyn Authenticator>,
    /// Whether.
    pub authorizer: Box<dyn Authorizer>,
    /// In what form.
    pub admission: Box<dyn Admission>,
    /// Questions.
    pub reviews: Box<dyn Reviews>,
    /// Connections.
    pub connector: Box<dyn Connector>,
    /// Uses of tokens that are still to be noted.
    pub legacy_uses: Arc<LegacyUses>,
    /// Documents of the chain's own: OpenID's discovery and key set.
    pub documents: Vec<ChainDocument>,
    /// Whether requests without credentials go on as `system:anonymous` (else 401).
    pub anonymous: bool,
}

/// Builds the chain once the watch cache is there.
pub type ChainBuilder = Box<dyn FnOnce(crate::reader::SharedReader) -> Chain + Send>;
