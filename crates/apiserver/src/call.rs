//! One request on its way through the generic path.

use crate::accept::Accept;
use crate::decode::FieldValidation;
use crate::endpoints::sisters::Sisters;
use crate::request::RequestInfo;
use crate::server::Api;
use crate::user::UserInfo;
use api::status::{Status, Subject};
use bytes::Bytes;
use http::HeaderMap;
use registry::Resource;
use std::sync::Arc;

/// What an endpoint works with.
pub struct Call<'a> {
    /// The server.
    pub api: &'a Arc<Api>,
    /// What is asked.
    pub info: &'a RequestInfo,
    /// By whom.
    pub user: &'a UserInfo,
    /// Of which resource.
    pub row: Arc<Resource>,
    /// How the answer should look.
    pub accept: Accept,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, read to its end.
    pub body: Bytes,
    /// `Warning` headers for the answer, also if it is an error.
    pub warnings: Vec<String>,
    /// The other versions of what is being changed, where they matter.
    pub sisters: Option<Arc<Sisters>>,
}

/// The media types of bodies, which may be written in any case.
const KNOWN_MEDIA: [&str; 7] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

impl Call<'_> {
    /// The body's media type, without parameters.
    pub fn content_type(&self) -> &str {
        let header =
            self.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (media, parameters) = header.split_once(';').unwrap_or((header, ""));
        // what Go's `mime.ParseMediaType` cannot read is no media type
        let readable = |parameter: &str| parameter.trim().is_empty() || parameter.contains('=');
        if !parameters.split(';').all(readable) {
            return header;
        }
        let media = media.trim();
        KNOWN_MEDIA.into_iter().find(|known| known.eq_ignore_ascii_case(media)).unwrap_or(media)
    }

    /// Whether nothing is to be stored.
    ///
    /// # Errors
    /// 400 for anything but `All`.
    pub fn dry_run(&self) -> bool {
        self.info.query.get("dryRun").is_some_and(|value| !value.is_empty())
    }

    /// How strictly unknown fields are taken.
    ///
    /// # Errors
    /// 422 for an unknown word.
    pub fn field_validation(&self) -> Result<FieldValidation, Status> {
        match self.info.query.get("fieldValidation").unwrap_or_default() {
            "Ignore" => Ok(FieldValidation::Ignore),
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Strict" => Ok(FieldValidation::Strict),
            _ => Ok(FieldValidation::Warn), // refused before, by options
        }
    }

    /// Who owns the fields that this request changes.
    pub fn manager(&self) -> String {
        match self.info.query.get("fieldManager") {
            Some(manager) if !manager.is_empty() => manager.to_owned(),
            _ => {
                let agent = self.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
                api::apply::manager_from_user_agent(agent.unwrap_or_default())
            }
        }
    }

    /// The time of the request, RFC 3339 with whole seconds.
    pub fn now(&self) -> String {
        api::time::format_seconds(self.api.clock.now())
    }

    /// The key of an object in cache and store.
    pub fn key(&self, name: &str) -> String {
        crate::cache::key(&self.info.namespace_for(&self.row), name)
    }

    /// What messages call the object.
    pub fn subject<'s>(&'s self, name: &'s str) -> Subject<'s> {
        Subject { group: &self.row.group, resource: &self.row.plural, name }
    }

    /// The same for `Invalid`, which names the kind.
    pub fn kind_subject<'s>(&'s self, name: &'s str) -> Subject<'s> {
        // Of kinds with two groups (events) it is that of the stored form.
        Subject { group: self.row.storage_prefix().0, resource: &self.row.kind, name }
    }

    /// 404 of the object.
    pub fn not_found(&self, name: &str) -> Status {
        Status::not_found(&self.subject(name))
    }
}

impl RequestInfo {
    /// The namespace of the object that the path names; empty for cluster scope (a namespace's own path names one too).
    pub fn namespace_for(&self, row: &Resource) -> String {
        if row.scope == registry::Scope::Namespaced { self.namespace.clone() } else { String::new() }
    }
}
