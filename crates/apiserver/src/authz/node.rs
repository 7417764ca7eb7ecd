//! The node authorizer (`k8s.io/kubernetes/plugin/pkg/auth/authorizer/node`): a node may read what its own pods refer
//! to, and nothing else of the kind.

pub(crate) mod relations;

use crate::SharedReader;
use crate::authz::rule::Rule;
use crate::chain::{Authorizer, Decision};
use crate::request::RequestInfo;
use crate::user::UserInfo;
use std::sync::LazyLock;

/// The namespace of the nodes' leases.
pub(crate) const NODE_LEASE_NAMESPACE: &str = "kube-node-lease";
const NODE_PREFIX: &str = "system:node:";
const NODES_GROUP: &str = "system:nodes";

/// The name of the node that a user is: `system:node:NAME` in the group `system:nodes`.
pub(crate) fn node_name(user: &UserInfo) -> Option<&str> {
    user.name.strip_prefix(NODE_PREFIX).filter(|_| user.in_group(NODES_GROUP))
}

/// What every node may do whatever it runs (upstream's `NodeRules`); what is said by relation is decided before.
static NODE_RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let read = ["get", "list", "watch"];
    vec![
        Rule::resources(&["create"], &["authentication.k8s.io"], &["tokenreviews"]),
        Rule::resources(&["create"], &["authorization.k8s.io"], &["subjectaccessreviews", "localsubjectaccessreviews"]),
        Rule::resources(&read, &[""], &["services"]),
        Rule::resources(&["create", "update", "patch"], &[""], &["nodes"]),
        Rule::resources(&["update", "patch"], &[""], &["nodes/status"]),
        Rule::resources(&["create", "update", "patch"], &["", "events.k8s.io"], &["events"]),
        Rule::resources(&["create", "delete"], &[""], &["pods"]),
        Rule::resources(&["update", "patch"], &[""], &["pods/status"]),
        Rule::resources(&["create"], &[""], &["pods/eviction"]),
        Rule::resources(&["get"], &[""], &["endpoints"]),
        Rule::resources(&["create", "get", "list", "watch"], &["certificates.k8s.io"], &["certificatesigningrequests"]),
        Rule::resources(&["get", "list", "watch"], &["certificates.k8s.io"], &["clustertrustbundles"]),
        Rule::resources(&read, &["storage.k8s.io"], &["csidrivers"]),
        Rule::resources(&read, &["node.k8s.io"], &["runtimeclasses"]),
    ]
});

/// Decides for users in `system:nodes`; has no opinion on others.
#[derive(Debug)]
pub struct NodeAuthorizer {
    reader: SharedReader,
}

fn no(reason: impl Into<String>) -> Decision {
    Decision::NoOpinion(reason.into())
}

fn yes() -> Decision {
    Decision::Allow(String::new())
}

impl NodeAuthorizer {
    /// The authorizer over this view of the cluster.
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }

    fn related(&self, node: &str, request: &RequestInfo) -> Decision {
        if request.name.is_empty() {
            return no("No Object name found");
        }
        if relations::exist(&self.reader, node, &request.resource, &request.namespace, &request.name) {
            yes()
        } else {
            no(format!("no relationship found between node '{node}' and this object"))
        }
    }

    /// Secrets and config maps: readable one by one, as pods refer to them.
    fn read_namespaced(&self, node: &str, request: &RequestInfo) -> Decision {
        if !matches!(request.verb.as_str(), "get" | "list" | "watch") {
            no("can only read resources of this type")
        } else if !request.subresource.is_empty() {
            no("cannot read subresource")
        } else if request.namespace.is_empty() {
            no("can only read namespaced object of this type")
        } else {
            self.related(node, request)
        }
    }

    fn get_only(&self, node: &str, request: &RequestInfo) -> Decision {
        if request.verb != "get" {
            no("can only get individual resources of this type")
        } else if !request.subresource.is_empty() {
            no("cannot get subresource")
        } else {
            self.related(node, request)
        }
    }

    fn claim(&self, node: &str, request: &RequestInfo) -> Decision {
        match (request.subresource.as_str(), request.verb.as_str()) {
            ("status", "get" | "update" | "patch") => self.related(node, request),
            ("status", _) => no("can only get/update/patch this type"),
            _ => self.get_only(node, request),
        }
    }

    /// Accounts are read for credential providers of the kubelet (KEP-4412); otherwise tokens are made of them.
    fn account(&self, node: &str, request: &RequestInfo) -> Decision {
        if request.verb == "get" && request.subresource.is_empty() {
            return self.related(node, request);
        }
        if request.verb != "create" || request.name.is_empty() {
            no("can only create tokens for individual service accounts")
        } else if request.subresource != "token" {
            no("can only create token subresource of serviceaccount")
        } else {
            self.related(node, request)
        }
    }

    /// What the devices of a node are: written by its drivers, in its name.
    fn slice(&self, node: &str, request: &RequestInfo) -> Decision {
        if !request.subresource.is_empty() {
            return no("cannot authorize ResourceSlice subresources");
        }
        match request.verb.as_str() {
            // a create has no content yet: NodeRestriction looks at it
            "create" => yes(),
            "get" | "update" | "patch" | "delete" => self.related(node, request),
            "list" | "watch" | "deletecollection" if selects(request, "spec.nodeName", node) => yes(),
            "list" | "watch" | "deletecollection" => {
                no("can only list/watch/deletecollection resourceslices with nodeName field selector")
            }
            _ => no(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection",
            ),
        }
    }

    fn pod(&self, node: &str, request: &RequestInfo) -> Decision {
        match (request.subresource.as_str(), request.verb.as_str()) {
            ("", "get") => {
                // A pod that is gone answers 404, not 403: a kubelet must be able to tell (upstream says 403 here).
                let gone = self.reader.get("", "pods", &request.namespace, &request.name).is_none();
                if gone { yes() } else { self.related(node, request) }
            }
            ("", "list" | "watch") => {
                if selects(request, "spec.nodeName", node) {
                    yes()
                } else if request.name.is_empty() {
                    no("can only list/watch pods with spec.nodeName field selector")
                } else {
                    self.related(node, request)
                }
            }
            _ => by_rules(request),
        }
    }
}

/// Whether a list asks for what has this value alone.
fn selects(request: &RequestInfo, field: &str, value: &str) -> bool {
    let selector = request.query.get("fieldSelector").unwrap_or_default();
    let own = [format!("{field}={value}"), format!("{field}=={value}")];
    selector.split(',').any(|term| own.iter().any(|own| own == term))
}

/// Leases and CSINodes bear the name of their node.
fn own_object(node: &str, request: &RequestInfo, words: (&str, &str)) -> Decision {
    let (verbs, name) = words;
    if !matches!(request.verb.as_str(), "get" | "create" | "update" | "patch" | "delete") {
        no(format!("can only get, create, update, patch, or delete {verbs}"))
    } else if request.verb != "create" && request.name != node {
        // A create has no name yet: NodeRestriction looks at the object.
        no(format!("can only access {name} with the same name as the requesting node"))
    } else {
        yes()
    }
}

fn lease(node: &str, request: &RequestInfo) -> Decision {
    if request.namespace == NODE_LEASE_NAMESPACE {
        own_object(node, request, ("a node lease", "node lease"))
    } else {
        no(format!("can only access leases in the {NODE_LEASE_NAMESPACE:?} system namespace"))
    }
}

fn csi_node(node: &str, request: &RequestInfo) -> Decision {
    if request.subresource.is_empty() {
        own_object(node, request, ("a CSINode", "CSINode"))
    } else {
        no("cannot authorize CSINode subresources")
    }
}

fn own_node(node: &str, request: &RequestInfo) -> Decision {
    match (request.subresource.as_str(), request.verb.as_str()) {
        ("", "get" | "list" | "watch") if request.name == node => yes(),
        ("", "get" | "list" | "watch") if request.name.is_empty() => {
            no(format!("node '{node}' cannot read all nodes, only its own Node object"))
        }
        ("", "get" | "list" | "watch") => {
            no(format!("node '{node}' cannot read '{}', only its own Node object", request.name))
        }
        _ => by_rules(request),
    }
}

fn by_rules(request: &RequestInfo) -> Decision {
    if NODE_RULES.iter().any(|rule| rule.allows(request)) { yes() } else { no("") }
}

impl Authorizer for NodeAuthorizer {
    fn authorize(&self, user: &UserInfo, request: &RequestInfo) -> Decision {
        let Some(node) = node_name(user) else { return no("") };
        if node.is_empty() {
            return no(format!("unknown node for user {:?}", user.name));
        }
        if !request.is_resource_request {
            return by_rules(request);
        }
        match (request.api_group.as_str(), request.resource.as_str()) {
            ("", "secrets" | "configmaps") => self.read_namespaced(node, request),
            ("", "persistentvolumeclaims") => self.claim(node, request),
            ("", "persistentvolumes") | ("storage.k8s.io", "volumeattachments") => self.get_only(node, request),
            ("", "serviceaccounts") => self.account(node, request),
            ("", "pods") => self.pod(node, request),
            ("", "nodes") => own_node(node, request),
            ("coordination.k8s.io", "leases") => lease(node, request),
            ("storage.k8s.io", "csinodes") => csi_node(node, request),
            ("resource.k8s.io", "resourceclaims") => self.get_only(node, request),
            ("resource.k8s.io", "resourceslices") => self.slice(node, request),
            _ => by_rules(request),
        }
    }
}
