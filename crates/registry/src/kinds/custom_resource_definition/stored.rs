//! `status.storedVersions`: in which versions objects may lie in the store.

use crate::object::child_or_new;
use api::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Notes the version that is stored from now on.
pub(super) fn remember(definition: &mut Value) {
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let stored = versions.clone().find(|version| version["storage"] == true);
    let Some(name) = stored.and_then(|version| version["name"].as_str()).map(str::to_owned) else { return };
    let Value::Object(map) = definition else { return };
    let list = child_or_new(map, "status").entry("storedVersions").or_insert(Value::Null);
    if !list.is_array() {
        *list = json!([]);
    }
    if let Value::Array(list) = list
        && !list.iter().any(|one| *one == *name)
    {
        list.push(name.into());
    }
}

/// `ValidateCustomResourceDefinitionStoredVersions`
pub(super) fn validate(definition: &Value, errors: &mut ErrorList) {
    let path = Path::new("status").child("storedVersions");
    let list = &definition["status"]["storedVersions"];
    let stored: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if stored.is_empty() {
        errors.push(Error::invalid(&path, Value::Null, "must have at least one stored version"));
        return;
    }
    let versions: Vec<&Value> = definition["spec"]["versions"].as_array().into_iter().flatten().collect();
    for version in &versions {
        let name = version["name"].as_str().unwrap_or_default();
        if version["storage"] == true && !stored.contains(&name) {
            errors.push(Error::invalid(&path, list.clone(), format!("must have the storage version {name}")));
        }
    }
    for (index, name) in stored.iter().enumerate() {
        if !versions.iter().any(|version| version["name"] == **name) {
            let words = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions \
                 until a storage migration ensures no data remains persisted in {name} and removes {name} from \
                 status.storedVersions"
            );
            errors.push(Error::invalid(&path.index(index), *name, words));
        }
    }
}
