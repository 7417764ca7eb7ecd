//! The rows. One statement per resource, in the order of the groups of discovery.

use super::row::row;
use crate::Resource;
use crate::Subresource::{
    Approval, Attach, Binding, EphemeralContainers, Eviction, Exec, Finalize, Log, PortForward, Proxy, Resize, Scale,
    Status, Token,
};
use crate::{kinds, pod};

/// All built-in rows.
pub(super) fn all() -> Vec<Resource> {
    let rows =
        [core(), workloads(), events_and_reviews(), policy_and_network(), access(), storage(), extensions(), cluster()];
    rows.into_iter().flatten().map(super::row::Row::build).collect()
}

const POD: &[crate::Subresource] =
    &[Attach, Binding, EphemeralContainers, Eviction, Exec, Log, PortForward, Proxy, Resize, Status];
const READ_ONLY: &[&str] = &["get", "list"];
const CREATE: &[&str] = &["create"];
const ALL_BUT_COLLECTION: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];

fn core() -> Vec<super::row::Row> {
    vec![
        row("", "v1", "Binding", "bindings").verbs(CREATE).strategy(pod::Binding),
        row("", "v1", "ComponentStatus", "componentstatuses").cluster().short(&["cs"]).verbs(READ_ONLY),
        row("", "v1", "ConfigMap", "configmaps").strategy(kinds::ConfigMap).short(&["cm"]),
        row("", "v1", "Endpoints", "endpoints").strategy(kinds::Endpoints).short(&["ep"]).create_on_update(),
        row("", "v1", "Event", "events").strategy(kinds::Event).short(&["ev"]).create_on_update(),
        row("", "v1", "LimitRange", "limitranges").strategy(kinds::LimitRange).short(&["limits"]).create_on_update(),
        row("", "v1", "Namespace", "namespaces")
            .strategy(kinds::Namespace)
            .cluster()
            .short(&["ns"])
            .verbs(ALL_BUT_COLLECTION)
            .subresources(&[Finalize, Status]),
        row("", "v1", "Node", "nodes").strategy(kinds::Node).cluster().short(&["no"]).subresources(&[Proxy, Status]),
        row("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
            .strategy(kinds::PersistentVolumeClaim)
            .short(&["pvc"])
            .subresources(&[Status]),
        row("", "v1", "PersistentVolume", "persistentvolumes")
            .strategy(kinds::PersistentVolume)
            .cluster()
            .short(&["pv"])
            .subresources(&[Status]),
        row("", "v1", "Pod", "pods").short(&["po"]).category("all").subresources(POD).generation().strategy(pod::Pod),
        row("", "v1", "PodTemplate", "podtemplates").generation().strategy(pod::PodTemplate),
        row("", "v1", "ReplicationController", "replicationcontrollers")
            .strategy(kinds::ReplicationController)
            .short(&["rc"])
            .category("all")
            .subresources(&[Scale, Status])
            .generation(),
        row("", "v1", "ResourceQuota", "resourcequotas")
            .strategy(kinds::ResourceQuota)
            .short(&["quota"])
            .subresources(&[Status]),
        row("", "v1", "Secret", "secrets").strategy(kinds::Secret),
        row("", "v1", "ServiceAccount", "serviceaccounts")
            .strategy(kinds::ServiceAccount)
            .short(&["sa"])
            .subresources(&[Token]),
        row("", "v1", "Service", "services")
            .strategy(kinds::Service)
            .short(&["svc"])
            .category("all")
            .subresources(&[Proxy, Status])
            .create_on_update(),
    ]
}

fn workloads() -> Vec<super::row::Row> {
    vec![
        row("apps", "v1", "ControllerRevision", "controllerrevisions").strategy(kinds::ControllerRevision),
        row("apps", "v1", "DaemonSet", "daemonsets")
            .strategy(kinds::DaemonSet)
            .short(&["ds"])
            .category("all")
            .subresources(&[Status])
            .generation(),
        row("apps", "v1", "Deployment", "deployments")
            .strategy(kinds::Deployment)
            .short(&["deploy"])
            .category("all")
            .subresources(&[Scale, Status])
            .generation(),
        row("apps", "v1", "ReplicaSet", "replicasets")
            .strategy(kinds::ReplicaSet)
            .short(&["rs"])
            .category("all")
            .subresources(&[Scale, Status])
            .generation(),
        row("apps", "v1", "StatefulSet", "statefulsets")
            .strategy(kinds::StatefulSet)
            .short(&["sts"])
            .category("all")
            .subresources(&[Scale, Status])
            .generation(),
        row("batch", "v1", "CronJob", "cronjobs")
            .strategy(kinds::CronJob)
            .short(&["cj"])
            .category("all")
            .subresources(&[Status])
            .generation(),
        row("batch", "v1", "Job", "jobs").strategy(kinds::Job).category("all").subresources(&[Status]).generation(),
        row("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
            .strategy(kinds::Autoscaler)
            .short(&["hpa"])
            .category("all")
            .subresources(&[Status]),
        row("autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
            .strategy(kinds::AutoscalerV1)
            .stored_as(("autoscaling", "v2", "horizontalpodautoscalers"), &kinds::AutoscalersOfV2)
            .short(&["hpa"])
            .category("all")
            .subresources(&[Status]),
    ]
}

fn events_and_reviews() -> Vec<super::row::Row> {
    let review = |group, kind, plural| row(group, "v1", kind, plural).verbs(CREATE);
    let authentication = "authentication.k8s.io";
    let authorization = "authorization.k8s.io";
    vec![
        row("events.k8s.io", "v1", "Event", "events")
            .strategy(kinds::EventV1)
            .stored_as(("", "v1", "events"), &kinds::EventsOfCore)
            .short(&["ev"])
            .create_on_update(),
        review(authentication, "SelfSubjectReview", "selfsubjectreviews").cluster(),
        review(authentication, "TokenReview", "tokenreviews").cluster(),
        review(authorization, "LocalSubjectAccessReview", "localsubjectaccessreviews")
            .strategy(kinds::AccessReview { names_user: true, local: true }),
        review(authorization, "SelfSubjectAccessReview", "selfsubjectaccessreviews")
            .strategy(kinds::AccessReview { names_user: false, local: false })
            .cluster(),
        review(authorization, "SelfSubjectRulesReview", "selfsubjectrulesreviews")
            .strategy(kinds::RulesReview)
            .cluster(),
        review(authorization, "SubjectAccessReview", "subjectaccessreviews")
            .strategy(kinds::AccessReview { names_user: true, local: false })
            .cluster(),
    ]
}

fn policy_and_network() -> Vec<super::row::Row> {
    let network = "networking.k8s.io";
    vec![
        row(network, "v1", "IngressClass", "ingressclasses").strategy(kinds::IngressClass).cluster().generation(),
        row(network, "v1", "Ingress", "ingresses")
            .strategy(kinds::Ingress)
            .short(&["ing"])
            .subresources(&[Status])
            .generation(),
        row(network, "v1", "IPAddress", "ipaddresses").strategy(kinds::IpAddress).cluster().short(&["ip"]),
        row(network, "v1", "NetworkPolicy", "networkpolicies")
            .strategy(kinds::NetworkPolicy)
            .short(&["netpol"])
            .generation(),
        row(network, "v1", "ServiceCIDR", "servicecidrs")
            .strategy(kinds::ServiceCidr)
            .cluster()
            .subresources(&[Status]),
        row("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
            .strategy(kinds::DisruptionBudget)
            .short(&["pdb"])
            .subresources(&[Status])
            .generation()
            .conditional(),
        row("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices").strategy(kinds::EndpointSlice).generation(),
    ]
}

fn access() -> Vec<super::row::Row> {
    let rbac = "rbac.authorization.k8s.io";
    vec![
        row(rbac, "v1", "ClusterRoleBinding", "clusterrolebindings")
            .strategy(kinds::RoleBinding { namespaced: false })
            .cluster()
            .create_on_update(),
        row(rbac, "v1", "ClusterRole", "clusterroles")
            .strategy(kinds::Role { namespaced: false })
            .cluster()
            .create_on_update(),
        row(rbac, "v1", "RoleBinding", "rolebindings")
            .strategy(kinds::RoleBinding { namespaced: true })
            .create_on_update(),
        row(rbac, "v1", "Role", "roles").strategy(kinds::Role { namespaced: true }).create_on_update(),
        row("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests")
            .strategy(kinds::CertificateRequest)
            .cluster()
            .short(&["csr"])
            .subresources(&[Approval, Status]),
    ]
}

fn storage() -> Vec<super::row::Row> {
    let group = "storage.k8s.io";
    vec![
        row(group, "v1", "CSIDriver", "csidrivers").strategy(kinds::CsiDriver).cluster(),
        row(group, "v1", "CSINode", "csinodes").strategy(kinds::CsiNode).cluster(),
        row(group, "v1", "CSIStorageCapacity", "csistoragecapacities").strategy(kinds::CsiStorageCapacity),
        row(group, "v1", "StorageClass", "storageclasses").strategy(kinds::StorageClass).cluster().short(&["sc"]),
        row(group, "v1", "VolumeAttachment", "volumeattachments")
            .strategy(kinds::VolumeAttachment)
            .cluster()
            .subresources(&[Status]),
        row(group, "v1", "VolumeAttributesClass", "volumeattributesclasses")
            .strategy(kinds::VolumeAttributesClass)
            .cluster()
            .short(&["vac"]),
    ]
}

fn extensions() -> Vec<super::row::Row> {
    vec![
        row("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions")
            .definition("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition")
            .strategy(kinds::CustomResourceDefinition)
            .cluster()
            .short(&["crd", "crds"])
            .category("api-extensions")
            .subresources(&[Status])
            .generation()
            .conditional(),
    ]
}

fn cluster() -> Vec<super::row::Row> {
    use kinds::Phase::{Mutating, Validating};
    let admission = |kind, plural| {
        row("admissionregistration.k8s.io", "v1", kind, plural)
            .cluster()
            .category("api-extensions")
            .generation()
            .conditional()
    };
    let dynamic = "resource.k8s.io";
    let flow = "flowcontrol.apiserver.k8s.io";
    vec![
        admission("MutatingAdmissionPolicy", "mutatingadmissionpolicies").strategy(kinds::Policy(Mutating)),
        admission("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings")
            .strategy(kinds::PolicyBinding(Mutating)),
        admission("MutatingWebhookConfiguration", "mutatingwebhookconfigurations")
            .strategy(kinds::WebhookConfiguration(Mutating)),
        admission("ValidatingAdmissionPolicy", "validatingadmissionpolicies")
            .strategy(kinds::Policy(Validating))
            .subresources(&[Status]),
        admission("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings")
            .strategy(kinds::PolicyBinding(Validating)),
        admission("ValidatingWebhookConfiguration", "validatingwebhookconfigurations")
            .strategy(kinds::WebhookConfiguration(Validating)),
        row("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses")
            .strategy(kinds::PriorityClass)
            .cluster()
            .short(&["pc"])
            .generation(),
        row("coordination.k8s.io", "v1", "Lease", "leases").strategy(kinds::Lease).create_on_update().conditional(),
        row("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses")
            .strategy(kinds::RuntimeClass)
            .cluster()
            .create_on_update()
            .conditional(),
        row(dynamic, "v1", "DeviceClass", "deviceclasses").strategy(kinds::DeviceClass).cluster().generation(),
        row(dynamic, "v1", "ResourceClaim", "resourceclaims").strategy(kinds::ResourceClaim).subresources(&[Status]),
        row(dynamic, "v1", "ResourceClaimTemplate", "resourceclaimtemplates").strategy(kinds::ResourceClaimTemplate),
        row(dynamic, "v1", "ResourceSlice", "resourceslices").strategy(kinds::ResourceSlice).cluster().generation(),
        row("apiregistration.k8s.io", "v1", "APIService", "apiservices")
            .definition("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService")
            .strategy(kinds::ApiService)
            .cluster()
            .category("api-extensions")
            .subresources(&[Status]),
        row(flow, "v1", "FlowSchema", "flowschemas")
            .strategy(kinds::FlowSchema)
            .cluster()
            .subresources(&[Status])
            .generation(),
        row(flow, "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations")
            .strategy(kinds::PriorityLevel)
            .cluster()
            .subresources(&[Status])
            .generation(),
    ]
}
