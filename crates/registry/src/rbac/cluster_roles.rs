//! Roles of users and of the components, their bindings, and those of kube-system and kube-public.

use super::Subject::{Account, Group, User};
use super::{RoleSpec, Subject, role};

const EVENTS: &str = "core,events.k8s.io events create,patch,update";
const REVIEW_TOKENS: &str = "authentication.k8s.io tokenreviews create";
const REVIEW_ACCESS: &str = "authorization.k8s.io subjectaccessreviews create";

/// `ClusterRoles` and `NodeRules`.
pub(super) static ROLES: &[RoleSpec] = &[
    role("cluster-admin", &["any * *", "* *"]),
    RoleSpec { name: "admin", part_of: &[], aggregates: true, rules: &[] },
    RoleSpec { name: "edit", part_of: &["admin"], aggregates: true, rules: &[] },
    RoleSpec { name: "view", part_of: &["edit"], aggregates: true, rules: &[] },
    RoleSpec { name: "system:aggregate-to-admin", part_of: &["admin"], aggregates: false, rules: ADMIN },
    RoleSpec { name: "system:aggregate-to-edit", part_of: &["edit"], aggregates: false, rules: EDIT },
    RoleSpec { name: "system:aggregate-to-view", part_of: &["view"], aggregates: false, rules: VIEW },
    role(
        "system:discovery",
        &["/api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/ get"],
    ),
    role("system:monitoring", &["/healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/* get"]),
    role(
        "system:basic-user",
        &[
            "authorization.k8s.io selfsubjectaccessreviews,selfsubjectrulesreviews create",
            "authentication.k8s.io selfsubjectreviews create",
        ],
    ),
    role("system:public-info-viewer", &["/healthz,/livez,/readyz,/version,/version/ get"]),
    role("system:service-account-issuer-discovery", &["/.well-known/openid-configuration,/openid/v1/jwks get"]),
    role("system:auth-delegator", &[REVIEW_TOKENS, REVIEW_ACCESS]),
    role("system:heapster", &["core events,namespaces,nodes,pods read", "extensions deployments read"]),
    role("system:kube-aggregator", &["core endpoints,services read"]),
    role("system:kube-dns", &["core endpoints,services list,watch"]),
    role("system:kube-controller-manager", CONTROLLER_MANAGER),
    role("system:kube-scheduler", SCHEDULER),
    role("system:volume-scheduler", VOLUME_SCHEDULER),
    role("system:node", NODE),
    role("system:node-bootstrapper", &["certificates.k8s.io certificatesigningrequests create,get,list,watch"]),
    role("system:node-problem-detector", &["core nodes get", "core nodes/status patch", EVENTS]),
    role("system:node-proxier", NODE_PROXIER),
    role(
        "system:kubelet-api-admin",
        &[
            "core nodes read",
            "core nodes proxy",
            "core nodes/configz,nodes/healthz,nodes/log,nodes/metrics,nodes/pods,nodes/proxy,nodes/stats *",
        ],
    ),
    role("system:persistent-volume-provisioner", PROVISIONER),
    role(
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        &["certificates.k8s.io certificatesigningrequests/nodeclient create"],
    ),
    role(
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        &["certificates.k8s.io certificatesigningrequests/selfnodeclient create"],
    ),
    role(
        "system:certificates.k8s.io:kube-apiserver-client-approver",
        &["certificates.k8s.io signers approve kubernetes.io/kube-apiserver-client"],
    ),
    role(
        "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
        &["certificates.k8s.io signers approve kubernetes.io/kube-apiserver-client-kubelet"],
    ),
    role(
        "system:certificates.k8s.io:kubelet-serving-approver",
        &["certificates.k8s.io signers approve kubernetes.io/kubelet-serving"],
    ),
    role(
        "system:certificates.k8s.io:legacy-unknown-approver",
        &["certificates.k8s.io signers approve kubernetes.io/legacy-unknown"],
    ),
];

static ADMIN: &[&str] =
    &["authorization.k8s.io localsubjectaccessreviews create", "rbac.authorization.k8s.io rolebindings,roles own"];

static EDIT: &[&str] = &[
    "core pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy read",
    "core serviceaccounts impersonate",
    "core pods,pods/attach,pods/exec,pods/portforward,pods/proxy write",
    "core pods/eviction create",
    "core configmaps,events,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy write",
    "core serviceaccounts/token create",
    "apps daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale write",
    "autoscaling horizontalpodautoscalers write",
    "batch cronjobs,jobs write",
    "extensions daemonsets,deployments,deployments/rollback,deployments/scale,ingresses,networkpolicies,replicasets,replicasets/scale,replicationcontrollers/scale write",
    "policy poddisruptionbudgets write",
    "networking.k8s.io ingresses,networkpolicies write",
    "coordination.k8s.io leases own",
    "resource.k8s.io resourceclaims,resourceclaimtemplates write",
];

static VIEW: &[&str] = &[
    "core configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status read",
    "core bindings,events,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,resourcequotas/status read",
    "core namespaces read",
    "discovery.k8s.io endpointslices read",
    "apps controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status read",
    "autoscaling horizontalpodautoscalers,horizontalpodautoscalers/status read",
    "batch cronjobs,cronjobs/status,jobs,jobs/status read",
    "extensions daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,ingresses,ingresses/status,networkpolicies,replicasets,replicasets/scale,replicasets/status,replicationcontrollers/scale read",
    "policy poddisruptionbudgets,poddisruptionbudgets/status read",
    "networking.k8s.io ingresses,ingresses/status,networkpolicies read",
    "resource.k8s.io resourceclaims,resourceclaims/status,resourceclaimtemplates read",
];

static CONTROLLER_MANAGER: &[&str] = &[
    EVENTS,
    "coordination.k8s.io leases create",
    "coordination.k8s.io leases get,update kube-controller-manager",
    "core secrets,serviceaccounts create",
    "core secrets delete",
    "core configmaps,namespaces,secrets,serviceaccounts get",
    "core secrets,serviceaccounts update",
    REVIEW_TOKENS,
    REVIEW_ACCESS,
    "any * list,watch",
    "core serviceaccounts/token create",
];

static SCHEDULER: &[&str] = &[
    EVENTS,
    "coordination.k8s.io leases create",
    "coordination.k8s.io leases get,update kube-scheduler",
    "core nodes read",
    "core pods delete,get,list,watch",
    "core bindings,pods/binding create",
    "core pods/status patch,update",
    "core replicationcontrollers,services read",
    "apps,extensions replicasets read",
    "apps statefulsets read",
    "policy poddisruptionbudgets read",
    "core persistentvolumeclaims,persistentvolumes read",
    REVIEW_TOKENS,
    REVIEW_ACCESS,
    "storage.k8s.io csinodes read",
    "core namespaces read",
    "storage.k8s.io csidrivers read",
    "storage.k8s.io csistoragecapacities read",
    "resource.k8s.io deviceclasses read",
    "resource.k8s.io resourceclaims get,list,patch,update,watch",
    "resource.k8s.io resourceclaims/status get,patch,update",
    "core pods/finalizers update",
    "resource.k8s.io resourceslices read",
    "storage.k8s.io volumeattachments read",
];

static VOLUME_SCHEDULER: &[&str] = &[
    "core persistentvolumes get,list,patch,update,watch",
    "storage.k8s.io storageclasses read",
    "core persistentvolumeclaims get,list,patch,update,watch",
];

static NODE: &[&str] = &[
    REVIEW_TOKENS,
    "authorization.k8s.io localsubjectaccessreviews,subjectaccessreviews create",
    "core services read",
    "core nodes create,get,list,watch",
    "core nodes/status patch,update",
    "core nodes patch,update",
    "core events create,patch,update",
    "core pods read",
    "core pods create,delete",
    "core pods/status patch,update",
    "core pods/eviction create",
    "core configmaps,secrets read",
    "core persistentvolumeclaims,persistentvolumes get",
    "core endpoints get",
    "certificates.k8s.io certificatesigningrequests create,get,list,watch",
    "coordination.k8s.io leases create,delete,get,patch,update",
    "storage.k8s.io volumeattachments get",
    "core serviceaccounts/token create",
    "core persistentvolumeclaims/status get,patch,update",
    "storage.k8s.io csidrivers read",
    "storage.k8s.io csinodes create,delete,get,patch,update",
    "node.k8s.io runtimeclasses read",
    "resource.k8s.io resourceclaims get",
    "resource.k8s.io resourceslices deletecollection",
];

static NODE_PROXIER: &[&str] = &[
    "core endpoints,services list,watch",
    "core nodes read",
    EVENTS,
    "discovery.k8s.io endpointslices list,watch",
    "networking.k8s.io servicecidrs list,watch",
];

static PROVISIONER: &[&str] = &[
    "core persistentvolumes create,delete,get,list,watch",
    "core persistentvolumeclaims get,list,update,watch",
    "storage.k8s.io storageclasses read",
    "core events watch",
    EVENTS,
];

/// `ClusterRoleBindings`: each to the role of its own name.
pub(super) static BINDINGS: &[(&str, &[Subject])] = &[
    ("cluster-admin", &[Group("system:masters")]),
    ("system:monitoring", &[Group("system:monitoring")]),
    ("system:discovery", &[Group("system:authenticated")]),
    ("system:basic-user", &[Group("system:authenticated")]),
    ("system:public-info-viewer", &[Group("system:authenticated"), Group("system:unauthenticated")]),
    ("system:node-proxier", &[User("system:kube-proxy")]),
    ("system:kube-controller-manager", &[User("system:kube-controller-manager")]),
    ("system:kube-dns", &[Account("kube-dns")]),
    ("system:kube-scheduler", &[User("system:kube-scheduler")]),
    ("system:volume-scheduler", &[User("system:kube-scheduler")]),
    // Nodes are authorized one by one, by what their pods refer to.
    ("system:node", &[]),
    ("system:service-account-issuer-discovery", &[Group("system:serviceaccounts")]),
];

const LEADER: &[&str] = &[
    "coordination.k8s.io leases create,get,list,update,watch",
    "coordination.k8s.io leasecandidates create,get,list,update,watch",
];

/// `NamespaceRoles`
pub(super) static NAMESPACED_ROLES: &[(&str, RoleSpec)] = &[
    (
        "kube-system",
        role("extension-apiserver-authentication-reader", &["core configmaps read extension-apiserver-authentication"]),
    ),
    ("kube-system", role("system::leader-locking-kube-controller-manager", LEADER)),
    ("kube-system", role("system::leader-locking-kube-scheduler", LEADER)),
    ("kube-system", role("system:controller:bootstrap-signer", &["core secrets read"])),
    ("kube-system", role("system:controller:cloud-provider", &["core configmaps create,get,list,watch"])),
    ("kube-system", role("system:controller:token-cleaner", &["core secrets delete,get,list,watch", EVENTS])),
    (
        "kube-public",
        role(
            "system:controller:bootstrap-signer",
            &["core configmaps read", "core configmaps update cluster-info", EVENTS],
        ),
    ),
];

/// `NamespaceRoleBindings`: namespace, name, role, subjects.
pub(super) static NAMESPACED_BINDINGS: &[(&str, &str, &str, &[Subject])] = &[
    (
        "kube-system",
        "system::extension-apiserver-authentication-reader",
        "extension-apiserver-authentication-reader",
        &[User("system:kube-controller-manager"), User("system:kube-scheduler")],
    ),
    (
        "kube-system",
        "system::leader-locking-kube-controller-manager",
        "system::leader-locking-kube-controller-manager",
        &[User("system:kube-controller-manager"), Account("kube-controller-manager")],
    ),
    (
        "kube-system",
        "system::leader-locking-kube-scheduler",
        "system::leader-locking-kube-scheduler",
        &[User("system:kube-scheduler"), Account("kube-scheduler")],
    ),
    (
        "kube-system",
        "system:controller:bootstrap-signer",
        "system:controller:bootstrap-signer",
        &[Account("bootstrap-signer")],
    ),
    (
        "kube-system",
        "system:controller:cloud-provider",
        "system:controller:cloud-provider",
        &[Account("cloud-provider")],
    ),
    ("kube-system", "system:controller:token-cleaner", "system:controller:token-cleaner", &[Account("token-cleaner")]),
    (
        "kube-public",
        "system:controller:bootstrap-signer",
        "system:controller:bootstrap-signer",
        &[Account("bootstrap-signer")],
    ),
];
