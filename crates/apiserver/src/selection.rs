//! Which objects of a resource a list, watch or deletecollection is about: namespace, label selector, field selector.

use crate::cache::{Entry, Header, Interest};
use crate::request::RequestInfo;
use api::selector::{FieldSelector, LabelSelector};
use api::status::Status;
use registry::Resource;
use serde_json::Value;

/// A selection.
#[derive(Clone, Debug)]
pub struct Selection {
    /// `None`: all.
    pub namespace: Option<Box<str>>,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    /// Reads namespace and selectors of a request.
    ///
    /// # Errors
    /// 400 for what cannot be parsed or names a field that the kind cannot select by.
    pub fn of(info: &RequestInfo, row: &Resource) -> Result<Self, Status> {
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
        Ok(Self { namespace, labels, fields })
    }

    /// Whether everything in the namespace is selected.
    pub fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// Whether an entry is selected.
    pub fn selects(&self, entry: &Entry) -> bool {
        let header: &Header = &entry.header;
        self.namespace.as_ref().is_none_or(|namespace| *namespace == header.namespace)
            && self.fields.matches_by(|field| header.field(field))
            && self.labels.matches_by(|key| header.label(key))
    }

    /// What the cache need not hand to a watch of this selection.
    pub fn interest(&self) -> Interest {
        let field = self.fields.terms().iter().find(|term| !term.negated);
        Interest {
            namespace: self.namespace.clone(),
            field: field.map(|term| (term.field.as_str().into(), term.value.as_str().into())),
        }
    }
}

/// Upstream's words depend on whether the kind has a conversion function of its own for field labels.
fn unknown_field(field: &str, row: &Resource) -> String {
    if row.strategy.selectable_fields(&Value::Null).is_empty() {
        format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    } else {
        format!("field label not supported: {field}")
    }
}
