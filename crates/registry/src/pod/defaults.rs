//! Defaults of pods and pod templates (`SetDefaults_*` of core/v1).
//!
//! What all workloads share is [`default_pod_spec`]; a pod of its own gets a little more in [`default_pod`].

use super::prepare::drop_disabled;
use super::volume_defaults::default_volume;
use crate::image_name::is_latest;
use crate::object::{child, child_or_new, children, default, default_int, default_str, str_at};
use crate::pod::resources;
use crate::quantity::Amount;
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// The three lists of containers of a pod.
pub(crate) const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Defaults of a Pod.
pub(super) fn default_pod(pod: &mut Value) {
    let Some(pod) = pod.as_object_mut() else { return };
    default_addresses(pod, "podIP", "podIPs");
    default_addresses(pod, "hostIP", "hostIPs");
    if let Some(status) = child(pod, "status") {
        round_reported(status);
    }
    let spec = child_or_new(pod, "spec");
    default_pod_spec(spec);
    for list in ["containers", "initContainers"] {
        children(spec, list).for_each(default_requests_from_limits);
    }
    resources::default_pod_level(spec);
    default(spec, "enableServiceLinks", true);
    if spec.get("hostNetwork").and_then(Value::as_bool).unwrap_or(false) {
        for list in ["containers", "initContainers"] {
            children(spec, list).for_each(default_host_ports);
        }
    }
}

/// `status.podIP` and `status.podIPs[0]` are one value; when they differ, the single one stands.
fn default_addresses(pod: &mut Object, single: &str, plural: &str) {
    let Some(status) = child(pod, "status") else { return };
    let first = status.get(plural).and_then(|list| list.get(0)).and_then(|entry| entry.get("ip")).cloned();
    let first = first.as_ref().and_then(Value::as_str).unwrap_or_default();
    let one = str_at(status, single);
    if one == first {
        return;
    }
    if one.is_empty() {
        let first = first.to_owned();
        status.insert(single.to_owned(), first.into());
    } else {
        let list = json!([{"ip": one}]);
        status.insert(plural.to_owned(), list);
    }
}

/// Defaults of a PodTemplateSpec, as deployments and their like hold it.
pub(crate) fn default_pod_template(template: &mut Object) {
    let spec = child_or_new(template, "spec");
    // Here, since every kind that has a template comes by.
    drop_disabled(spec);
    default_pod_spec(spec);
}

/// Defaults of a PodSpec wherever it stands.
pub(crate) fn default_pod_spec(spec: &mut Object) {
    children(spec, "volumes").for_each(default_volume);
    for list in CONTAINER_LISTS {
        children(spec, list).for_each(default_container);
    }
    default_str(spec, "dnsPolicy", "ClusterFirst");
    default_str(spec, "restartPolicy", "Always");
    default_str(spec, "schedulerName", "default-scheduler");
    default(spec, "securityContext", json!({}));
    default(spec, "terminationGracePeriodSeconds", 30);
    round_quantities(spec, "overhead");
    round_resources(spec);
    default_service_account(spec);
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are written.
fn default_service_account(spec: &mut Object) {
    let name = match str_at(spec, "serviceAccountName") {
        "" => str_at(spec, "serviceAccount"),
        name => name,
    };
    let name = name.to_owned();
    if !name.is_empty() && (str_at(spec, "serviceAccountName") != name || str_at(spec, "serviceAccount") != name) {
        spec.insert("serviceAccountName".to_owned(), name.clone().into());
        spec.insert("serviceAccount".to_owned(), name.into());
    }
}

fn default_container(container: &mut Object) {
    if str_at(container, "imagePullPolicy").is_empty() {
        let policy = default_pull_policy(str_at(container, "image"));
        container.insert("imagePullPolicy".to_owned(), policy.into());
    }
    default_str(container, "terminationMessagePath", "/dev/termination-log");
    default_str(container, "terminationMessagePolicy", "File");
    default(container, "resources", json!({}));
    for port in children(container, "ports") {
        default_str(port, "protocol", "TCP");
    }
    for variable in children(container, "env") {
        if let Some(source) = child(variable, "valueFrom") {
            default_downward(source);
            if let Some(file) = child(source, "fileKeyRef") {
                default(file, "optional", false);
            }
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = child(container, probe) {
            default_probe(probe);
        }
    }
    if let Some(lifecycle) = child(container, "lifecycle") {
        for handler in ["postStart", "preStop"] {
            if let Some(handler) = child(lifecycle, handler) {
                default_handler(handler);
            }
        }
    }
    round_resources(container);
}

/// Of a container, of a pod as a whole, and of what is reported of either.
fn round_resources(of: &mut Object) {
    if let Some(resources) = child(of, "resources") {
        round_quantities(resources, "limits");
        round_quantities(resources, "requests");
    }
}

/// What is reported of a pod's resources.
fn round_reported(status: &mut Object) {
    for list in ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"] {
        for container in children(status, list) {
            round_quantities(container, "allocatedResources");
            round_resources(container);
        }
    }
    round_quantities(status, "allocatedResources");
    round_resources(status);
}

/// `Always` for the tag `latest`, written or meant, else `IfNotPresent`.
pub(super) fn default_pull_policy(image: &str) -> &'static str {
    if is_latest(image) { "Always" } else { "IfNotPresent" }
}

/// `fieldRef.apiVersion` and `resourceFieldRef.divisor`, in environment variables and downward API files.
pub(super) fn default_downward(source: &mut Object) {
    if let Some(field) = child(source, "fieldRef") {
        default_str(field, "apiVersion", "v1");
    }
    if let Some(resource) = child(source, "resourceFieldRef") {
        default(resource, "divisor", "0");
    }
}

fn default_probe(probe: &mut Object) {
    default_int(probe, "timeoutSeconds", 1);
    default_int(probe, "periodSeconds", 10);
    default_int(probe, "successThreshold", 1);
    default_int(probe, "failureThreshold", 3);
    default_handler(probe);
    if let Some(grpc) = child(probe, "grpc") {
        default(grpc, "service", "");
    }
}

fn default_handler(handler: &mut Object) {
    if let Some(http) = child(handler, "httpGet") {
        default_str(http, "path", "/");
        default_str(http, "scheme", "HTTP");
    }
}

/// In a pod, limits without a request are the request.
fn default_requests_from_limits(container: &mut Object) {
    let Some(resources) = child(container, "resources") else {
        return;
    };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).filter(|l| !l.is_empty()) else {
        return;
    };
    let limits = limits.clone();
    let requests = child_or_new(resources, "requests");
    for (name, limit) in limits {
        requests.entry(name).or_insert(limit);
    }
}

/// On the host's network a port of the container is a port of the host.
fn default_host_ports(container: &mut Object) {
    for port in children(container, "ports") {
        let number = port.get("containerPort").and_then(Value::as_i64).unwrap_or(0);
        if number != 0 {
            default_int(port, "hostPort", number);
        }
    }
}

/// `SetDefaults_ResourceList`: what is finer than a thousandth is rounded up.
pub(crate) fn round_quantities(map: &mut Object, field: &str) {
    let Some(list) = child(map, field) else { return };
    for (_, quantity) in list.iter_mut() {
        // In canonical form only these suffixes stand for something finer.
        let Some(text) = quantity.as_str().filter(|text| text.ends_with(['n', 'u'])) else {
            continue;
        };
        let Some(milli) = Amount::parse(text).map(Amount::milli_value) else {
            continue;
        };
        *quantity = if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") }.into();
    }
}
