//! PodSecurity (KEP-2579): the pod security standard that a namespace's labels name is enforced for pods, and warned of
//! for pods and for whatever makes pods. Nothing is audited yet, since there is no audit log.

use super::{Plugin, forbidden, is, text};
use crate::SharedReader;
use crate::chain::{Attributes, Operation};
use api::field::{Error, Path};
use api::status::{Status, Subject};
use registry::pod_security::{Level, Standard, Version, reasons, violations};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

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
/// Pods of a namespace that are looked at when its level rises; upstream's limit. They are checked in memory, far within
/// the second that upstream also grants.
const MAX_PODS_CHECKED: usize = 3000;

pub(super) struct PodSecurity {
    reader: SharedReader,
}

/// What a namespace's labels ask for.
struct Policy {
    enforce: Standard,
    warn: Standard,
    /// What is wrong with the labels, of every mode.
    errors: Vec<Error>,
}

/// The standard of a mode. What its labels say wrongly is taken for `fallback` of the newest version.
fn standard(labels: &Value, mode: &str, fallback: Level, errors: &mut Vec<Error>) -> Standard {
    let path = |key: &str| Path::new("metadata").child("labels").key(key);
    let mut standard = Standard { level: Level::Privileged, version: Version::Latest };
    let key = format!("{PREFIX}{mode}");
    if let Some(value) = labels[&key].as_str() {
        standard.level = value.parse().unwrap_or_else(|why: String| {
            errors.push(Error::invalid(&path(&key), value, why));
            fallback
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

impl Policy {
    /// A typing error opens nothing, so it enforces the strictest level; but nobody is warned because of one.
    fn of(labels: &Value) -> Self {
        let mut errors = Vec::new();
        if labels.as_object().is_none_or(|labels| !labels.keys().any(|key| key.starts_with(PREFIX))) {
            // as most namespaces say nothing, and each pod asks
            let nothing = Standard { level: Level::Privileged, version: Version::Latest };
            return Self { enforce: nothing, warn: nothing, errors };
        }
        let enforce = standard(labels, "enforce", Level::Restricted, &mut errors);
        let enforce_is_wrong = labels[format!("{PREFIX}enforce")].as_str().is_some_and(|l| l.parse::<Level>().is_err());
        standard(labels, "audit", Level::Privileged, &mut errors);
        let mut warn = standard(labels, "warn", Level::Privileged, &mut errors);
        // Makers of pods are warned of what their pods would meet.
        if labels[format!("{PREFIX}warn")].is_null() && !enforce_is_wrong && enforce.level > warn.level {
            warn.level = enforce.level;
            if labels[format!("{PREFIX}warn-version")].is_null() {
                warn.version = enforce.version;
            }
        }
        Self { enforce, warn, errors }
    }
}

/// Whether an update of a pod could make it worse. Of what may change in a pod that is images, and containers that are
/// added to it.
fn is_significant(new: &Value, old: &Value) -> bool {
    let images = |pod: &Value, member: &str| -> Vec<Value> {
        super::list(&pod["spec"][member]).map(|container| container["image"].clone()).collect()
    };
    if ["containers", "initContainers"].iter().any(|member| images(new, member) != images(old, member)) {
        return true;
    }
    super::list(&new["spec"]["ephemeralContainers"]).any(|container| {
        let mut before = super::list(&old["spec"]["ephemeralContainers"]);
        before.find(|old| old["name"] == container["name"]).is_none_or(|old| old["image"] != container["image"])
    })
}

/// The pods of a namespace, one of each controller first: those of one controller are much the same.
fn by_priority(pods: &[std::sync::Arc<Value>]) -> impl Iterator<Item = &Value> {
    let mut seen = HashSet::new();
    let (first, again): (Vec<&Value>, Vec<&Value>) = pods.iter().map(|pod| &**pod).partition(|pod| {
        let mut owners = super::list(&pod["metadata"]["ownerReferences"]);
        owners.find(|owner| owner["controller"] == true).is_none_or(|owner| seen.insert(text(&owner["uid"])))
    });
    first.into_iter().chain(again)
}

/// What of these pods the standard would not let in again.
fn warnings_of(pods: &[std::sync::Arc<Value>], namespace: &str, standard: Standard) -> Vec<String> {
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for pod in by_priority(pods).take(MAX_PODS_CHECKED) {
        if let Some(why) = reasons(standard, &pod["metadata"], &pod["spec"]) {
            found.entry(why).or_default().push(text(&pod["metadata"]["name"]));
        }
    }
    let mut warnings = Vec::new();
    if pods.len() > MAX_PODS_CHECKED {
        warnings.push(format!(
            "new PodSecurity enforce level only checked against the first {MAX_PODS_CHECKED} of {} existing pods",
            pods.len()
        ));
    }
    if !found.is_empty() {
        warnings.push(format!(
            "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{standard}\""
        ));
    }
    let mut of_pods: Vec<String> = found
        .iter()
        .map(|(why, pods)| {
            let first = pods.iter().min().copied().unwrap_or_default();
            match pods.len() {
                1 => format!("{first}: {why}"),
                2 => format!("{first} (and 1 other pod): {why}"),
                n => format!("{first} (and {} other pods): {why}", n - 1),
            }
        })
        .collect();
    of_pods.sort();
    warnings.extend(of_pods);
    warnings
}

impl PodSecurity {
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }

    fn policy_of(&self, namespace: &str) -> Policy {
        let namespace = self.reader.get("", "namespaces", "", namespace);
        Policy::of(namespace.as_deref().map_or(&Value::Null, |namespace| &namespace["metadata"]["labels"]))
    }

    fn enforce(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let standard = self.policy_of(&attributes.namespace).enforce;
        let pod = &attributes.object;
        match violations(standard, &pod["metadata"], &pod["spec"]) {
            Some(found) => Err(forbidden(attributes, &format!("violates PodSecurity \"{standard}\": {found}"))),
            None => Ok(()),
        }
    }

    fn warning(&self, attributes: &Attributes<'_>, template: &Value) -> Option<String> {
        let standard = self.policy_of(&attributes.namespace).warn;
        let found = violations(standard, &template["metadata"], &template["spec"])?;
        Some(format!("would violate PodSecurity \"{standard}\": {found}"))
    }

    fn namespace(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        let policy = Policy::of(&attributes.object["metadata"]["labels"]);
        let before = Policy::of(&attributes.old["metadata"]["labels"]);
        if !policy.errors.is_empty() && (attributes.old.is_null() || policy.errors != before.errors) {
            let subject = Subject { group: "", resource: "Namespace", name: super::name_of(attributes) };
            return Err(Status::invalid(&subject, &policy.errors));
        }
        let (new, old) = (policy.enforce, before.enforce);
        let relaxed = new.version == old.version && new.level <= old.level;
        if attributes.old.is_null() || relaxed || new.level == Level::Privileged {
            return Ok(());
        }
        let namespace = super::name_of(attributes);
        let warnings = warnings_of(&self.reader.list("", "pods", Some(namespace)), namespace, new);
        attributes.warnings.extend(warnings);
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
            let subresource = attributes.subresource;
            let concerned = matches!(subresource, "" | "ephemeralcontainers" | "resize");
            concerned && is(attributes, "", "pods", subresource) && is_significant(&attributes.object, attributes.old)
        }
        Operation::Delete | Operation::Connect => false,
    }
}

#[cfg(test)]
mod tests;
