//! PodSecurity (KEP-2579): the pod security standard that a namespace's labels name is enforced for pods, and warned of
//! for pods and for whatever makes pods. Nothing is audited yet, since there is no audit log.

use super::{Plugin, forbidden, is, text};
use crate::SharedReader;
use crate::chain::{Attributes, Operation};
use api::field::{Error, Path};
use api::status::{Status, Subject};
use registry::pod_security::{Level, Standard, Version, violations};
use serde_json::Value;
use std::collections::BTreeMap;

const PREFIX: &str = "pod-security.kubernetes.io/";
/// Kinds that hold a template of pods, and where.
const TEMPLATES: [(&str, &str, &str); 8] = [
    ("", "podtemplates", "/template"),
    ("", "replicationcontrollers", "/spec/template"),
    ("apps", "replicasets", "/spec/template"),
    ("apps", "deployments", "/spec/template"),
    ("apps", "statefulsets", "/spec/template"),
    ("apps", "daemonsets", "/spec/template"),
    ("batch", "jobs", "/spec/template"),
    ("batch", "cronjobs", "/spec/jobTemplate/spec/template"),
];
/// Pods of a namespace that are looked at when its level rises; upstream's limit.
const MAX_PODS_CHECKED: usize = 3000;

pub(super) struct PodSecurity {
    reader: SharedReader,
}

/// What a label's value is taken for when it is wrong: the strictest, so that a typing error opens nothing.
const FALLBACK: Level = Level::Restricted;

/// The standard of a mode (`enforce`, `warn`), and what is wrong with its labels.
fn standard(labels: &Value, mode: &str, errors: &mut Vec<Error>) -> Standard {
    let path = |key: &str| Path::new("metadata").child("labels").key(key);
    let mut standard = Standard { level: Level::Privileged, version: Version::Latest };
    let key = format!("{PREFIX}{mode}");
    if let Some(value) = labels[&key].as_str() {
        standard.level = value.parse().unwrap_or_else(|why: String| {
            errors.push(Error::invalid(&path(&key), value, why));
            FALLBACK
        });
    }
    let key = format!("{PREFIX}{mode}-version");
    if let Some(value) = labels[&key].as_str() {
        standard.version = value.parse().unwrap_or_else(|why: String| {
            errors.push(Error::invalid(&path(&key), value, why));
            Version::Latest
        });
    }
    standard
}

/// What is wrong with all labels of a namespace.
fn label_errors(labels: &Value) -> Vec<Error> {
    let mut errors = Vec::new();
    for mode in ["enforce", "audit", "warn"] {
        standard(labels, mode, &mut errors);
    }
    errors
}

/// A change of a pod that cannot make it worse: metadata apart, only images, deadlines and tolerations can change.
fn is_insignificant(new: &Value, old: &Value) -> bool {
    let strip = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        if let Some(spec) = spec.as_object_mut() {
            for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates", "nodeSelector", "affinity"] {
                spec.remove(field);
            }
        }
        for list in ["containers", "initContainers"] {
            let containers = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
            containers.filter_map(Value::as_object_mut).for_each(|container| {
                container.remove("image");
            });
        }
        spec
    };
    let app_armor = |pod: &Value| -> BTreeMap<String, Value> {
        let annotations = pod["metadata"]["annotations"].as_object().into_iter().flatten();
        let known = annotations.filter(|(key, _)| key.starts_with("container.apparmor.security.beta.kubernetes.io/"));
        known.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    strip(new) == strip(old) && app_armor(new) == app_armor(old)
}

impl PodSecurity {
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }

    fn standard_of(&self, namespace: &str, mode: &str) -> Standard {
        let namespace = self.reader.get("", "namespaces", "", namespace);
        let labels = namespace.as_deref().map_or(&Value::Null, |namespace| &namespace["metadata"]["labels"]);
        standard(labels, mode, &mut Vec::new())
    }

    fn enforce(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let standard = self.standard_of(&attributes.namespace, "enforce");
        let pod = &attributes.object;
        match violations(standard, &pod["metadata"], &pod["spec"]) {
            Some(found) => Err(forbidden(attributes, &format!("violates PodSecurity \"{standard}\": {found}"))),
            None => Ok(()),
        }
    }

    fn warning(&self, attributes: &Attributes<'_>, template: &Value) -> Option<String> {
        let standard = self.standard_of(&attributes.namespace, "warn");
        let found = violations(standard, &template["metadata"], &template["spec"])?;
        Some(format!("would violate PodSecurity \"{standard}\": {found}"))
    }

    /// What of a namespace's pods a risen level would not let in again.
    fn warn_of_pods(&self, attributes: &mut Attributes<'_>, standard: Standard) {
        let namespace = super::name_of(attributes).to_owned();
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pod in self.reader.list("", "pods", Some(&namespace)).iter().take(MAX_PODS_CHECKED) {
            if let Some(why) = violations(standard, &pod["metadata"], &pod["spec"]) {
                found.entry(why).or_default().push(text(&pod["metadata"]["name"]).to_owned());
            }
        }
        if found.is_empty() {
            return;
        }
        attributes.warnings.push(format!(
            "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{standard}\""
        ));
        for (why, pods) in found {
            let others = match pods.len() {
                1 => String::new(),
                2 => " (and 1 other pod)".to_owned(),
                n => format!(" (and {} other pods)", n - 1),
            };
            attributes.warnings.push(format!("{}{others}: {why}", pods[0]));
        }
    }

    fn namespace(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        let (labels, before) = (&attributes.object["metadata"]["labels"], &attributes.old["metadata"]["labels"]);
        let errors = label_errors(labels);
        if !errors.is_empty() && (attributes.old.is_null() || label_errors(before).is_empty()) {
            let subject = Subject { group: "", resource: "Namespace", name: super::name_of(attributes) };
            return Err(Status::invalid(&subject, &errors));
        }
        if attributes.old.is_null() {
            return Ok(());
        }
        let (new, old) = (standard(labels, "enforce", &mut Vec::new()), standard(before, "enforce", &mut Vec::new()));
        if new != old && new.level >= old.level && new.level != Level::Privileged {
            self.warn_of_pods(attributes, new);
        }
        Ok(())
    }
}

impl Plugin for PodSecurity {
    /// Warnings are given here, where they can be: upstream gives them in validation.
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        if !matches!(attributes.operation, Operation::Create | Operation::Update) {
            return Ok(());
        }
        if is(attributes, "", "namespaces", "") {
            return self.namespace(attributes);
        }
        let is_pod = concerns_pod(attributes);
        // A pod that will be refused is not warned of.
        if is_pod && self.enforce(attributes).is_err() {
            return Ok(());
        }
        let found = TEMPLATES.iter().find(|(group, plural, _)| is(attributes, group, plural, ""));
        let template = found.and_then(|(_, _, pointer)| attributes.object.pointer(pointer));
        let template = template.or_else(|| is_pod.then_some(&attributes.object));
        let warning = template.and_then(|template| self.warning(attributes, template));
        attributes.warnings.extend(warning);
        Ok(())
    }

    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        if concerns_pod(attributes) { self.enforce(attributes) } else { Ok(()) }
    }
}

fn concerns_pod(attributes: &Attributes<'_>) -> bool {
    match attributes.operation {
        Operation::Create => is(attributes, "", "pods", ""),
        Operation::Update => {
            is(attributes, "", "pods", "ephemeralcontainers")
                || is(attributes, "", "pods", "") && !is_insignificant(&attributes.object, attributes.old)
        }
        Operation::Delete | Operation::Connect => false,
    }
}
