//! Kubernetes objects as data: schemas, codecs, quantities, selectors, patches, server-side apply, `Status`.
//!
//! Pure: no clock, no randomness, no I/O, no async. Objects are [`serde_json::Value`]s whose types stand in the schema
//! table ([`schema`]); typed values (`k8s_openapi`) are for the components. What not: nothing about single
//! kinds (that is `registry`), nothing about requests (that is `apiserver`).

pub mod apply;
pub mod codec;
pub mod duration;
pub mod field;
pub mod fieldset;
pub mod meta;
pub mod names;
pub mod objectmeta;
pub mod patch;
pub mod quantity;
pub mod schema;
pub mod selector;
pub mod status;
pub mod structural;
pub mod time;
