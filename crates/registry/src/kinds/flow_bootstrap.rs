//! The flow schemas and priority levels that every cluster has (`k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap`):
//! two of each are mandatory and cannot be changed in what matters, the others are suggestions that administrators may
//! change once they switch off `apf.kubernetes.io/autoupdate-spec`.

use crate::At;
use api::field::ErrorList;
use serde_json::{Value, json};

/// Objects of these names have the one spec.
const MANDATORY: [&str; 2] = ["exempt", "catch-all"];

/// Refuses another spec for a mandatory object.
pub(super) fn validate_mandatory(all: fn() -> Vec<Value>, definition: &str, object: &At, errors: &mut ErrorList) {
    let metadata = object.at("metadata");
    let name = metadata.at("name").str();
    if !MANDATORY.contains(&name) {
        return;
    }
    let fixed = all().into_iter().find(|one| one["metadata"]["name"] == name);
    let spec = object.at("spec");
    let mut own = spec.value().cloned().unwrap_or_default();
    let mut wanted = fixed.map(|fixed| fixed["spec"].clone()).unwrap_or_default();
    if name == "exempt" {
        // How much of its share the exempt level lends is the administrator's choice.
        for spec in [&mut own, &mut wanted] {
            if let Some(spec) = spec.as_object_mut() {
                spec.remove("exempt");
            }
        }
    }
    if own != wanted {
        errors.push(spec.invalid_struct(definition, format!("spec of '{name}' must equal the fixed value")));
    }
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": kind,
        "metadata": {"name": name, "generation": 1, "annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}},
        "spec": spec, "status": {},
    })
}

/// `MandatoryPriorityLevelConfigurations` and `SuggestedPriorityLevelConfigurations`.
pub(crate) fn priority_levels() -> Vec<Value> {
    let level = |name: &str, spec: Value| object("PriorityLevelConfiguration", name, spec);
    let queued = |name: &str, shares: i64, lendable: i64, (queues, hand): (i64, i64)| {
        let queuing = json!({"queues": queues, "handSize": hand, "queueLengthLimit": 50});
        let limited = json!({"nominalConcurrencyShares": shares, "lendablePercent": lendable,
            "limitResponse": {"type": "Queue", "queuing": queuing}});
        level(name, json!({"type": "Limited", "limited": limited}))
    };
    let rejecting = json!({"nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": {"type": "Reject"}});
    vec![
        level("exempt", json!({"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}})),
        level("catch-all", json!({"type": "Limited", "limited": rejecting})),
        queued("system", 30, 33, (64, 6)),
        queued("node-high", 40, 25, (64, 6)),
        queued("leader-election", 10, 0, (16, 4)),
        queued("workload-high", 40, 50, (128, 6)),
        queued("workload-low", 100, 90, (128, 6)),
        queued("global-default", 20, 50, (128, 6)),
    ]
}

fn groups(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"kind": "Group", "group": {"name": name}})).collect()
}

fn users(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"kind": "User", "user": {"name": name}})).collect()
}

fn system_accounts(names: &[&str]) -> Vec<Value> {
    let account =
        |name: &&str| json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}});
    names.iter().map(account).collect()
}

/// A rule about everything.
fn everything(subjects: Vec<Value>) -> Value {
    json!([{
        "subjects": subjects,
        "resourceRules": [resources(&["*"], &["*"], &["*"], true)],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }])
}

fn resources(verbs: &[&str], groups: &[&str], resources: &[&str], cluster: bool) -> Value {
    let mut rule = json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "namespaces": ["*"]});
    if cluster {
        rule["clusterScope"] = true.into();
    }
    rule
}

/// `MandatoryFlowSchemas` and `SuggestedFlowSchemas`.
pub(crate) fn flow_schemas() -> Vec<Value> {
    let schema = |name: &str, level: &str, precedence: i64, distinguisher: Option<&str>, rules: Value| {
        let mut spec =
            json!({"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence, "rules": rules});
        if let Some(distinguisher) = distinguisher {
            spec["distinguisherMethod"] = json!({"type": distinguisher});
        }
        object("FlowSchema", name, spec)
    };
    let (by_user, by_namespace) = (Some("ByUser"), Some("ByNamespace"));
    let everyone = || groups(&["system:unauthenticated", "system:authenticated"]);
    let lock = ["get", "create", "update"];
    let leases = resources(&lock, &["coordination.k8s.io"], &["leases"], false);
    let leaders = [users(&["system:kube-controller-manager", "system:kube-scheduler"]), system_accounts(&["*"])];
    let endpoints = [
        users(&["system:kube-controller-manager"]),
        system_accounts(&["endpoint-controller", "endpointslicemirroring-controller"]),
    ];
    let nodes = groups(&["system:nodes"]);
    let probes = json!([{"subjects": everyone(),
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]}]);
    let node_high = json!([{"subjects": nodes.clone(), "resourceRules": [
        resources(&["*"], &[""], &["nodes", "nodes/status"], true),
        resources(&["*"], &["coordination.k8s.io"], &["leases"], false)]}]);
    let workload_leaders = json!([{"subjects": system_accounts(&["*"]), "resourceRules": [
        resources(&lock, &[""], &["endpoints", "configmaps"], false), leases.clone()]}]);
    vec![
        schema("exempt", "exempt", 1, None, everything(groups(&["system:masters"]))),
        schema("catch-all", "catch-all", 10_000, by_user, everything(everyone())),
        schema("probes", "exempt", 2, None, probes),
        schema(
            "system-leader-election",
            "leader-election",
            100,
            by_user,
            json!([{"subjects": leaders.concat(), "resourceRules": [leases]}]),
        ),
        schema(
            "endpoint-controller",
            "workload-high",
            150,
            by_user,
            json!([{"subjects": endpoints.concat(),
                "resourceRules": [resources(&lock, &[""], &["endpoints"], false)]}]),
        ),
        schema("workload-leader-election", "leader-election", 200, by_user, workload_leaders),
        schema("system-node-high", "node-high", 400, by_user, node_high),
        schema("system-nodes", "system", 500, by_user, everything(nodes)),
        schema(
            "kube-controller-manager",
            "workload-high",
            800,
            by_namespace,
            everything(users(&["system:kube-controller-manager"])),
        ),
        schema("kube-scheduler", "workload-high", 800, by_namespace, everything(users(&["system:kube-scheduler"]))),
        schema("kube-system-service-accounts", "workload-high", 900, by_namespace, everything(system_accounts(&["*"]))),
        schema("service-accounts", "workload-low", 9000, by_user, everything(groups(&["system:serviceaccounts"]))),
        schema("global-default", "global-default", 9900, by_user, everything(everyone())),
    ]
}

#[cfg(test)]
mod tests {
    use crate::Strategy as _;

    #[test]
    fn what_every_cluster_has_is_valid() {
        for level in super::priority_levels() {
            assert_eq!(super::super::PriorityLevel.validate(&level), [], "{level}");
            let mut defaulted = level.clone();
            super::super::PriorityLevel.default(&mut defaulted);
            assert_eq!(defaulted, level);
        }
        for schema in super::flow_schemas() {
            assert_eq!(super::super::FlowSchema.validate(&schema), [], "{schema}");
        }
    }

    #[test]
    fn mandatory_ones_cannot_be_changed() {
        let mut all = super::flow_schemas();
        all[1]["spec"]["matchingPrecedence"] = 9999.into();
        let errors = super::super::FlowSchema.validate(&all[1]);
        assert_eq!(errors[0].detail, "spec of 'catch-all' must equal the fixed value");
    }
}
