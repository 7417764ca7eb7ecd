//! Changes through `ephemeralcontainers`, and bindings.

use super::annotations::MIRROR;
use super::update::validate_annotations;
use crate::At;
use crate::diff::diff;
use api::field::{Error, ErrorList, Path};
use serde_json::Value;

/// `ValidatePodEphemeralContainersUpdate`
pub(crate) fn validate_ephemeral_containers(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    super::validate_metadata_and_spec(new, &mut errors);
    let (new, old) = (At::root(new), At::root(old));
    validate_annotations(&new, &old, &mut errors);
    if is_mirror(&old) {
        return whole("static pods do not support ephemeral containers");
    }
    let (new_spec, old_spec) = (new.at("spec"), old.at("spec"));
    let list = new_spec.at("ephemeralContainers");
    for before in old_spec.at("ephemeralContainers").items() {
        let name = before.at("name").str();
        match list.items().find(|c| c.at("name").str() == name) {
            None => errors.push(list.forbidden(format!("existing ephemeral containers {name:?} may not be removed\n"))),
            Some(now) if now.value() != before.value() => {
                let value = |at: &At| at.value().cloned().unwrap_or(Value::Null);
                let change = diff("io.k8s.api.core.v1.EphemeralContainer", &value(&before), &value(&now));
                errors.push(
                    list.forbidden(format!("existing ephemeral containers {name:?} may not be changed\n{change}")),
                );
            }
            Some(_) => {}
        }
    }
    errors
}

pub(super) fn is_mirror(pod: &At) -> bool {
    pod.at("metadata").at("annotations").key(MIRROR).exists()
}

/// What is wrong with the whole pod, under upstream's path of it; nothing else is said then.
pub(super) fn whole(why: &str) -> ErrorList {
    let mut error = Error::forbidden(&Path::new(""), why);
    error.field = "[]".to_owned();
    vec![error]
}

/// `ValidatePodBinding`
pub(crate) fn validate_binding(binding: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let binding = At::root(binding);
    let target = binding.at("target");
    if !matches!(target.at("kind").str(), "" | "Node") {
        errors.push(target.at("kind").not_supported(&["Node", "<empty>"]));
    }
    target.at("name").require(&mut errors);
    errors
}
