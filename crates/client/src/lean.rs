//! Which parts of objects informers keep.

mod pod;

pub use pod::{Container, Pod, PodCondition, PodSpec, PodStatus, Requests};

use crate::parts::{Fields, Part};
use k8s_openapi::api::core::v1::Node;

/// The parts of objects that are of use to any of an informer's users: the others are not even decoded.
#[derive(Debug)]
pub struct Trim<K> {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static Fields<'static>,
    pub(crate) share: Share<K>,
}

/// Lets an object hold together with another what is equal in both.
pub(crate) type Share<K> = fn(&mut K, like: &K);

impl<K> Trim<K> {
    /// The name tells trims apart.
    pub const fn new(name: &'static str, fields: &'static Fields<'static>) -> Self {
        Self { name, fields, share: |_, _| {} }
    }

    /// The same, with what an object may hold together with one like it.
    const fn sharing(self, share: Share<K>) -> Self {
        Self { share, ..self }
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

/// Pods as scheduler and controllers keep them; [`Pod`] says what of them. A component that comes to need more adds it there, and
/// is still served by the informer of all.
pub const CONTROL_PLANE_PODS: Trim<Pod> = Trim::new("control plane", &POD).sharing(pod::share);

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
                named: &[("allocatable", Part::Whole), ("conditions", Part::Fields(&VERDICT)), ("images", Part::Whole)],
                others: Part::Nothing,
            }),
        ),
    ],
    others: Part::Whole,
};

/// Of a condition, what it says, and not why.
const VERDICT: Fields<'static> =
    Fields { named: &[("message", Part::Nothing), ("reason", Part::Nothing)], others: Part::Whole };

const POD: Fields<'static> = Fields { named: &[("metadata", Part::Fields(&METADATA))], others: Part::Whole };

#[cfg(test)]
mod tests {
    use super::{CONTROL_PLANE_NODES, CONTROL_PLANE_PODS, Node, Pod, pod};
    use crate::parts;
    use serde_json::json;
    use std::sync::Arc;

    /// What the informers hold of ten thousand pods: k8s-openapi's types have 2.4 kB, and 2.1 kB for a container.
    #[test]
    fn of_pods_what_places_and_counts_them_stays() {
        let container = json!({"image": "i", "resources": {"requests": {"cpu": "1"}}, "restartPolicy": "Always",
            "ports": [{"containerPort": 80, "hostPort": 80}]});
        let ready = json!({"type": "Ready", "status": "True", "observedGeneration": 3});
        let kept = json!({"metadata": {"name": "p", "labels": {"a": "b"}},
            "spec": {"containers": [container], "initContainers": [container], "nodeName": "n", "nodeSelector": {"a": "b"},
                "tolerations": [{"key": "t"}], "overhead": {"cpu": "1m"}, "priority": 7, "schedulerName": "s",
                "preemptionPolicy": "Never", "schedulingGates": [{"name": "g"}], "resources": {"requests": {"cpu": "2"}},
                "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "k"}]}},
                "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule"}]},
            "status": {"phase": "Running", "conditions": [ready]}});
        let mut whole = kept.clone();
        whole["metadata"]["annotations"] = json!({"x": "y"});
        whole["metadata"]["managedFields"] = json!([{"manager": "m", "fieldsV1": {"f:spec": {}}}]);
        whole["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
        whole["status"]["containerStatuses"] =
            json!([{"name": "c", "image": "i", "imageID": "", "ready": true, "restartCount": 0}]);
        whole["status"]["conditions"] = json!([{"type": "Initialized", "status": "True"}, ready]);
        for kind in ["containers", "initContainers"] {
            whole["spec"][kind][0]["env"] = json!([{"name": "E", "value": "1"}]);
            whole["spec"][kind][0]["resources"]["limits"] = json!({"cpu": "1"});
        }
        let read = |text: &str| parts::from_slice::<Pod>(text.as_bytes(), CONTROL_PLANE_PODS.fields).unwrap();
        let pod: Pod = read(&whole.to_string());
        assert_eq!(pod, read(&kept.to_string()));
        // Each of the fields was decoded: with any of them gone the pod is another.
        for (part, fields) in [("spec", 13), ("status", 2)] {
            let names: Vec<String> = kept[part].as_object().unwrap().keys().cloned().collect();
            assert_eq!(names.len(), fields);
            for name in names {
                let mut without = kept.clone();
                without[part].as_object_mut().unwrap().remove(&name);
                assert_ne!(pod, read(&without.to_string()), "{part}.{name}");
            }
        }
        assert_eq!(pod.status.as_ref().unwrap().conditions.as_ref().unwrap()[0].observed_generation, Some(3));
        let mut again = read(&kept.to_string());
        pod::share(&mut again, &pod);
        let (own, like) = (again.spec.as_ref().unwrap(), pod.spec.as_ref().unwrap());
        assert!(Arc::ptr_eq(&own.containers, &like.containers) && again == pod);
        assert!(Arc::ptr_eq(own.tolerations.as_ref().unwrap(), like.tolerations.as_ref().unwrap()));
        let mut other = kept.clone();
        other["spec"]["containers"][0]["image"] = json!("j");
        let mut other = read(&other.to_string());
        let before = other.clone();
        pod::share(&mut other, &pod);
        assert!(other == before && other.spec.unwrap().containers[0].image.as_deref() == Some("j"));
        assert!(size_of::<Pod>() < 1024 && size_of::<super::Container>() < 128);
    }

    #[test]
    fn of_a_nodes_conditions_what_they_say_stays() {
        let whole = json!({"metadata": {"name": "n"}, "status": {"nodeInfo": {"machineID": "m"}, "conditions": [
            {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "all is well"}]}});
        let node: Node = parts::from_slice(whole.to_string().as_bytes(), CONTROL_PLANE_NODES.fields).unwrap();
        let condition = &node.status.unwrap().conditions.unwrap()[0];
        assert_eq!((&*condition.type_, &*condition.status), ("Ready", "True"));
        assert_eq!((&condition.reason, &condition.message), (&None, &None));
    }
}
