//! Versions of a custom resource: what each keeps of an object, and conversion strategy `None`, which is no more than
//! that and another name.

use crate::Conversion;
use api::schema::Schema;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The versions of one definition.
#[derive(Debug)]
pub(super) struct Versions {
    pub(super) group: Box<str>,
    pub(super) stored: Box<str>,
    /// The shape of each version.
    pub(super) shapes: BTreeMap<String, Arc<Schema>>,
}

impl Versions {
    /// `example.com/v1`
    pub(super) fn api_version(&self, version: &str) -> String {
        format!("{}/{version}", self.group)
    }

    /// What was written before a default came into the schema of its version is read with it.
    pub(super) fn fill_in(&self, object: &mut Value) {
        let version = object["apiVersion"].as_str().and_then(|text| text.rsplit('/').next()).unwrap_or(&self.stored);
        if let Some(shape) = self.shapes.get(version) {
            api::codec::apply_defaults(object, shape);
        }
    }

    /// Gives an object the name of a version, and drops what that does not know.
    pub(super) fn rename(&self, object: &mut Value, version: &str) {
        let Some(fields) = object.as_object_mut() else { return };
        fields.insert("apiVersion".to_owned(), self.api_version(version).into());
        if let Some(shape) = self.shapes.get(version) {
            // Metadata was checked when it was written; should it not fit, it stays as it is.
            let _ = api::codec::conform(object, shape);
        }
    }
}

/// Strategy `None` for one served version.
#[derive(Debug)]
pub(super) struct ByName {
    pub(super) versions: Arc<Versions>,
    pub(super) served: Box<str>,
}

impl Conversion for ByName {
    fn to_stored(&self, mut object: Value) -> Value {
        self.versions.rename(&mut object, &self.versions.stored);
        object
    }

    fn to_served(&self, mut object: Value) -> Value {
        self.versions.fill_in(&mut object);
        self.versions.rename(&mut object, &self.served);
        object
    }
}
