//! The API server: one request pipeline and one watch cache for every resource.
//!
//! A request goes through `pipeline` (who, whether), then the generic path in `endpoints`, driven by the rows of
//! `registry::table()`; a change ends as one compare-and-swap in the store and comes back through the watch cache.
//! What not: no components, no knowledge of single kinds beyond the few subresources that have a life of their own.

mod accept;
mod admission;
mod aggregation;
mod answer;
mod authn;
mod authz;
pub mod body;
mod bootstrap;
pub mod cache;
mod call;
pub mod chain;
mod compress;
mod connect;
mod conversion;
mod deadline;
mod decode;
pub mod discovery;
mod documents;
mod dynamic;
mod endpoint_reconciler;
mod endpoints;
mod extensions;
mod legacy_token_tracking;
mod metadata;
mod metrics;
mod nonresource;
mod observe;
pub mod openapi;
mod owner_references;
mod pipeline;
mod pretty;
pub mod protobuf;
mod quota;
mod raw_text;
pub mod reader;
pub mod request;
mod rows;
pub mod security;
mod selection;
pub mod server;
mod services;
mod storage;
mod streaming;
mod tokens;
mod turns;
pub mod user;
mod warning_header;
mod webhook_client;

pub use aggregation::FrontProxy;
pub use authn::{StaticTokenError, StaticTokens};
pub use authz::forbidden;
pub use body::{Body, RequestBody};
pub use chain::{
    Admission, Attributes, Authenticated, Authenticator, Authorizer, Chain, ChainBuilder, Connector, Decision,
    Operation, Reviews,
};
pub use endpoints::watch::{Observation, Observed};
pub use reader::{ObjectReader, SharedReader};
pub use request::{Query, RequestInfo};
pub use rows::Rows;
pub use server::{Config, InProcess, Server, StartError};
pub use streaming::KubeletClient;
pub use tokens::{jwks, openid_configuration};
pub use user::UserInfo;
