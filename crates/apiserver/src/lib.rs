//! The API server: one request pipeline and one watch cache for every resource.
//!
//! A request goes through `pipeline` (who, whether), then the generic path in `endpoints`, driven by the rows of
//! `registry::table()`; a change ends as one compare-and-swap in the store and comes back through the watch cache.
//! What not: no components, no knowledge of single kinds beyond the few subresources that have a life of their own.

mod admission;
mod authn;
mod authz;
pub mod body;
pub mod cache;
pub mod chain;
pub mod discovery;
pub mod openapi;
pub mod reader;
pub mod request;
pub mod security;
mod streaming;
mod tokens;
mod rows;
mod storage;
pub mod user;

pub use authn::{StaticTokenError, StaticTokens, impersonate};
pub use authz::forbidden;
pub use body::{Body, RequestBody};
pub use chain::{
    Admission, Attributes, Authenticator, Authorizer, Chain, ChainBuilder, Connector, Decision, Operation, Reviews,
};
pub use reader::{ObjectReader, SharedReader};
pub use rows::Rows;
pub use streaming::KubeletClient;
pub use tokens::{jwks, openid_configuration};
pub use request::{Query, RequestInfo};
pub use user::UserInfo;
