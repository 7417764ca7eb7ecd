//! One role per controller of the controller manager, bound to the service account of the same name in kube-system.
//! Those of the controllers of volumes are in `volume_controller_roles`.

use super::{RoleSpec, role};

pub(super) const EVENTS: &str = "core,events.k8s.io events create,patch,update";

/// `ControllerRoles`
pub(super) static ROLES: &[RoleSpec] = &[
    role(
        "system:controller:certificate-controller",
        &[
            "certificates.k8s.io certificatesigningrequests delete,get,list,watch",
            "certificates.k8s.io certificatesigningrequests/approval,certificatesigningrequests/status update",
            "certificates.k8s.io signers approve kubernetes.io/kube-apiserver-client-kubelet",
            "certificates.k8s.io signers sign kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving,kubernetes.io/legacy-unknown",
            "authorization.k8s.io subjectaccessreviews create",
            EVENTS,
        ],
    ),
    role(
        "system:controller:clusterrole-aggregation-controller",
        &["rbac.authorization.k8s.io clusterroles escalate,get,list,patch,update,watch"],
    ),
    role(
        "system:controller:cronjob-controller",
        &[
            "batch cronjobs get,list,update,watch",
            "batch jobs create,delete,get,list,patch,update,watch",
            "batch cronjobs/status update",
            "batch cronjobs/finalizers update",
            "core pods delete,list,watch",
            EVENTS,
        ],
    ),
    role(
        "system:controller:daemon-set-controller",
        &[
            "apps,extensions daemonsets read",
            "apps,extensions daemonsets/status update",
            "apps,extensions daemonsets/finalizers update",
            "core nodes list,watch",
            "core pods create,delete,list,patch,watch",
            "core pods/binding create",
            "apps controllerrevisions create,delete,get,list,patch,update,watch",
            EVENTS,
        ],
    ),
    role(
        "system:controller:deployment-controller",
        &[
            "apps,extensions deployments get,list,update,watch",
            "apps,extensions deployments/status update",
            "apps,extensions deployments/finalizers update",
            "apps,extensions replicasets create,delete,get,list,patch,update,watch",
            "core pods get,list,update,watch",
            EVENTS,
        ],
    ),
    role(
        "system:controller:device-taint-eviction-controller",
        &[
            "core pods delete,get,list,watch",
            "core pods/status patch,update",
            "resource.k8s.io resourceclaims read",
            "resource.k8s.io resourceslices read",
            "resource.k8s.io deviceclasses read",
            EVENTS,
        ],
    ),
    role(
        "system:controller:disruption-controller",
        &[
            "apps,extensions deployments read",
            "apps,extensions replicasets read",
            "core replicationcontrollers read",
            "policy poddisruptionbudgets read",
            "apps statefulsets read",
            "policy poddisruptionbudgets/status update",
            "core pods/status patch,update",
            "any */scale get",
            EVENTS,
        ],
    ),
    role(
        "system:controller:endpoint-controller",
        &[
            "core pods,services read",
            "core endpoints create,delete,get,list,update,watch",
            "core endpoints/restricted create",
            EVENTS,
        ],
    ),
    role(
        "system:controller:endpointslice-controller",
        &[
            "core nodes,pods,services read",
            "core services/finalizers update",
            "discovery.k8s.io endpointslices create,delete,get,list,update,watch",
            EVENTS,
        ],
    ),
    role(
        "system:controller:endpointslicemirroring-controller",
        &[
            "core endpoints,services read",
            "core services/finalizers update",
            "core endpoints/finalizers update",
            "discovery.k8s.io endpointslices create,delete,get,list,update,watch",
            EVENTS,
        ],
    ),
    role("system:controller:generic-garbage-collector", &["any * delete,get,list,patch,update,watch", EVENTS]),
    role(
        "system:controller:horizontal-pod-autoscaler",
        &[
            "autoscaling horizontalpodautoscalers read",
            "autoscaling horizontalpodautoscalers/status update",
            "any */scale get,update",
            "core pods list,watch",
            "metrics.k8s.io pods list,watch",
            "custom.metrics.k8s.io * read",
            "external.metrics.k8s.io * read",
            EVENTS,
        ],
    ),
    role(
        "system:controller:job-controller",
        &[
            "batch jobs get,list,patch,update,watch",
            "batch jobs/status update",
            "batch jobs/finalizers update",
            "core pods create,delete,list,patch,watch",
            EVENTS,
        ],
    ),
    role(
        "system:controller:legacy-service-account-token-cleaner",
        &["core configmaps get kube-apiserver-legacy-service-account-token-tracking", "core secrets delete,patch"],
    ),
    role(
        "system:controller:namespace-controller",
        &[
            "core namespaces delete,get,list,watch",
            "core namespaces/finalize,namespaces/status update",
            "any * delete,deletecollection,get,list,watch",
        ],
    ),
    role(
        "system:controller:node-controller",
        &[
            "core nodes delete,get,list,patch,update,watch",
            "core nodes/status patch,update",
            "core pods/status patch,update",
            "core pods delete,get,list,watch",
            EVENTS,
        ],
    ),
    role(
        "system:controller:pod-garbage-collector",
        &["core pods delete,list,watch", "core nodes read", "core pods/status patch"],
    ),
    role(
        "system:controller:replicaset-controller",
        &[
            "apps,extensions replicasets get,list,update,watch",
            "apps,extensions replicasets/status update",
            "apps,extensions replicasets/finalizers update",
            "core pods create,delete,list,patch,watch",
            EVENTS,
        ],
    ),
    role(
        "system:controller:replication-controller",
        &[
            "core replicationcontrollers get,list,update,watch",
            "core replicationcontrollers/status update",
            "core replicationcontrollers/finalizers update",
            "core pods create,delete,list,patch,watch",
            EVENTS,
        ],
    ),
    role(
        "system:controller:resource-claim-controller",
        &[
            "core pods read",
            "core pods/finalizers update",
            "resource.k8s.io resourceclaims create,delete,get,list,watch",
            "resource.k8s.io resourceclaims,resourceclaims/status patch,update",
            "core pods/status patch,update",
            EVENTS,
            "resource.k8s.io resourceclaims/binding patch,update",
        ],
    ),
    role(
        "system:controller:resourcequota-controller",
        &["any * list,watch", "core resourcequotas/status update", EVENTS],
    ),
    role("system:controller:root-ca-cert-publisher", &["core configmaps create,update", EVENTS]),
    role("system:controller:route-controller", &["core nodes list,watch", "core nodes/status patch", EVENTS]),
    role("system:controller:service-account-controller", &["core serviceaccounts create", EVENTS]),
    role(
        "system:controller:service-cidrs-controller",
        &[
            "networking.k8s.io servicecidrs get,list,patch,update,watch",
            "networking.k8s.io servicecidrs/finalizers patch,update",
            "networking.k8s.io servicecidrs/status patch,update",
            "networking.k8s.io ipaddresses read",
            EVENTS,
        ],
    ),
    role(
        "system:controller:service-controller",
        &["core services read", "core services/status patch,update", "core nodes list,watch", EVENTS],
    ),
    role(
        "system:controller:statefulset-controller",
        &[
            "core pods list,watch",
            "apps statefulsets read",
            "apps statefulsets/status update",
            "apps statefulsets/finalizers update",
            "core pods create,delete,get,patch,update",
            "apps controllerrevisions create,delete,get,list,patch,update,watch",
            "core persistentvolumeclaims create,get,list,watch",
            "core persistentvolumeclaims delete,update",
            "core pods/finalizers update",
            EVENTS,
        ],
    ),
    role("system:controller:ttl-after-finished-controller", &["batch jobs delete,get,list,watch", EVENTS]),
    role("system:controller:ttl-controller", &["core nodes list,patch,update,watch", EVENTS]),
    role(
        "system:controller:validatingadmissionpolicy-status-controller",
        &[
            "admissionregistration.k8s.io validatingadmissionpolicies read",
            "admissionregistration.k8s.io validatingadmissionpolicies/status get,patch,update",
            EVENTS,
        ],
    ),
];
