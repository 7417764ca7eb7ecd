//! APIServices: which group-versions there are, and who serves them. The server's own are registered at its start.

use crate::object::{WRITABLE_METADATA, child_or_new, default_int, keep_metadata_of_status, reset_status};
use crate::{At, Strategy, Subresource, Update, names};
use api::field::ErrorList;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const MAX_GROUP_PRIORITY: i64 = 20_000;
const MAX_VERSION_PRIORITY: i64 = 1000;
const CONDITION_STATUSES: [&str; 3] = ["True", "False", "Unknown"];
/// The label of those that the server registers itself.
const MANAGED_LABEL: &str = "kube-aggregator.kubernetes.io/automanaged";

/// The strategy of API services.
#[derive(Debug)]
pub(crate) struct ApiService;

impl Strategy for ApiService {
    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        keep_metadata_of_status(new, old, subresource, &WRITABLE_METADATA);
    }

    fn default(&self, object: &mut Value) {
        let Value::Object(service) = object else { return };
        if let Some(backend) = child_or_new(service, "spec").get_mut("service").and_then(Value::as_object_mut) {
            default_int(backend, "port", 443);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({}));
        if object["spec"]["service"].is_null() {
            object["status"] = available();
        }
    }

    /// What is local is there without anybody looking.
    fn stamp(&self, new: &mut Value, old: Option<&Value>, occasion: &crate::Occasion<'_>) {
        if old.is_none() && new["spec"]["service"].is_null() {
            new["status"]["conditions"][0]["lastTransitionTime"] = occasion.now.into();
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let root = At::root(object);
        let spec = root.at("spec");
        let (group, version, service) = (spec.at("group"), spec.at("version"), spec.at("service"));
        validate_own_name(&root, &mut errors);
        if group.is_empty() && version.str() != "v1" {
            errors.push(group.required("only v1 may have an empty group and it better be legacy kube"));
        }
        if !group.is_empty() {
            group.check(&mut errors, names::dns1123_subdomain);
        }
        version.check(&mut errors, names::dns1035_label);
        validate_priorities(&spec, &mut errors);
        let (insecure, bundle) = (spec.at("insecureSkipTLSVerify"), spec.at("caBundle"));
        if !service.exists() {
            if !bundle.is_empty() {
                let size = STANDARD.decode(bundle.str()).map_or(0, |bytes| bytes.len());
                errors.push(bundle.invalid_value(format!("{size} bytes"), "local APIServices may not have a caBundle"));
            }
            if insecure.bool() {
                errors.push(insecure.invalid("local APIServices may not have insecureSkipTLSVerify"));
            }
            return errors;
        }
        service.at("namespace").require(&mut errors);
        service.at("name").require(&mut errors);
        let port = service.at("port");
        let number = port.int().unwrap_or(0);
        let wrong = names::port_number(number);
        if !wrong.is_empty() {
            errors.push(port.invalid_value(number, format!("port is not valid: {}", wrong.join(", "))));
        }
        if insecure.bool() && !bundle.is_empty() {
            errors.push(insecure.invalid("may not be true if caBundle is present"));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource != Some(Subresource::Status) {
            return self.validate(update.new);
        }
        let mut errors = ErrorList::new();
        let root = At::root(update.new);
        for condition in root.at("status").at("conditions").items() {
            let status = condition.at("status");
            if !CONDITION_STATUSES.contains(&status.str()) {
                errors.push(status.not_supported(&CONDITION_STATUSES));
            }
        }
        errors
    }

    fn validate_name(&self, name: &str) -> Vec<String> {
        names::path_segment(name)
    }
}

/// The name says which group-version it is.
fn validate_own_name(service: &At, errors: &mut ErrorList) {
    let (spec, metadata) = (service.at("spec"), service.at("metadata"));
    let name = metadata.at("name");
    let wanted = format!("{}.{}", spec.at("version").str(), spec.at("group").str());
    if name.str() != wanted && names::path_segment(name.str()).is_empty() {
        let wanted = api::field::go_quote(&wanted);
        errors.push(name.invalid(format!("must be `spec.version+\".\"+spec.group`: {wanted}")));
    }
}

fn validate_priorities(spec: &At, errors: &mut ErrorList) {
    let priorities = [
        ("groupPriorityMinimum", MAX_GROUP_PRIORITY, "must be positive and less than 20000"),
        ("versionPriority", MAX_VERSION_PRIORITY, "must be positive and less than 1000"),
    ];
    for (field, most, why) in priorities {
        let priority = spec.at(field);
        let number = priority.int().unwrap_or(0);
        if number <= 0 || number > most {
            errors.push(priority.invalid_value(number, why));
        }
    }
}

fn available() -> Value {
    let condition = json!({"type": "Available", "status": "True", "reason": "Local",
        "message": "Local APIServices are always available"});
    json!({"conditions": [condition]})
}

/// Priorities of the built-in group-versions: of the group, then of the version in it.
const PRIORITIES: [(&str, &str, i64, i64); 22] = [
    ("", "v1", 18_000, 1),
    ("apps", "v1", 17_800, 15),
    ("events.k8s.io", "v1", 17_750, 15),
    ("authentication.k8s.io", "v1", 17_700, 15),
    ("authorization.k8s.io", "v1", 17_600, 15),
    ("autoscaling", "v1", 17_500, 15),
    ("autoscaling", "v2", 17_500, 30),
    ("batch", "v1", 17_400, 15),
    ("certificates.k8s.io", "v1", 17_300, 15),
    ("networking.k8s.io", "v1", 17_200, 15),
    ("policy", "v1", 17_100, 15),
    ("rbac.authorization.k8s.io", "v1", 17_000, 15),
    ("storage.k8s.io", "v1", 16_800, 15),
    ("apiextensions.k8s.io", "v1", 16_700, 15),
    ("admissionregistration.k8s.io", "v1", 16_700, 15),
    ("scheduling.k8s.io", "v1", 16_600, 15),
    ("coordination.k8s.io", "v1", 16_500, 15),
    ("node.k8s.io", "v1", 16_300, 15),
    ("discovery.k8s.io", "v1", 16_200, 15),
    ("resource.k8s.io", "v1", 16_200, 15),
    ("flowcontrol.apiserver.k8s.io", "v1", 16_100, 21),
    ("storagemigration.k8s.io", "v1", 16_000, 15),
];

/// The APIServices of some served group-versions: what the server registers of itself.
pub(crate) fn local_api_services(served: &[(&str, &str)]) -> Vec<Value> {
    let served = |group: &str, version: &str| served.contains(&(group, version));
    let rows = PRIORITIES.iter().filter(|(group, version, ..)| served(group, version));
    rows.map(|(group, version, group_priority, version_priority)| {
        let mut spec =
            json!({"version": version, "groupPriorityMinimum": group_priority, "versionPriority": version_priority});
        if !group.is_empty() {
            spec["group"] = (*group).into();
        }
        json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": format!("{version}.{group}"), "labels": {MANAGED_LABEL: "onstart"}},
            "spec": spec, "status": available(),
        })
    })
    .collect()
}
