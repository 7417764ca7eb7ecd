//! Which objects of a resource a list, watch or deletecollection is about: namespace, label selector, field selector.

use crate::cache::{Entry, Header, Interest, Snapshot};
use crate::conversion;
use crate::request::RequestInfo;
use crate::server::Api;
use api::selector::{FieldSelector, LabelSelector};
use api::status::Status;
use registry::Resource;
use serde_json::Value;
use std::sync::Arc;

/// A selection.
#[derive(Clone, Debug)]
pub struct Selection {
    /// `None`: all.
    pub namespace: Option<Box<str>>,
    labels: LabelSelector,
    fields: FieldSelector,
    /// Only this object: from the old `/watch/` paths.
    name: Option<Box<str>>,
    /// The row of kinds that are stored in another form, whose fields have other names.
    converted: Option<Arc<Resource>>,
}

impl Selection {
    /// Reads namespace and selectors of a request.
    ///
    /// # Errors
    /// 400 for what cannot be parsed or names a field that the kind cannot select by.
    pub fn of(info: &RequestInfo, row: &Arc<Resource>) -> Result<Self, Status> {
        let namespaced = row.scope == registry::Scope::Namespaced;
        let namespace = (!info.namespace.is_empty() && namespaced).then(|| info.namespace.as_str().into());
        let labels = LabelSelector::parse(info.query.get("labelSelector").unwrap_or_default())
            .map_err(|error| Status::bad_request(error.to_string()))?;
        let fields = FieldSelector::parse(info.query.get("fieldSelector").unwrap_or_default())
            .map_err(|error| Status::bad_request(error.to_string()))?;
        let known = row.strategy.selectable_fields(&Value::Null);
        for term in fields.terms() {
            let generic = term.field == "metadata.name" || (term.field == "metadata.namespace" && namespaced);
            if !generic && !known.iter().any(|(name, _)| *name == term.field) {
                return Err(Status::bad_request(unknown_field(&term.field, row)));
            }
        }
        let name: Option<Box<str>> =
            info.parts.get(1).filter(|_| info.verb == "watch").map(|name| name.as_str().into());
        if let Some(name) = &name {
            let exact = |term: &&api::selector::FieldTerm| term.field == "metadata.name" && !term.negated;
            let selected = fields.terms().iter().find(exact);
            if !fields.is_everything() && selected.is_none_or(|term| *term.value != **name) {
                return Err(Status::bad_request("fieldSelector metadata.name doesn't match requested name"));
            }
        }
        let shared = matches!(row.storage, registry::Storage::Shared { .. });
        let converted = (shared && !fields.is_everything()).then(|| row.clone());
        Ok(Self { namespace, labels, fields, name, converted })
    }

    /// Whether one object is meant by its name: upstream then reads just that, and there are no pages. Across namespaces a name
    /// is not enough for that.
    pub fn is_of_one_name(&self, row: &Resource) -> bool {
        let placed = self.namespace.is_some() || row.scope == registry::Scope::Cluster;
        placed && self.fields.terms().iter().any(|term| term.field == "metadata.name" && !term.negated)
    }

    /// Whether everything in the namespace is selected.
    pub fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// Has a webhook convert what [`Selection::selects`] looks into, where there is one.
    ///
    /// # Errors
    /// It did not.
    pub async fn prepare(&self, api: &Api, snapshot: &Snapshot) -> Result<(), Status> {
        let Some(row) = self.converted.as_ref().filter(|row| conversion::asks_webhook(row)) else { return Ok(()) };
        let concerned = snapshot.range(self.namespace.as_deref(), None);
        let concerned: Vec<Arc<Entry>> = concerned.filter(|entry| self.matches_header(entry)).cloned().collect();
        conversion::served_jsons(api, row, &concerned).await.map(drop)
    }

    /// The same for one entry.
    ///
    /// # Errors
    /// It did not.
    pub async fn prepare_one(&self, api: &Api, entry: &Entry) -> Result<(), Status> {
        match self.converted.as_ref().filter(|row| conversion::asks_webhook(row)) {
            Some(row) if self.matches_header(entry) => conversion::served_json(api, row, entry).await.map(drop),
            _ => Ok(()),
        }
    }

    /// Whether an entry is selected. Of rows whose versions a webhook converts it must have been prepared.
    pub fn selects(&self, entry: &Entry) -> bool {
        self.matches_header(entry) && self.matches_fields(entry)
    }

    fn matches_header(&self, entry: &Entry) -> bool {
        let header: &Header = &entry.header;
        self.namespace.as_ref().is_none_or(|namespace| **namespace == *header.namespace())
            && self.name.as_ref().is_none_or(|name| **name == *header.name())
            && self.labels.matches_by(|key| header.label(key))
    }

    fn matches_fields(&self, entry: &Entry) -> bool {
        let Some(row) = &self.converted else {
            return self.fields.matches_by(|field| entry.header.field(field));
        };
        let served = crate::endpoints::view::served_value(row, entry);
        let fields = row.strategy.selectable_fields(&served);
        self.fields.matches_by(|field| {
            let found = fields.iter().find(|(name, _)| *name == field).map(|(_, value)| value.as_str());
            found.or_else(|| entry.header.field(field))
        })
    }

    /// What the cache need not hand to a watch of this selection.
    pub fn interest(&self) -> Interest {
        let terms = if self.converted.is_some() { &[] } else { self.fields.terms() };
        let field = terms.iter().find(|term| !term.negated);
        Interest {
            namespace: self.namespace.clone(),
            field: field.map(|term| (term.field.as_str().into(), term.value.as_str().into())),
        }
    }
}

/// Upstream's words depend on whether the kind has a conversion function of its own for field labels.
fn unknown_field(field: &str, row: &Resource) -> String {
    if row.custom.is_none() && row.strategy.selectable_fields(&Value::Null).is_empty() {
        format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    } else {
        format!("field label not supported: {field}")
    }
}
