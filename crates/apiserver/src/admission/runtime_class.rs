//! RuntimeClass: a pod gets the overhead and the node constraints of its runtime class
//! (`k8s.io/kubernetes/plugin/pkg/admission/runtimeclass`).

use super::{Plugin, forbidden, is, list, list_mut, text};
use crate::SharedReader;
use crate::chain::{Attributes, Operation};
use api::status::Status;
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) struct RuntimeClass {
    reader: SharedReader,
}

impl RuntimeClass {
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }

    /// The class that a new pod names; `None` when it names none.
    fn class_of(&self, attributes: &Attributes<'_>) -> Result<Option<Arc<Value>>, Status> {
        let name = text(&attributes.object["spec"]["runtimeClassName"]);
        if name.is_empty() {
            return Ok(None);
        }
        let class = self.reader.get("node.k8s.io", "runtimeclasses", "", name);
        let missing = || forbidden(attributes, &format!("pod rejected: RuntimeClass {name:?} not found"));
        class.map(Some).ok_or_else(missing)
    }
}

fn is_new_pod(attributes: &Attributes<'_>) -> bool {
    attributes.operation == Operation::Create && is(attributes, "", "pods", "")
}

/// `podFixed` of the class, if it has anything.
fn overhead(class: &Value) -> Option<&Value> {
    let fixed = class["overhead"].get("podFixed")?;
    fixed.as_object().is_some_and(|fixed| !fixed.is_empty()).then_some(fixed)
}

/// What the class asks of nodes joins what the pod asks; `Err`: they contradict.
fn add_node_selector(spec: &mut Map<String, Value>, wanted: &Value) -> Result<(), String> {
    let Some(wanted) = wanted.as_object().filter(|wanted| !wanted.is_empty()) else { return Ok(()) };
    let own = spec.entry("nodeSelector").or_insert_with(|| Value::Object(Map::new()));
    let Some(own) = own.as_object_mut() else { return Ok(()) };
    for (key, value) in wanted {
        match own.get(key) {
            Some(there) if there != value => {
                let (value, there) = (text(value), text(there));
                return Err(format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {there}"
                ));
            }
            Some(_) => {}
            None => drop(own.insert(key.clone(), value.clone())),
        }
    }
    Ok(())
}

impl Plugin for RuntimeClass {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        if !is_new_pod(attributes) {
            return Ok(());
        }
        let Some(class) = self.class_of(attributes)? else { return Ok(()) };
        if let Some(fixed) = overhead(&class) {
            let own = &attributes.object["spec"]["overhead"];
            if own.as_object().is_some_and(|own| !own.is_empty()) && own != fixed {
                let why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
                return Err(forbidden(attributes, why));
            }
            let spec = api::meta::child_mut(&mut attributes.object, "spec");
            spec.insert("overhead".to_owned(), fixed.clone());
        }
        let scheduling = &class["scheduling"];
        let spec = api::meta::child_mut(&mut attributes.object, "spec");
        if let Err(why) = add_node_selector(spec, &scheduling["nodeSelector"]) {
            return Err(forbidden(attributes, &why));
        }
        let missing: Vec<Value> = list(&scheduling["tolerations"])
            .filter(|wanted| spec.get("tolerations").is_none_or(|own| list(own).all(|one| one != *wanted)))
            .cloned()
            .collect();
        if !missing.is_empty() {
            list_mut(spec, "tolerations").extend(missing);
        }
        Ok(())
    }

    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        if !is_new_pod(attributes) {
            return Ok(());
        }
        let own = &attributes.object["spec"]["overhead"];
        let has_own = own.as_object().is_some_and(|own| !own.is_empty());
        let class = self.class_of(attributes)?;
        let fixed = class.as_deref().and_then(overhead);
        let why = match fixed {
            None if has_own => "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
            Some(fixed) if fixed != own => "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
            _ => return Ok(()),
        };
        Err(forbidden(attributes, why))
    }
}
