//! Validation of pods and pod templates (`k8s.io/kubernetes/pkg/apis/core/validation`), by topic.
//!
//! [`validate_pod_spec`] walks the topics in upstream's order, since clients see the causes in that order. What not:
//! the generic metadata, which the API server validates before.

mod affinity;
mod annotations;
mod container;
mod dns;
mod env;
mod handler;
mod mount;
mod os;
mod pod_level;
mod probe;
mod requirements;
pub(super) mod resize;
mod scheduling;
mod security;
mod spread;
pub(super) mod status;
pub(super) mod subresource;
pub(super) mod update;
mod volume;
pub(crate) mod volume_source;
mod windows;

pub(crate) use affinity::validate_node_selector;
pub(crate) use handler::validate_port;
pub(crate) use requirements::{
    is_extended_resource, is_native_resource, is_overcommit_allowed, validate_container_resource_name,
    validate_overhead, validate_quantity, validate_resource_name,
};
pub(crate) use scheduling::{validate_taint_effect, validate_tolerations};
pub(crate) use volume::validate_template_metadata;

use crate::At;
use crate::labels::{validate_annotations, validate_labels};
use crate::names;
use api::field::ErrorList;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// What containers must know of the pod around them.
struct Context<'v> {
    /// The valid volumes by name.
    volumes: BTreeMap<&'v str, &'v Value>,
    /// Names in `spec.resourceClaims`.
    claims: BTreeSet<&'v str>,
    /// `spec.terminationGracePeriodSeconds`
    grace_period_seconds: Option<i64>,
    /// `spec.restartPolicy`
    restart_policy: &'v str,
    /// Whether the pod shares the host's user namespace.
    host_users: bool,
}

/// Whose spec is validated.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner<'a> {
    /// A pod of this name; the name may be empty before it is generated.
    Pod(&'a str),
    /// A template in another kind.
    Template,
}

impl Owner<'_> {
    fn is_pod(self) -> bool {
        matches!(self, Self::Pod(_))
    }
}

/// `ValidatePodCreate` without the generic metadata.
pub(super) fn validate_create(pod: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_metadata_and_spec(pod, &mut errors);
    let pod = At::root(pod);
    let spec = pod.at("spec");
    if !spec.at("ephemeralContainers").is_empty() {
        errors.push(spec.at("ephemeralContainers").forbidden("cannot be set on create"));
    }
    if !spec.at("nodeName").is_empty() && !spec.at("schedulingGates").is_empty() {
        errors.push(spec.at("nodeName").forbidden("cannot be set until all schedulingGates have been cleared"));
    }
    let metadata = pod.at("metadata");
    annotations::validate_against_fields(&metadata.at("annotations"), &spec, &mut errors);
    errors
}

/// What creation and every update check (`validatePodMetadataAndSpec`).
fn validate_metadata_and_spec(pod: &Value, errors: &mut ErrorList) {
    let pod = At::root(pod);
    let metadata = pod.at("metadata");
    let spec = pod.at("spec");
    annotations::validate_pod_specific(&metadata.at("annotations"), &spec, errors);
    validate_pod_spec(&spec, Owner::Pod(metadata.at("name").str()), errors);
    if spec.at("serviceAccountName").is_empty() {
        for volume in spec.at("volumes").items() {
            for source in volume.at("projected").at("sources").items() {
                let token = source.at("serviceAccountToken");
                if token.exists() {
                    errors.push(token.forbidden("must not be specified when serviceAccountName is not set"));
                }
            }
        }
    }
    for list in ["containers", "initContainers"] {
        spec.at(list).items().for_each(|container| container::validate_image_whitespace(&container, errors));
    }
}

/// `ValidatePodTemplateSpec`
pub(crate) fn validate_pod_template(template: &At, errors: &mut ErrorList) {
    validate_pod_template_with_claims(template, &[], errors);
}

/// The same of a template whose pods get a volume for each of these claims beside their own.
pub(crate) fn validate_pod_template_with_claims(template: &At, claims: &[&str], errors: &mut ErrorList) {
    let metadata = template.at("metadata");
    // Upstream leaves `metadata` out of these two paths.
    validate_labels(&metadata_field(template, &metadata, "labels"), errors);
    validate_annotations(&metadata_field(template, &metadata, "annotations"), errors);
    let spec = template.at("spec");
    annotations::validate_pod_specific(&metadata_field(template, &metadata, "annotations"), &spec, errors);
    validate_spec_with_claims(&spec, Owner::Template, claims, errors);
    annotations::validate_against_fields(&metadata.at("annotations"), &spec, errors);
    if !spec.at("ephemeralContainers").is_empty() {
        errors.push(spec.at("ephemeralContainers").forbidden("ephemeral containers not allowed in pod template"));
    }
}

/// A field of a template's metadata under the path of the template itself.
fn metadata_field<'q, 'v>(template: &'q At<'q, 'v>, metadata: &At<'_, 'v>, field: &'q str) -> At<'q, 'v> {
    template.elsewhere(field, metadata.at(field).value())
}

/// `ValidatePodSpec`
pub(crate) fn validate_pod_spec(spec: &At, owner: Owner<'_>, errors: &mut ErrorList) {
    validate_spec_with_claims(spec, owner, &[], errors);
}

/// What a claim of a stateful set is to the containers of its pods.
static CLAIM: LazyLock<Value> = LazyLock::new(|| json!({"persistentVolumeClaim": {}}));

fn validate_spec_with_claims(spec: &At, owner: Owner<'_>, claims: &[&str], errors: &mut ErrorList) {
    if !spec.at("terminationGracePeriodSeconds").exists() {
        errors.push(spec.at("terminationGracePeriodSeconds").required(""));
    }
    let volumes_at = spec.at("volumes");
    let claims_at = spec.at("resourceClaims");
    let mut volumes = volume::validate_volumes(&volumes_at, owner, errors);
    volumes.extend(claims.iter().map(|name| (*name, &*CLAIM)));
    let context = Context {
        volumes,
        claims: claims_at.items().map(|claim| claim.at("name").str()).filter(|name| !name.is_empty()).collect(),
        grace_period_seconds: spec.at("terminationGracePeriodSeconds").int(),
        restart_policy: spec.at("restartPolicy").str(),
        host_users: spec.at("hostUsers").value().and_then(Value::as_bool).unwrap_or(true),
    };
    requirements::validate_pod_claims(&claims_at, errors);
    container::validate_containers(&spec.at("containers"), &context, errors);
    container::validate_init_containers(spec, &context, errors);
    container::validate_ephemeral_containers(spec, &context, errors);
    pod_level::validate_pod_level(spec, &context, errors);
    validate_host_network_ports(spec, owner, errors);
    spec.at("restartPolicy").require_one_of(errors, &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    spec.at("dnsPolicy").require_one_of(errors, &policies);
    validate_labels(&spec.at("nodeSelector"), errors);
    security::validate_pod_security_context(spec, errors);
    affinity::validate_affinity(&spec.at("affinity"), errors);
    dns::validate_dns_config(spec, errors);
    for gate in spec.at("readinessGates").items() {
        gate.at("conditionType").check(errors, names::qualified_name);
    }
    scheduling::validate_scheduling_gates(&spec.at("schedulingGates"), errors);
    spread::validate_topology_spread(&spec.at("topologySpreadConstraints"), errors);
    windows::validate_host_process(spec, errors);
    validate_host_users(spec, errors);
    validate_names(spec, errors);
    os::validate_os(spec, errors);
}

/// The last part of `ValidatePodSpec`: single fields, most of them names.
fn validate_names(spec: &At, errors: &mut ErrorList) {
    let name = |field: &str, errors: &mut ErrorList| {
        let at = spec.at(field);
        if !at.is_empty() {
            at.check(errors, names::dns1123_subdomain);
        }
    };
    name("serviceAccountName", errors);
    name("nodeName", errors);
    let deadline = spec.at("activeDeadlineSeconds");
    if deadline.int().is_some_and(|seconds| !(1..=i64::from(i32::MAX)).contains(&seconds)) {
        errors.push(deadline.invalid(names::inclusive_range(1, i64::from(i32::MAX))));
    }
    dns::validate_hostname(spec, errors);
    validate_tolerations(&spec.at("tolerations"), errors);
    for alias in spec.at("hostAliases").items() {
        alias.at("ip").check_unless_kept(errors, names::ip);
        alias.at("hostnames").items().for_each(|hostname| hostname.check(errors, names::dns1123_subdomain));
    }
    name("priorityClassName", errors);
    if spec.at("runtimeClassName").exists() {
        spec.at("runtimeClassName").check(errors, names::dns1123_subdomain);
    }
    let preemption = spec.at("preemptionPolicy");
    if preemption.exists() {
        preemption.require_one_of(errors, &["PreemptLowerPriority", "Never"]);
    }
    requirements::validate_overhead(&spec.at("overhead"), errors);
}

/// `validatePodHostNetworkDeps`: in a template a host port may stay open, as the pod's defaults fill it in.
fn validate_host_network_ports(spec: &At, owner: Owner<'_>, errors: &mut ErrorList) {
    if !spec.at("hostNetwork").bool() {
        return;
    }
    for container in spec.at("containers").items() {
        for port in container.at("ports").items() {
            let host_at = port.at("hostPort");
            let host = host_at.int().unwrap_or(0);
            if (owner.is_pod() || host != 0) && host != port.at("containerPort").int().unwrap_or(0) {
                errors.push(host_at.invalid_value(host, "must match `containerPort` when `hostNetwork` is true"));
            }
        }
    }
}

/// `validateHostUsers`: a user namespace of its own excludes the host's other namespaces.
fn validate_host_users(spec: &At, errors: &mut ErrorList) {
    if spec.at("hostUsers").value().and_then(Value::as_bool) != Some(false) {
        return;
    }
    for (field, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        let at = spec.at_as(field, shown);
        if at.bool() {
            errors.push(at.forbidden("when `pod.Spec.HostUsers` is false"));
        }
    }
}
