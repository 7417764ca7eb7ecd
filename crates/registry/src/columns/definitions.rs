//! Which columns each resource has, and which function fills them.
//!
//! The notation is that of `super::parse`: `*` marks the name's format, `!` a column of wide output.

use super::{Row, autoscaling, cluster, core, event, network, node, pod, storage, workload};
use jiff::Timestamp;
use serde_json::Value;

/// Fills the row of an object.
pub(super) type PrintRow = fn(&Value, Timestamp) -> Row;

/// Group, plural, columns, function. Both versions of a kind print alike.
static DEFINITIONS: &[(&str, &str, &str, PrintRow)] = &[
    ("", "componentstatuses", "Name*|Status|Message|Error", core::component_status),
    ("", "configmaps", "Name*|Data|Age", core::config_map),
    ("", "endpoints", "Name*|Endpoints|Age", network::endpoints),
    ("", "events", EVENT, event::core),
    ("", "namespaces", "Name*|Status|Age", core::namespace),
    ("", "nodes", NODE, node::node),
    ("", "persistentvolumeclaims", CLAIM, storage::claim),
    ("", "persistentvolumes", VOLUME, storage::volume),
    ("", "pods", POD, pod::pod),
    ("", "podtemplates", "Name*|Containers|Images|Pod Labels", workload::pod_template),
    ("", "replicationcontrollers", REPLICAS, workload::replication_controller),
    ("", "resourcequotas", "Name*|Request|Limit|Age", core::resource_quota),
    ("", "secrets", "Name*|Type|Data|Age", core::secret),
    ("", "serviceaccounts", "Name*|Age", core::name_and_age),
    ("", "services", "Name*|Type|Cluster-IP|External-IP|Port(s)|Age|Selector!", network::service),
    (ADMISSION, "mutatingadmissionpolicies", "Name*|Mutations:integer|ParamKind|Age", cluster::mutating_policy),
    (ADMISSION, "mutatingadmissionpolicybindings", "Name*|PolicyName|ParamRef|Age", cluster::policy_binding),
    (ADMISSION, "mutatingwebhookconfigurations", "Name*|Webhooks:integer|Age", cluster::webhooks),
    (ADMISSION, "validatingadmissionpolicies", "Name*|Validations:integer|ParamKind|Age", cluster::validating_policy),
    (ADMISSION, "validatingadmissionpolicybindings", "Name*|PolicyName|ParamRef|Age", cluster::policy_binding),
    (ADMISSION, "validatingwebhookconfigurations", "Name*|Webhooks:integer|Age", cluster::webhooks),
    ("apiregistration.k8s.io", "apiservices", "Name*|Service|Available|Age", cluster::api_service),
    ("apps", "controllerrevisions", "Name*|Controller|Revision|Age", workload::controller_revision),
    ("apps", "daemonsets", DAEMON_SET, workload::daemon_set),
    ("apps", "deployments", "Name*|Ready|Up-to-date|Available|Age|Containers!|Images!|Selector!", workload::deployment),
    ("apps", "replicasets", REPLICAS, workload::replica_set),
    ("apps", "statefulsets", "Name*|Ready|Age|Containers!|Images!", workload::stateful_set),
    ("autoscaling", "horizontalpodautoscalers", SCALER, autoscaling::scaler),
    ("autoscaling", "scales", "Name*|Desired:integer|Available:integer|Age", autoscaling::scale),
    ("batch", "cronjobs", CRON_JOB, workload::cron_job),
    ("batch", "jobs", "Name*|Status|Completions|Duration|Age|Containers!|Images!|Selector!", workload::job),
    (CERTIFICATES, "certificatesigningrequests", SIGNING_REQUEST, cluster::signing_request),
    ("coordination.k8s.io", "leases", "Name*|Holder|Age", cluster::lease),
    ("discovery.k8s.io", "endpointslices", "Name*|AddressType|Ports|Endpoints|Age", network::endpoint_slice),
    ("events.k8s.io", "events", EVENT, event::v1),
    (FLOW_CONTROL, "flowschemas", FLOW_SCHEMA, cluster::flow_schema),
    (FLOW_CONTROL, "prioritylevelconfigurations", PRIORITY_LEVEL, cluster::priority_level),
    (NETWORKING, "ingressclasses", "Name*|Controller|Parameters|Age", network::ingress_class),
    (NETWORKING, "ingresses", "Name*|Class|Hosts|Address|Ports|Age", network::ingress),
    (NETWORKING, "ipaddresses", "Name*|ParentRef", network::ip_address),
    (NETWORKING, "networkpolicies", "Name*|Pod-Selector|Age", network::network_policy),
    (NETWORKING, "servicecidrs", "Name*|CIDRs|Age", network::service_cidr),
    ("node.k8s.io", "runtimeclasses", "Name*|Handler|Age", cluster::runtime_class),
    ("policy", "poddisruptionbudgets", BUDGET, cluster::disruption_budget),
    (RBAC, "clusterrolebindings", BINDING, cluster::role_binding),
    (RBAC, "rolebindings", BINDING, cluster::role_binding),
    ("resource.k8s.io", "deviceclasses", "Name*|Age", core::name_and_age),
    ("resource.k8s.io", "resourceclaims", "Name*|State|Age", cluster::resource_claim),
    ("resource.k8s.io", "resourceclaimtemplates", "Name*|Age", core::name_and_age),
    ("resource.k8s.io", "resourceslices", "Name*|Node|Driver|Pool|Age", cluster::resource_slice),
    ("scheduling.k8s.io", "priorityclasses", PRIORITY_CLASS, cluster::priority_class),
    (STORAGE, "csidrivers", CSI_DRIVER, storage::csi_driver),
    (STORAGE, "csinodes", "Name*|Drivers:integer|Age", storage::csi_node),
    (STORAGE, "storageclasses", STORAGE_CLASS, storage::class),
    (STORAGE, "volumeattachments", "Name*|Attacher*|PV|Node|Attached:boolean|Age", storage::attachment),
    (STORAGE, "volumeattributesclasses", "Name*|DriverName|Age", storage::attributes_class),
];

const ADMISSION: &str = "admissionregistration.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const FLOW_CONTROL: &str = "flowcontrol.apiserver.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const STORAGE: &str = "storage.k8s.io";

const EVENT: &str = "Last Seen|Type|Reason|Object|Subobject!|Source!|Message|First Seen!|Count!|Name*!";
const NODE: &str =
    "Name*|Status|Roles|Age|Version|Internal-IP!|External-IP!|OS-Image!|Kernel-Version!|Container-Runtime!";
const CLAIM: &str = "Name*|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|VolumeMode!";
const VOLUME: &str =
    "Name*|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|VolumeMode!";
const POD: &str = "Name*|Ready|Status|Restarts|Age|IP!|Node!|Nominated Node!|Readiness Gates!";
const REPLICAS: &str = "Name*|Desired:integer|Current:integer|Ready:integer|Age|Containers!|Images!|Selector!";
const DAEMON_SET: &str = "Name*|Desired:integer|Current:integer|Ready:integer|Up-to-date:integer|Available:integer|Node Selector|Age|Containers!|Images!|Selector!";
const SCALER: &str = "Name*|Reference|Targets|MinPods|MaxPods|Replicas|Age";
const CRON_JOB: &str =
    "Name*|Schedule|Timezone|Suspend:boolean|Active:integer|Last Schedule|Age|Containers!|Images!|Selector!";
const SIGNING_REQUEST: &str = "Name*|Age|SignerName|Requestor|RequestedDuration|Condition";
const FLOW_SCHEMA: &str = "Name*|PriorityLevel|MatchingPrecedence|DistinguisherMethod|Age|MissingPL";
const PRIORITY_LEVEL: &str = "Name*|Type|NominalConcurrencyShares|Queues|HandSize|QueueLengthLimit|Age";
const BUDGET: &str = "Name*|Min Available|Max Unavailable|Allowed Disruptions:integer|Age";
const BINDING: &str = "Name*|Role|Age|Users!|Groups!|ServiceAccounts!";
const PRIORITY_CLASS: &str = "Name*|Value:integer|Global-Default:boolean|Age|PreemptionPolicy";
const CSI_DRIVER: &str = "Name*|AttachRequired:boolean|PodInfoOnMount:boolean|StorageCapacity:boolean|TokenRequests|RequiresRepublish:boolean|Modes|Age";
const STORAGE_CLASS: &str = "Name*|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age";

/// Columns and function of a resource; `Name` and `Created At` where it has none of its own.
pub(super) fn lookup(group: &str, plural: &str) -> (&'static str, PrintRow) {
    let own = DEFINITIONS.iter().find(|(g, p, ..)| *g == group && *p == plural);
    own.map_or(("Name*|Created At:date", core::name_and_creation), |(_, _, columns, row)| (columns, *row))
}
