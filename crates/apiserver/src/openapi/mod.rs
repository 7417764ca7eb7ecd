//! The API's types and operations as OpenAPI: `/openapi/v3` with one document per group and version, and `/openapi/v2`
//! with everything in one.
//!
//! Printed from the rows and the schema table when somebody asks, and not kept: the documents are large and seldom
//! wanted (`kubectl explain`, and one look at the parameters before the first write of a kind). Their entity tags are
//! known without them. What not: whether a client may ask.

mod custom;
mod descriptions;
mod form;
mod operations;
mod parameters;
mod protobuf;
mod render;
mod schemas;

use crate::discovery::{Document, Groups, hash};
use form::Form;
use registry::Resource;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Version 2 (Swagger) or version 3 of OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    V2,
    V3,
}

/// What to answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// 404
    NotFound,
    /// 406: JSON is spoken here, and protobuf.
    NotAcceptable,
    /// 304 with this `ETag`.
    NotModified(String),
    /// 200
    Document(Document),
}

/// What one v3 document is about.
#[derive(Clone, Debug)]
enum Subject {
    /// A group and version: its rows.
    Rows(Vec<Arc<Resource>>),
    /// A path that answers with one well-known document: the operation's name and the answer's definition.
    Fixed(&'static str, &'static str),
    /// The same with a name that depends on the group.
    Group(String),
}

/// The OpenAPI documents of a server.
#[derive(Debug)]
pub struct OpenApi {
    /// By path without the leading slash: `api/v1`, `apis/apps`, `version`.
    subjects: BTreeMap<String, (String, Subject)>,
    index: Document,
    /// The hash that stands for the whole.
    hash: String,
    git_version: String,
}

/// Paths beside the resources: operation, definition of the answer.
const FIXED: &[(&str, &str, &str)] = &[
    (".well-known/openid-configuration", "getServiceAccountIssuerOpenIDConfiguration", "string"),
    ("api", "getCoreAPIVersions", "io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions"),
    ("apis", "getAPIVersions", "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList"),
    ("openid/v1/jwks", "getServiceAccountIssuerOpenIDKeyset", "string"),
    ("version", "getCodeVersion", "io.k8s.apimachinery.pkg.version.Info"),
];

impl OpenApi {
    /// The documents for `rows`; `git_version` (`v1.36.2`) is what they call their version.
    pub fn new(rows: &[Arc<Resource>], git_version: &str) -> Self {
        let groups = Groups::of(rows);
        let mut subjects = BTreeMap::new();
        for (path, operation, answer) in FIXED {
            subjects.insert((*path).to_owned(), Subject::Fixed(operation, answer));
        }
        for group in groups.iter() {
            if !group.name.is_empty() {
                subjects.insert(format!("apis/{}", group.name), Subject::Group(group.name.to_owned()));
            }
            for (version, of_version) in &group.versions {
                let base = if group.name.is_empty() { "api".to_owned() } else { format!("apis/{}", group.name) };
                let of_version = of_version.iter().map(|row| Arc::new((*row).clone())).collect();
                subjects.insert(format!("{base}/{version}"), Subject::Rows(of_version));
            }
        }
        // The documents are functions of the rows and of this program, so these stand for the bytes.
        let subjects: BTreeMap<String, (String, Subject)> = subjects
            .into_iter()
            .map(|(path, subject)| {
                let facts = format!("{}{git_version}{path}{}", env!("CARGO_PKG_VERSION"), facts_of(&subject));
                (path, (hash(facts.as_bytes()), subject))
            })
            .collect();
        let mut paths = Map::new();
        let mut all = String::new();
        for (path, (hash, _)) in &subjects {
            paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")}));
            all.push_str(hash);
        }
        let index = Document::new("text/plain; charset=utf-8", json!({"paths": paths}).to_string());
        Self { subjects, index, hash: hash(all.as_bytes()), git_version: git_version.to_owned() }
    }

    /// The answer to `GET path` below `/openapi`; empty headers are missing ones.
    pub fn respond(&self, path: &str, accept: &str, if_none_match: &str) -> Answer {
        match path.trim_matches('/') {
            "openapi/v2" => large(Dialect::V2, (accept, if_none_match), &self.hash, || self.v2()),
            "openapi/v3" => {
                if self.index.matches(if_none_match) {
                    return Answer::NotModified(self.index.etag.clone());
                }
                Answer::Document(self.index.clone())
            }
            path => {
                let subject = path.strip_prefix("openapi/v3/").and_then(|path| self.subjects.get_key_value(path));
                let Some((path, (hash, subject))) = subject else { return Answer::NotFound };
                large(Dialect::V3, (accept, if_none_match), hash, || self.v3(path, subject))
            }
        }
    }

    /// Where a v3 document is that a client asks for under the `hash` of another time.
    pub fn moved(&self, path: &str, accept: &str, asked: &str) -> Option<String> {
        let path = path.trim_matches('/').strip_prefix("openapi/v3/")?;
        let (hash, _) = self.subjects.get(path)?;
        let differs = !asked.is_empty() && asked != hash && Form::wanted(accept, Dialect::V3).is_some();
        differs.then(|| format!("/openapi/v3/{path}?hash={hash}"))
    }

    fn v3(&self, path: &str, subject: &Subject) -> Value {
        let mut printer = render::Renderer::new(Dialect::V3);
        printer.add(path, subject);
        let (paths, schemas) = printer.finish();
        json!({
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": self.git_version},
            "paths": paths,
            "components": {"schemas": schemas, "securitySchemes": security()},
        })
    }

    fn v2(&self) -> Value {
        let mut printer = render::Renderer::new(Dialect::V2);
        for (path, (_, subject)) in &self.subjects {
            printer.add(path, subject);
        }
        let (paths, definitions) = printer.finish();
        json!({
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": self.git_version},
            "paths": paths,
            "definitions": definitions,
            "parameters": {},
            "securityDefinitions": security(),
            "security": [{"BearerToken": []}],
        })
    }
}

/// A document in the form that is accepted, printed only when the client has not got it yet. Its tag is the same in every
/// form, which `Vary` allows.
fn large(dialect: Dialect, (accept, if_none_match): (&str, &str), hash: &str, print: impl FnOnce() -> Value) -> Answer {
    let Some(form) = Form::wanted(accept, dialect) else { return Answer::NotAcceptable };
    let content_type = match form {
        Form::Json => "application/json",
        Form::Protobuf => protobuf::names(dialect).1,
    };
    let empty = Document { content_type, etag: format!("\"{hash}\""), body: bytes::Bytes::new() };
    if empty.matches(if_none_match) {
        return Answer::NotModified(empty.etag);
    }
    let body = match form {
        Form::Json => print().to_string().into_bytes(),
        Form::Protobuf => protobuf::encode(&print(), dialect),
    };
    Answer::Document(Document { body: body.into(), ..empty })
}

fn security() -> Value {
    json!({"BearerToken": {
        "description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header",
    }})
}

/// What a document depends on, as text.
fn facts_of(subject: &Subject) -> String {
    let Subject::Rows(rows) = subject else { return String::new() };
    let facts = rows.iter().map(|row| {
        format!(
            "{}/{}/{}/{:?}/{:?}/{:?};",
            row.kind, row.plural, row.definition, row.scope, row.verbs, row.subresources
        ) + &row.custom.as_ref().map(|custom| custom.open_api.to_string()).unwrap_or_default()
    });
    facts.collect()
}

#[cfg(test)]
mod tests;
