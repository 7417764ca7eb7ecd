//! Conversion strategy `None`: versions differ in their names and in what their schemas keep.

use crate::Conversion;
use api::schema::Schema;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Renames, and drops what the target's schema does not know.
#[derive(Debug)]
pub(super) struct ByName {
    pub(super) group: Box<str>,
    pub(super) served: Box<str>,
    pub(super) stored: Box<str>,
    /// The shape of each version.
    pub(super) shapes: Arc<BTreeMap<String, Arc<Schema>>>,
}

impl ByName {
    fn convert(&self, object: &mut Value, version: &str) {
        let Some(fields) = object.as_object_mut() else { return };
        fields.insert("apiVersion".to_owned(), format!("{}/{version}", self.group).into());
        if let Some(shape) = self.shapes.get(version) {
            // Metadata was checked when it was written; should it not fit, it stays as it is.
            let _ = api::codec::conform(object, shape);
        }
    }
}

impl Conversion for ByName {
    fn to_stored(&self, mut object: Value) -> Value {
        self.convert(&mut object, &self.stored);
        object
    }

    /// What was written before a default came into the schema is read with it.
    fn to_served(&self, mut object: Value) -> Value {
        let version = object["apiVersion"].as_str().and_then(|text| text.rsplit('/').next()).unwrap_or(&self.stored);
        if let Some(shape) = self.shapes.get(version) {
            api::codec::apply_defaults(&mut object, shape);
        }
        self.convert(&mut object, &self.served);
        object
    }
}
