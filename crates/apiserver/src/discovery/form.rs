//! In which form a client reads discovery: JSON, YAML or protobuf, plain or aggregated
//! (`k8s.io/apiserver/pkg/endpoints/discovery/aggregated`).

use super::Document;
use crate::accept::{Media, clauses};
use bytes::Bytes;
use serde_json::Value;

/// What is taken from an `Accept` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) media: Media,
    pub(super) is_aggregated: bool,
}

/// The first acceptable form. Only v2 of the aggregated one is: upstream has dropped v2beta1.
pub(super) fn negotiate(accept: &str, has_aggregated: bool) -> Option<Form> {
    if accept.trim().is_empty() {
        return Some(Form { media: Media::Json, is_aggregated: false });
    }
    clauses(accept).iter().find_map(|clause| {
        let media = match clause.range {
            "application/json" | "application/*" | "*/*" => Media::Json,
            "application/yaml" => Media::Yaml,
            "application/vnd.kubernetes.protobuf" => Media::Protobuf,
            _ => return None,
        };
        match (clause.parameter("g"), clause.parameter("v"), clause.parameter("as")) {
            (_, _, None) => Some(Form { media, is_aggregated: false }),
            (Some("apidiscovery.k8s.io"), Some("v2"), Some("APIGroupDiscoveryList")) if has_aggregated => {
                Some(Form { media, is_aggregated: true })
            }
            _ => None,
        }
    })
}

/// A document, which is kept in JSON, in another form. `None`: it has no protobuf form.
pub(super) fn written(document: &Document, media: Media, is_aggregated: bool) -> Option<Document> {
    if media == Media::Json {
        return Some(document.clone());
    }
    let mut value: Value = serde_json::from_slice(&document.body).ok()?;
    let body: Bytes = match media {
        Media::Json => document.body.clone(),
        Media::Yaml => api::codec::encode_yaml(&value).into(),
        Media::Protobuf => {
            // Some have no version in JSON, but none is without in its envelope.
            value.as_object_mut()?.entry("apiVersion").or_insert_with(|| "v1".into());
            crate::protobuf::encode(&value)?.into()
        }
    };
    let content_type = match (media, is_aggregated) {
        (Media::Yaml, true) => "application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        (Media::Protobuf, true) => {
            "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        }
        _ => media.content_type(),
    };
    Some(Document { content_type, body, etag: document.etag.clone() })
}
