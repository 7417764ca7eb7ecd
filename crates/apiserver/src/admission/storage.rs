//! StorageObjectInUseProtection and PersistentVolumeClaimResize: volumes, claims and attribute classes stay while
//! something uses them, and only claims whose class allows it grow
//! (`k8s.io/kubernetes/plugin/pkg/admission/storage`).

use super::{Plugin, forbidden, is, list, list_mut, text};
use crate::SharedReader;
use crate::chain::{Attributes, Operation};
use api::quantity::Quantity;
use api::status::Status;
use serde_json::Value;

const PROTECTED: [(&str, &str, &str); 3] = [
    ("", "persistentvolumeclaims", "kubernetes.io/pvc-protection"),
    ("", "persistentvolumes", "kubernetes.io/pv-protection"),
    ("storage.k8s.io", "volumeattributesclasses", "kubernetes.io/vac-protection"),
];

/// StorageObjectInUseProtection.
pub(super) struct StorageObjectInUseProtection;

impl Plugin for StorageObjectInUseProtection {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        if attributes.operation != Operation::Create {
            return Ok(());
        }
        let protected = PROTECTED.iter().find(|(group, plural, _)| is(attributes, group, plural, ""));
        let Some((_, _, finalizer)) = protected else { return Ok(()) };
        if list(&attributes.object["metadata"]["finalizers"]).all(|one| one != finalizer) {
            let metadata = api::meta::metadata_mut(&mut attributes.object);
            list_mut(metadata, "finalizers").push((*finalizer).into());
        }
        Ok(())
    }
}

/// PersistentVolumeClaimResize.
pub(super) struct PersistentVolumeClaimResize {
    reader: SharedReader,
}

impl PersistentVolumeClaimResize {
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }

    fn allows_expansion(&self, claim: &Value) -> bool {
        let class = text(&claim["spec"]["storageClassName"]);
        !class.is_empty()
            && self
                .reader
                .get("storage.k8s.io", "storageclasses", "", class)
                .is_some_and(|class| class["allowVolumeExpansion"] == true)
    }
}

fn size(claim: &Value) -> Option<Quantity> {
    Quantity::parse(text(&claim["spec"]["resources"]["requests"]["storage"])).ok()
}

impl Plugin for PersistentVolumeClaimResize {
    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        if attributes.operation != Operation::Update || !is(attributes, "", "persistentvolumeclaims", "") {
            return Ok(());
        }
        let (new, old) = (&attributes.object, attributes.old);
        let grows = matches!((size(new), size(old)), (Some(new), Some(old)) if new > old);
        if !grows {
            return Ok(());
        }
        if old["status"]["phase"] != "Bound" {
            return Err(forbidden(attributes, "Only bound persistent volume claims can be expanded"));
        }
        if !self.allows_expansion(old) {
            let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
            return Err(forbidden(attributes, why));
        }
        Ok(())
    }
}
