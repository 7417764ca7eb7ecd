//! What admission changes and refuses, as data.

use super::*;
use crate::authz::fixture::Objects;
use crate::chain::Operation;
use crate::request::RequestInfo;
use crate::user::UserInfo;
use expect_test::{Expect, expect};
use registry::Resource;
use serde_json::json;

fn objects() -> Vec<Value> {
    let meta = |name: &str| json!({"namespace": "a", "name": name});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "status": {"phase": "Active"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-node-lease"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}, "status": {"phase": "Terminating"}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("default"), "imagePullSecrets": [{"name": "reg"}]}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("quiet"), "automountServiceAccountToken": false}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "a", "name": "strict",
            "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
            "secrets": [{"name": "own"}], "imagePullSecrets": [{"name": "pull"}]}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "u1"}}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "zoned", "labels": {"a": "b",
            "topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r"}}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "a", "name": "theirs", "uid": "p2"}, "spec": {"nodeName": "n2"}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "a", "name": "mine", "uid": "p1"}, "spec": {"nodeName": "n1",
            "volumes": [{"projected": {"sources": [{"serviceAccountToken": {"audience": "vault"}}]}}]}}),
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"}),
    ]
}

struct Case<'a> {
    user: UserInfo,
    operation: Operation,
    plural: &'a str,
    subresource: &'a str,
    namespace: &'a str,
    name: &'a str,
    object: Value,
    old: Value,
}

fn row(plural: &str) -> &'static Resource {
    let groups = [
        ("", "v1"),
        ("certificates.k8s.io", "v1"),
        ("coordination.k8s.io", "v1"),
        ("rbac.authorization.k8s.io", "v1"),
        ("resource.k8s.io", "v1"),
        ("scheduling.k8s.io", "v1"),
    ];
    groups.iter().find_map(|(group, version)| registry::find(group, version, plural)).unwrap()
}

impl Case<'_> {
    fn run(self) -> Result<Value, Status> {
        let reader = Objects::new(objects()).reader();
        let chain = AdmissionChain::standard(reader.clone(), Arc::new(Rbac::new(reader)));
        let mut attributes = Attributes {
            operation: self.operation,
            request: &RequestInfo::default(),
            resource: row(self.plural),
            subresource: self.subresource,
            user: &self.user,
            name: self.name.to_owned(),
            namespace: self.namespace.to_owned(),
            object: self.object,
            old: &self.old,
            options: Value::Null,
            dry_run: false,
            warnings: Vec::new(),
        };
        chain.admit(&mut attributes)?;
        chain.guard(&attributes)?;
        chain.validate(&attributes)?;
        Ok(attributes.object)
    }

    fn refused(self, want: Expect) {
        want.assert_eq(
            &self.run().map_or_else(|status| format!("{} {}", status.code, status.message), |_| "fine".to_owned()),
        );
    }
}

fn admin(plural: &'static str, namespace: &'static str, object: Value) -> Case<'static> {
    let user = UserInfo::new("admin", &["system:masters"]);
    let (operation, subresource, name) = (Operation::Create, "", "");
    Case { user, operation, plural, subresource, namespace, name, object, old: Value::Null }
}

fn node(plural: &'static str, subresource: &'static str, object: Value) -> Case<'static> {
    let user = UserInfo::new("system:node:n1", &["system:nodes"]);
    Case { user, subresource, ..admin(plural, if plural == "nodes" { "" } else { "a" }, object) }
}

fn pod(spec: Value) -> Value {
    json!({"metadata": {"name": "p"}, "spec": spec})
}

/// With the random suffix made steady.
fn admitted(spec: Value) -> String {
    let object = admin("pods", "a", pod(spec)).run().unwrap();
    let text = object["spec"].to_string();
    match text.find("kube-api-access-") {
        None => text,
        Some(at) => text.replace(&text[at..at + "kube-api-access-".len() + 5], "TOKEN"),
    }
}

#[test]
fn pods_get_account_token_priority_and_tolerations() {
    expect![[r#"{"containers":[{"name":"c","volumeMounts":[{"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","name":"TOKEN","readOnly":true}]}],"imagePullSecrets":[{"name":"reg"}],"preemptionPolicy":"PreemptLowerPriority","priority":0,"serviceAccount":"default","serviceAccountName":"default","tolerations":[{"effect":"NoExecute","key":"node.kubernetes.io/not-ready","operator":"Exists","tolerationSeconds":300},{"effect":"NoExecute","key":"node.kubernetes.io/unreachable","operator":"Exists","tolerationSeconds":300}],"volumes":[{"name":"TOKEN","projected":{"defaultMode":420,"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"items":[{"key":"ca.crt","path":"ca.crt"}],"name":"kube-root-ca.crt"}},{"downwardAPI":{"items":[{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"},"path":"namespace"}]}}]}}]}"#]]
    .assert_eq(&admitted(json!({"containers": [{"name": "c"}]})));
    // Everything said already: nothing is added.
    expect![[r#"{"containers":[{"name":"c"}],"imagePullSecrets":[{"name":"own"}],"preemptionPolicy":"Never","priority":1000,"priorityClassName":"high","serviceAccount":"quiet","serviceAccountName":"quiet","tolerations":[{"operator":"Exists"}]}"#]]
    .assert_eq(&admitted(json!({
        "containers": [{"name": "c"}], "serviceAccount": "quiet", "imagePullSecrets": [{"name": "own"}],
        "priorityClassName": "high", "tolerations": [{"operator": "Exists"}],
    })));
    let taken = json!([{"name": "x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]);
    let text = admitted(json!({"containers": [{"name": "c", "volumeMounts": taken}]}));
    assert!(!text.contains("TOKEN"), "{text}");
    let opted_in =
        admitted(json!({"containers": [{}], "serviceAccountName": "quiet", "automountServiceAccountToken": true}));
    assert!(opted_in.contains("TOKEN"));
}

#[test]
fn pods_refused() {
    admin("pods", "a", pod(json!({"serviceAccountName": "nobody"}))).refused(expect![[
        r#"403 pods "p" is forbidden: error looking up service account a/nobody: serviceaccount "nobody" not found"#
    ]]);
    admin("pods", "a", pod(json!({"priorityClassName": "absent"})))
        .refused(expect![[r#"403 pods "p" is forbidden: no PriorityClass with name absent was found"#]]);
    admin("pods", "a", pod(json!({"priorityClassName": "high", "priority": 5}))).refused(expect![[r#"403 pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 1000 from the given PriorityClass name"#]]);
    admin("pods", "none", pod(json!({}))).refused(expect![[r#"404 namespaces "none" not found"#]]);
    admin("configmaps", "going", pod(json!({}))).refused(expect![[r#"403 configmaps "p" is forbidden: unable to create new content in namespace going because it is being terminated"#]]);
    let delete = |name| Case { operation: Operation::Delete, name, ..admin("namespaces", "", Value::Null) };
    delete("default").refused(expect![[r#"403 namespaces "default" is forbidden: this namespace may not be deleted"#]]);
    delete("a").refused(expect!["fine"]);
}

fn mirror(spec: Value, owners: Value) -> Value {
    json!({"metadata": {"name": "m", "annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": owners}, "spec": spec})
}

#[test]
fn mirror_pods() {
    let none = || json!(null);
    admin("pods", "a", mirror(json!({"nodeName": "n1"}), none())).refused(expect!["fine"]);
    admin("pods", "a", mirror(json!({"serviceAccountName": "default"}), none()))
        .refused(expect![[r#"403 pods "m" is forbidden: a mirror pod may not reference service accounts"#]]);
    admin("pods", "a", mirror(json!({"volumes": [{"secret": {"secretName": "s"}}]}), none()))
        .refused(expect![[r#"403 pods "m" is forbidden: a mirror pod may not reference secrets"#]]);
    admin("pods", "a", mirror(json!({"volumes": [{"projected": {"sources": [{"serviceAccountToken": {}}]}}]}), none()))
        .refused(expect![[
            r#"403 pods "m" is forbidden: a mirror pod may not use ServiceAccountToken volume projections"#
        ]]);
    let own = || json!([{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u1", "controller": true}]);
    node("pods", "", mirror(json!({"nodeName": "n1"}), own())).refused(expect!["fine"]);
    node("pods", "", mirror(json!({"nodeName": "n1"}), none())).refused(expect![[
        r#"403 pods "m" is forbidden: node "n1" can only create pods with an owner reference set to itself"#
    ]]);
    node("pods", "", mirror(json!({"nodeName": "n2"}), own())).refused(expect![[
        r#"403 pods "m" is forbidden: node "n1" can only create pods with spec.nodeName set to itself"#
    ]]);
    let stale = json!([{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u0", "controller": true}]);
    node("pods", "", mirror(json!({"nodeName": "n1"}), stale))
        .refused(expect![[r#"403 pods "m" is forbidden: node n1 UID mismatch: expected u1 got u0"#]]);
    node("pods", "", pod(json!({"nodeName": "n1"}))).refused(expect![[r#"403 pods "p" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods"#]]);
}

fn labelled(labels: Value) -> Value {
    json!({"metadata": {"name": "n1", "labels": labels}})
}

#[test]
fn nodes() {
    let taints = node("nodes", "", labelled(json!({}))).run().unwrap()["spec"]["taints"].to_string();
    expect![[r#"[{"effect":"NoSchedule","key":"node.kubernetes.io/not-ready"}]"#]].assert_eq(&taints);
    let good = json!({"kubernetes.io/hostname": "n1", "beta.kubernetes.io/os": "linux", "node.kubernetes.io/x": "", "mine": "a"});
    node("nodes", "", labelled(good)).refused(expect!["fine"]);
    node("nodes", "", labelled(json!({"node-restriction.kubernetes.io/x": "y", "a.k8s.io/b": ""}))).refused(expect![[r#"403 nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: a.k8s.io/b, node-restriction.kubernetes.io/x"#]]);
    node("nodes", "", json!({"metadata": {"name": "n2"}}))
        .refused(expect![[r#"403 nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2""#]]);
    let update = |object, old| Case { operation: Operation::Update, old, ..node("nodes", "", object) };
    update(labelled(json!({"a": "b"})), labelled(json!({}))).refused(expect!["fine"]);
    update(labelled(json!({})), labelled(json!({"node-role.kubernetes.io/worker": ""}))).refused(expect![[
        r#"403 nodes "n1" is forbidden: is not allowed to modify labels: node-role.kubernetes.io/worker"#
    ]]);
    let tainted = json!({"metadata": {"name": "n1"}, "spec": {"taints": [{"key": "a"}]}});
    update(tainted, labelled(json!({})))
        .refused(expect![[r#"403 nodes "n1" is forbidden: node "n1" is not allowed to modify taints"#]]);
}

#[test]
fn what_nodes_do_to_pods_leases_and_tokens() {
    let theirs = json!({"metadata": {"name": "theirs"}, "spec": {"nodeName": "n2"}});
    let status = Case { operation: Operation::Update, old: theirs.clone(), ..node("pods", "status", theirs) };
    status.refused(expect![[r#"403 pods "theirs" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself"#]]);
    let delete = |name| Case { operation: Operation::Delete, name, ..node("pods", "", Value::Null) };
    delete("theirs").refused(expect![[
        r#"403 pods "theirs" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself"#
    ]]);
    delete("mine").refused(expect!["fine"]);
    let token = |reference: Value, audiences: Value| Case {
        name: "default",
        ..node("serviceaccounts", "token", json!({"spec": {"boundObjectRef": reference, "audiences": audiences}}))
    };
    let bound = |name: &str, uid: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid});
    token(bound("mine", "p1"), json!(["vault"])).refused(expect!["fine"]);
    token(json!(null), json!([]))
        .refused(expect![[r#"403 serviceaccounts "default" is forbidden: node requested token not bound to a pod"#]]);
    token(bound("mine", ""), json!([])).refused(expect![[
        r#"403 serviceaccounts "default" is forbidden: node requested token with a pod binding without a uid"#
    ]]);
    token(bound("theirs", "p2"), json!([])).refused(expect![[r#"403 serviceaccounts "default" is forbidden: node requested token bound to a pod scheduled on a different node"#]]);
    token(bound("mine", "p1"), json!([])).refused(expect![[r#"403 serviceaccounts "default" is forbidden: audience "" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience"#]]);
    let lease = |name: &str| json!({"metadata": {"name": name}});
    let in_namespace = |object, namespace| Case { namespace, ..node("leases", "", object) };
    in_namespace(lease("n2"), "a").refused(expect![[r#"403 leases.coordination.k8s.io "n2" is forbidden: can only access leases in the "kube-node-lease" system namespace"#]]);
    in_namespace(lease("n2"), "kube-node-lease").refused(expect![[r#"403 leases.coordination.k8s.io "n2" is forbidden: can only access node lease with the same name as the requesting node"#]]);
    in_namespace(lease("n1"), "kube-node-lease").refused(expect!["fine"]);
}

#[test]
fn roles_grant_what_their_writer_has() {
    let rules = |verb: &str| json!({"metadata": {"name": "r"}, "rules": [{"verbs": [verb], "apiGroups": [""], "resources": ["pods"]}]});
    let write = |user: UserInfo, object, old| Case { user, old, ..admin("roles", "a", object) };
    let alice = || UserInfo::new("alice", &[]);
    write(UserInfo::new("boss", &["system:masters"]), rules("*"), Value::Null).refused(expect!["fine"]);
    write(alice(), rules("get"), rules("get")).refused(expect!["fine"]);
    let mut changed = rules("get");
    changed["metadata"]["finalizers"] = json!(["a/b"]);
    write(alice(), changed.clone(), rules("get")).refused(expect!["fine"]);
    // whoever labels a role must be allowed to write it
    changed["metadata"]["labels"] = json!({"a": "b"});
    write(alice(), changed, rules("get")).refused(expect![[r#"
        403 roles.rbac.authorization.k8s.io "r" is forbidden: user "alice" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:
        {APIGroups:[""], Resources:["pods"], Verbs:["get"]}"#]]);
    let all = json!({"metadata": {"name": "r"}, "aggregationRule": {"clusterRoleSelectors": [{}]}});
    let aggregated = Case { user: alice(), ..admin("clusterroles", "", all) };
    aggregated.refused(expect![[r#"403 clusterroles.rbac.authorization.k8s.io "r" is forbidden: must have cluster-admin privileges to use the aggregationRule"#]]);
    write(alice(), rules("get"), Value::Null).refused(expect![[r#"
        403 roles.rbac.authorization.k8s.io "r" is forbidden: user "alice" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:
        {APIGroups:[""], Resources:["pods"], Verbs:["get"]}"#]]);
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "absent"});
    let binding = json!({"metadata": {"name": "b"}, "roleRef": role});
    let everywhere = Case { user: alice(), ..admin("clusterrolebindings", "", binding.clone()) };
    everywhere.refused(expect![[r#"400 Namespace parameter required."#]]);
    let case = Case { user: alice(), ..admin("rolebindings", "a", binding) };
    case.refused(expect![[r#"404 rolebindings.rbac.authorization.k8s.io "absent" not found"#]]);
    let odd = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "Rule", "name": "absent"}});
    let case = Case { user: alice(), ..admin("rolebindings", "a", odd) };
    case.refused(expect![[r#"500 unsupported role reference kind: "Rule""#]]);
}

#[test]
fn devices_past_their_owners_and_status_of_claims() {
    let asks = json!({"metadata": {"name": "c"},
        "spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "d", "adminAccess": true}}]}}});
    admin("resourceclaims", "a", asks).refused(expect![[r#"422 ResourceClaim.resource.k8s.io "c" is invalid: spec.devices.requests[0].exactly.adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace"#]]);
    let status = |status: Value| Case {
        operation: Operation::Update,
        name: "c",
        old: json!({"metadata": {"name": "c"}, "status": {}}),
        ..node("resourceclaims", "status", json!({"metadata": {"name": "c"}, "status": status}))
    };
    status(json!({"allocation": {}})).refused(expect![[r#"422 ResourceClaim.resource.k8s.io "c" is invalid: status: Forbidden: changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="" permission: resourceclaims.resource.k8s.io is forbidden: User "system:node:n1" cannot  resource "resourceclaims/binding" in API group "resource.k8s.io" at the cluster scope"#]]);
    status(json!({"devices": [{"driver": "d", "pool": "p", "device": "g"}]})).refused(expect![[r#"422 ResourceClaim.resource.k8s.io "c" is invalid: status: Forbidden: changing status.devices requires resource="resourceclaims/driver", verb="[arbitrary-node:]" permission: resourceclaims.resource.k8s.io "d" is forbidden: User "system:node:n1" cannot arbitrary-node: resource "resourceclaims/driver" in API group "resource.k8s.io" in the namespace "a""#]]);
    let by_admin = Case { user: UserInfo::new("admin", &["system:masters"]), ..status(json!({"allocation": {}})) };
    by_admin.refused(expect!["fine"]);
}

#[test]
fn an_account_may_limit_the_secrets_of_its_pods() {
    let run = |part: Value, want: Expect| {
        let mut spec = json!({"serviceAccountName": "strict", "containers": [{"name": "c"}]});
        spec.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        admin("pods", "a", pod(spec)).refused(want);
    };
    let secret = |name: &str| json!({"volumes": [{"name": "v", "secret": {"secretName": name}}]});
    run(secret("own"), expect!["fine"]);
    run(
        secret("other"),
        expect![[
            r#"403 pods "p" is forbidden: volume with secret.secretName="other" is not allowed because service account strict does not reference that secret"#
        ]],
    );
    let variable = json!([{"name": "E", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}]);
    run(
        json!({"containers": [{"name": "c", "env": variable}]}),
        expect![[
            r#"403 pods "p" is forbidden: container c with envVar E referencing secret.secretName="other" is not allowed because service account strict does not reference that secret"#
        ]],
    );
    run(
        json!({"initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "other"}}]}]}),
        expect![[
            r#"403 pods "p" is forbidden: init container i with envFrom referencing secret.secretName="other" is not allowed because service account strict does not reference that secret"#
        ]],
    );
    run(
        json!({"imagePullSecrets": [{"name": "pull"}, {"name": "own"}]}),
        expect![[
            r#"403 pods "p" is forbidden: imagePullSecrets[1].name="own" is not allowed because service account strict does not reference that imagePullSecret"#
        ]],
    );
    let added = json!({"metadata": {"name": "p"}, "spec": {"serviceAccountName": "strict",
        "ephemeralContainers": [{"name": "d", "env": variable}]}});
    let update = Case { operation: Operation::Update, subresource: "ephemeralcontainers", ..admin("pods", "a", added) };
    update.refused(expect![[r#"403 pods "p" is forbidden: ephemeral container d with envVar E referencing secret.secretName="other" is not allowed because service account strict does not reference that secret"#]]);
}

#[test]
fn pods_are_labelled_with_the_zone_and_region_of_their_node() {
    let labels = |case: Case<'_>| case.run().unwrap()["metadata"]["labels"].to_string();
    let both = r#"{"topology.kubernetes.io/region":"r","topology.kubernetes.io/zone":"z"}"#;
    assert_eq!(labels(admin("pods", "a", pod(json!({"nodeName": "zoned"})))), both);
    let binding = |kind: &str, name: &str| {
        let object = json!({"metadata": {"name": "p"}, "target": {"kind": kind, "name": name}});
        Case { subresource: "binding", ..admin("pods", "a", object) }
    };
    assert_eq!(labels(binding("Node", "zoned")), both);
    for other in [binding("", "zoned"), binding("Node", "n1"), binding("Node", "absent")] {
        assert_eq!(labels(other), "null");
    }
}

#[test]
fn nodes_write_of_claims_slices_and_certificates_only_what_is_theirs() {
    let update = |plural, subresource, object, old| Case {
        operation: Operation::Update,
        old,
        ..node(plural, subresource, object)
    };
    let claim = |capacity: &str, phase: &str| json!({"metadata": {"name": "c"}, "status": {"capacity": {"storage": capacity}, "phase": phase}});
    update("persistentvolumeclaims", "status", claim("2Gi", "Bound"), claim("1Gi", "Bound")).refused(expect!["fine"]);
    update("persistentvolumeclaims", "status", claim("2Gi", "Lost"), claim("1Gi", "Bound")).refused(expect![[r#"403 persistentvolumeclaims "c" is forbidden: node "n1" is not allowed to update fields other than status.quantity and status.conditions"#]]);
    update("persistentvolumeclaims", "", claim("2Gi", "Bound"), claim("1Gi", "Bound"))
        .refused(expect![[r#"403 persistentvolumeclaims "c" is forbidden: may only update PVC status"#]]);
    let slice = |node: &str| json!({"metadata": {"name": "s"}, "spec": {"driver": "d", "nodeName": node}});
    node("resourceslices", "", slice("n1")).refused(expect!["fine"]);
    node("resourceslices", "", slice("n2")).refused(expect![[r#"403 resourceslices.resource.k8s.io "s" is forbidden: can only create ResourceSlice with the same NodeName as the requesting node"#]]);
    let delete =
        Case { operation: Operation::Delete, old: slice("n2"), name: "s", ..node("resourceslices", "", Value::Null) };
    delete.refused(expect![[r#"403 resourceslices.resource.k8s.io "s" is forbidden: can only delete ResourceSlice with the same NodeName as the requesting node"#]]);
    let key = certs::private_key().unwrap();
    let request = |name: &str, signer: &str| {
        use base64::Engine as _;
        let made = certs::certificate_request(name, Some("system:nodes"), &[], &key).unwrap();
        let request = base64::engine::general_purpose::STANDARD.encode(made.request_pem);
        node(
            "certificatesigningrequests",
            "",
            json!({"metadata": {"name": "r"}, "spec": {"request": request, "signerName": signer}}),
        )
    };
    let serving = "kubernetes.io/kubelet-serving";
    request("system:node:n1", serving).refused(expect!["fine"]);
    request("system:node:n2", "example.com/any").refused(expect!["fine"]);
    request("system:node:n2", serving).refused(expect![[r#"403 certificatesigningrequests.certificates.k8s.io "r" is forbidden: can only create a node CSR with CN=system:node:n1"#]]);
    let claimed = |claims: Value| json!({"metadata": {"name": "mine"}, "spec": {"nodeName": "n1"}, "status": {"resourceClaimStatuses": claims}});
    let theirs = claimed(json!([{"name": "x", "resourceClaimName": "theirs"}]));
    update("pods", "status", theirs, claimed(json!([])))
        .refused(expect![[r#"403 pods "mine" is forbidden: node "n1" cannot update resource claim statuses"#]]);
    let added = json!({"metadata": {"name": "mine"}, "spec": {"nodeName": "n1"}});
    update("pods", "ephemeralcontainers", added.clone(), added).refused(expect![[r#"403 pods "mine" is forbidden: unexpected pod subresource "ephemeralcontainers", only 'status' and 'eviction' are allowed"#]]);
}
