//! The `scale` subresource of custom resources: which fields it reads and writes.

use super::go_type;
use api::field::{Error, ErrorList, Path};
use api::meta::ObjectMeta;
use serde_json::{Map, Value, json};

/// `subresources.scale` of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    /// `.spec.replicas`
    pub spec_replicas: String,
    /// `.status.replicas`
    pub status_replicas: String,
    /// `.status.selector`; empty when there is none.
    pub label_selector: String,
}

/// A field that has not the type that `scale` needs, in the words of upstream's accessors.
fn accessor_error(path: &str, value: &Value, wanted: &str) -> String {
    let go_type = go_type(value);
    format!("{path} accessor error: {} is of the type {go_type}, expected {wanted}", api::patch::go_text(value))
}

fn at<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    path.trim_start_matches('.').split('.').try_fold(object, |value, key| value.get(key))
}

impl ScalePaths {
    pub(super) fn of(scale: &Value) -> Self {
        let text = |field: &str| scale.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            spec_replicas: text("specReplicasPath"),
            status_replicas: text("statusReplicasPath"),
            label_selector: text("labelSelectorPath"),
        }
    }

    fn number(object: &Value, path: &str) -> Result<Option<i64>, String> {
        match at(object, path) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| accessor_error(path, value, "int64")),
        }
    }

    /// The fields on the way to the replicas.
    pub fn replicas(&self) -> impl Iterator<Item = &str> {
        self.spec_replicas.trim_start_matches('.').split('.')
    }

    /// Whether an object has replicas.
    pub fn is_set(&self, object: &Value) -> bool {
        at(object, &self.spec_replicas).is_some()
    }

    /// The `autoscaling/v1` Scale of an object.
    ///
    /// # Errors
    /// In upstream's words, when a field has the wrong type or the replicas are not set.
    pub fn read(&self, object: &Value) -> Result<Value, String> {
        let replicas = Self::number(object, &self.spec_replicas)?
            .ok_or_else(|| format!("the spec replicas field {:?} does not exist", self.spec_replicas))?;
        let observed = Self::number(object, &self.status_replicas)?.unwrap_or(0);
        let mut metadata = Map::new();
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            if let Some(value) = object.metadata().get(field) {
                metadata.insert(field.to_owned(), value.clone());
            }
        }
        let spec = if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) };
        let mut status = json!({"replicas": observed});
        let selector = at(object, &self.label_selector).filter(|_| !self.label_selector.is_empty());
        if let Some(selector) = selector.and_then(Value::as_str).filter(|selector| !selector.is_empty()) {
            status["selector"] = selector.into();
        }
        Ok(json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec,
            "status": status}))
    }

    /// Sets the replicas of an object.
    pub fn write(&self, object: &mut Value, replicas: i64) {
        let mut place = object;
        let keys: Vec<&str> = self.replicas().collect();
        let Some((last, above)) = keys.split_last() else { return };
        for key in above {
            let Value::Object(map) = place else { return };
            place = map.entry(*key).or_insert_with(|| json!({}));
        }
        if let Value::Object(map) = place {
            map.insert((*last).to_owned(), replicas.into());
        }
    }

    fn check_number(object: &Value, path: &str, errors: &mut ErrorList) {
        let at = Path::new(path);
        match Self::number(object, path) {
            Err(words) => errors.push(Error::invalid(&at, 0, words)),
            Ok(Some(n)) if n < 0 => errors.push(Error::invalid(&at, n, "should be a non-negative integer")),
            Ok(Some(n)) if n > i64::from(i32::MAX) => {
                errors.push(Error::invalid(&at, n, format!("should be less than or equal to {}", i32::MAX)));
            }
            Ok(_) => {}
        }
    }

    /// `ValidateScaleSpec`
    pub(super) fn validate_spec(&self, object: &Value, errors: &mut ErrorList) {
        Self::check_number(object, &self.spec_replicas, errors);
    }

    /// `ValidateScaleStatus`
    pub(super) fn validate_status(&self, object: &Value, errors: &mut ErrorList) {
        Self::check_number(object, &self.status_replicas, errors);
        if let Some(value) = at(object, &self.label_selector).filter(|_| !self.label_selector.is_empty())
            && !value.is_string()
        {
            let words = accessor_error(&self.label_selector, value, "string");
            errors.push(Error::invalid(&Path::new(&self.label_selector), "", words));
        }
    }
}
