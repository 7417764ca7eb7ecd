//! Which parts of objects informers keep.

use crate::parts::{Fields, Part};
use k8s_openapi::api::core::v1::{Node, Pod};
use std::marker::PhantomData;

/// The parts of objects that are of use to any of an informer's users: the others are not even decoded.
#[derive(Debug)]
pub struct Trim<K> {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static Fields<'static>,
    of: PhantomData<fn(K)>,
}

impl<K> Trim<K> {
    /// The name tells trims apart.
    pub const fn new(name: &'static str, fields: &'static Fields<'static>) -> Self {
        Self { name, fields, of: PhantomData }
    }
}

impl<K> Clone for Trim<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Trim<K> {}

/// Everything but `managedFields`.
pub(crate) const WITHOUT_MANAGED_FIELDS: Fields<'static> = Fields {
    named: &[("metadata", Part::Fields(&Fields { named: &[("managedFields", Part::Nothing)], others: Part::Whole }))],
    others: Part::Whole,
};

/// Pods as scheduler and controllers keep them: without how containers are started, volumes, and the states of containers.
/// A component that comes to need more of it takes it out of here, and is still served by the informer of all.
pub const CONTROL_PLANE_PODS: Trim<Pod> = Trim::new("control plane", &POD);

/// Nodes as scheduler and controllers keep them: without what describes the machine and its volumes. The same rule.
pub const CONTROL_PLANE_NODES: Trim<Node> = Trim::new("control plane", &NODE);

const METADATA: Fields<'static> =
    Fields { named: &[("managedFields", Part::Nothing), ("annotations", Part::Nothing)], others: Part::Whole };

const NODE: Fields<'static> = Fields {
    named: &[
        ("metadata", Part::Fields(&METADATA)),
        (
            "status",
            Part::Fields(&Fields {
                named: &[("allocatable", Part::Whole), ("conditions", Part::Whole), ("images", Part::Whole)],
                others: Part::Nothing,
            }),
        ),
    ],
    others: Part::Whole,
};

const POD: Fields<'static> = Fields {
    named: &[
        ("metadata", Part::Fields(&METADATA)),
        (
            "spec",
            Part::Fields(&Fields {
                named: &[
                    ("containers", Part::Fields(&CONTAINER)),
                    ("initContainers", Part::Fields(&CONTAINER)),
                    ("ephemeralContainers", Part::Nothing),
                    ("volumes", Part::Nothing),
                ],
                others: Part::Whole,
            }),
        ),
        (
            "status",
            Part::Fields(&Fields {
                named: &[
                    ("containerStatuses", Part::Nothing),
                    ("initContainerStatuses", Part::Nothing),
                    ("ephemeralContainerStatuses", Part::Nothing),
                ],
                others: Part::Whole,
            }),
        ),
    ],
    others: Part::Whole,
};

const CONTAINER: Fields<'static> = Fields {
    named: &[
        ("name", Part::Whole),
        ("image", Part::Whole),
        ("ports", Part::Whole),
        ("resources", Part::Whole),
        ("restartPolicy", Part::Whole),
    ],
    others: Part::Nothing,
};

#[cfg(test)]
mod tests {
    use super::CONTROL_PLANE_PODS;
    use crate::parts;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    #[test]
    fn of_pods_what_places_and_counts_them_stays() {
        let container = json!({"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}, "restartPolicy": "Always",
            "ports": [{"containerPort": 80, "hostPort": 80}]});
        let kept = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}},
            "spec": {"containers": [container], "initContainers": [container], "nodeName": "n", "nodeSelector": {"a": "b"},
                "tolerations": [{"key": "t"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let mut whole = kept.clone();
        whole["metadata"]["annotations"] = json!({"x": "y"});
        whole["metadata"]["managedFields"] = json!([{"manager": "m", "fieldsV1": {"f:spec": {}}}]);
        whole["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
        whole["status"]["containerStatuses"] =
            json!([{"name": "c", "image": "i", "imageID": "", "ready": true, "restartCount": 0}]);
        for kind in ["containers", "initContainers"] {
            whole["spec"][kind][0]["env"] = json!([{"name": "E", "value": "1"}]);
            whole["spec"][kind][0]["command"] = json!(["sh"]);
        }
        let text = whole.to_string();
        let pod: Pod = parts::from_slice(text.as_bytes(), CONTROL_PLANE_PODS.fields).unwrap();
        assert_eq!(serde_json::to_value(pod).unwrap(), kept);
    }
}
