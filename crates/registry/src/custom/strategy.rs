//! The strategy of custom resources: what their schema says.

use super::finalizers;
use super::rules::Rules;
use super::scale::ScalePaths;
use crate::{Strategy, Subresource, Update};
use api::field::{Error, ErrorList, ErrorType, Path};
use api::structural::{Node, validate, validate_embedded, validate_lists};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// One version of a custom resource.
#[derive(Debug)]
pub(super) struct CustomStrategy {
    node: Node,
    /// The part of the schema below `status`.
    status: Option<Node>,
    rules: Option<Rules>,
    has_status: bool,
    scale: Option<ScalePaths>,
    /// Name as field selectors have it, and the keys that lead there.
    selectable: Vec<(String, Vec<String>)>,
}

impl CustomStrategy {
    pub(super) fn new(node: Node, has_status: bool, scale: Option<ScalePaths>, selectable: Vec<String>) -> Self {
        let keys = |path: &str| path.split('.').map(str::to_owned).collect();
        let selectable = selectable.iter().map(|path| path.trim_start_matches('.'));
        Self {
            rules: Rules::compile(&node),
            status: node.properties.get("status").cloned(),
            selectable: selectable.map(|path| (path.to_owned(), keys(path))).collect(),
            node,
            has_status,
            scale,
        }
    }

    /// Whether items of lists are unique, and the rules, which run only on what has the right shape.
    fn finish(&self, object: &Value, old: Option<&Value>, mut errors: ErrorList) -> ErrorList {
        let lists = |object: &Value| validate_lists(&self.node, object, &Path::default());
        let repeats = lists(object);
        // Items that stood twice before may do so, wherever they are.
        if !repeats.is_empty() && old.is_none_or(|old| lists(old).is_empty()) {
            errors.extend(repeats);
        }
        let Some(rules) = &self.rules else { return errors };
        if errors.iter().any(blocks_rules) {
            let words = "some validation rules were not checked because the object was invalid; correct the existing errors \
                         to complete validation";
            errors.push(Error::invalid(&Path::default(), Value::Null, words));
        } else {
            errors.extend(rules.validate(&self.node, object, old, &Path::default()));
        }
        errors
    }
}

/// Whether rules could stumble over what is wrong (`hasBlockingErr`).
fn blocks_rules(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorType::NotSupported
            | ErrorType::Required
            | ErrorType::TooLong
            | ErrorType::TooMany
            | ErrorType::TypeInvalid
    )
}

impl Strategy for CustomStrategy {
    fn prepare_for_create(&self, object: &mut Value) {
        if self.has_status
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = validate(&self.node, object, None, &Path::default());
        if let Some(scale) = &self.scale {
            scale.validate_spec(object, &mut errors);
            scale.validate_status(object, &mut errors);
        }
        errors.extend(validate_embedded(&self.node, object, &Path::default()));
        self.finish(object, None, errors)
    }

    /// A status endpoint changes nothing but `status`; of metadata only `managedFields`, which says who did it.
    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        if subresource != Some(Subresource::Status) {
            return;
        }
        let managed = new["metadata"].get("managedFields").cloned();
        let mut metadata = old.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
        match managed {
            Some(managed) => drop(metadata.insert("managedFields".to_owned(), managed)),
            None => drop(metadata.remove("managedFields")),
        }
        if let Some(fields) = new.as_object_mut() {
            fields.insert("metadata".to_owned(), metadata.into());
        }
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        if update.subresource == Some(Subresource::Status) {
            if let (Some(node), Some(status)) = (&self.status, update.new.get("status")) {
                errors = validate(node, status, update.old.get("status"), &Path::new("status"));
            }
            if let Some(scale) = &self.scale {
                scale.validate_status(update.new, &mut errors);
            }
        } else {
            errors = validate(&self.node, update.new, Some(update.old), &Path::default());
            if let Some(scale) = &self.scale {
                scale.validate_spec(update.new, &mut errors);
                scale.validate_status(update.new, &mut errors);
            }
            errors.extend(validate_embedded(&self.node, update.new, &Path::default()));
        }
        self.finish(update.new, Some(update.old), errors)
    }

    fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        finalizers::warnings(new, old)
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        let value = |keys: &[String]| {
            let found = keys.iter().try_fold(object, |value, key| value.get(key));
            match found {
                Some(Value::String(text)) => text.clone(),
                None | Some(Value::Null) => String::new(),
                Some(other) => other.to_string(),
            }
        };
        self.selectable.iter().map(|(name, keys)| (name.clone().into(), value(keys))).collect()
    }

    /// Everything but metadata counts, and but `status` where that has an endpoint of its own.
    fn is_new_generation(&self, new: &Value, old: &Value) -> bool {
        let counted = |object: &Value| -> Map<String, Value> {
            let fields = object.as_object().into_iter().flatten();
            let counts = |name: &str| name != "metadata" && !(self.has_status && name == "status");
            fields.filter(|(name, _)| counts(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        counted(new) != counted(old)
    }
}
