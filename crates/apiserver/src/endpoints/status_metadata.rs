//! Metadata that a `status` endpoint puts back: some kinds' strategies let their status change nothing else
//! (`ResetObjectMetaForStatus`).

use api::meta::{ObjectMeta, metadata_mut};
use registry::Resource;
use serde_json::Value;

const ALL: &[&str] = &["labels", "annotations", "finalizers", "ownerReferences"];

/// The fields that the endpoint of a kind puts back.
fn fields(group: &str, plural: &str) -> &'static [&'static str] {
    match (group, plural) {
        ("apps", "deployments") => &["labels"],
        ("apiregistration.k8s.io" | "flowcontrol.apiserver.k8s.io" | "storagemigration.k8s.io", _)
        | ("admissionregistration.k8s.io", "validatingadmissionpolicies")
        | ("certificates.k8s.io", "podcertificaterequests")
        | ("networking.k8s.io", "servicecidrs")
        | ("resource.k8s.io", "resourceclaims" | "devicetaintrules")
        | ("storage.k8s.io", "volumeattachments") => ALL,
        _ => &[],
    }
}

/// Takes these fields from the stored object.
pub fn keep(row: &Resource, new: &mut Value, old: &Value) {
    for field in fields(&row.group, &row.plural) {
        let (was, metadata) = (old.metadata().get(*field), metadata_mut(new));
        match was {
            Some(was) => drop(metadata.insert((*field).to_owned(), was.clone())),
            None => drop(metadata.remove(*field)),
        }
    }
}
