//! DefaultStorageClass and DefaultIngressClass: claims and ingresses without a class get the cluster's default one
//! (`k8s.io/kubernetes/plugin/pkg/admission/{storage/storageclass/setdefault,network/defaultingressclass}`).

use super::{Plugin, is, text};
use crate::SharedReader;
use crate::chain::{Attributes, Operation};
use api::status::Status;
use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;

const STORAGE_DEFAULT: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
const INGRESS_DEFAULT: [&str; 1] = ["ingressclass.kubernetes.io/is-default-class"];
/// Where claims and ingresses named their class before there was a field.
const OLD_STORAGE_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const OLD_INGRESS_CLASS: &str = "kubernetes.io/ingress.class";

/// Both plugins.
pub(super) struct DefaultClass {
    reader: SharedReader,
}

impl DefaultClass {
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }

    /// The default class: of several the newest, of equally old ones the first by name.
    fn default(&self, group: &str, plural: &str, marks: &[&str]) -> Option<Arc<Value>> {
        let mut all = self.reader.list(group, plural, None);
        all.retain(|class| marks.iter().any(|mark| class["metadata"]["annotations"][*mark] == "true"));
        let meta = |class: &Arc<Value>, field: &str| text(&class["metadata"][field]).to_owned();
        all.into_iter().min_by_key(|class| (Reverse(meta(class, "creationTimestamp")), meta(class, "name")))
    }
}

fn is_set(attributes: &Attributes<'_>, field: &str, annotation: &str) -> bool {
    let object = &attributes.object;
    !object["spec"][field].is_null() || !object["metadata"]["annotations"][annotation].is_null()
}

impl Plugin for DefaultClass {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        if attributes.operation != Operation::Create {
            return Ok(());
        }
        let (field, class) = if is(attributes, "", "persistentvolumeclaims", "") {
            if is_set(attributes, "storageClassName", OLD_STORAGE_CLASS) {
                return Ok(());
            }
            ("storageClassName", self.default("storage.k8s.io", "storageclasses", &STORAGE_DEFAULT))
        } else if is(attributes, "networking.k8s.io", "ingresses", "") {
            if is_set(attributes, "ingressClassName", OLD_INGRESS_CLASS) {
                return Ok(());
            }
            ("ingressClassName", self.default("networking.k8s.io", "ingressclasses", &INGRESS_DEFAULT))
        } else {
            return Ok(());
        };
        if let Some(class) = class {
            let spec = api::meta::child_mut(&mut attributes.object, "spec");
            spec.insert(field.to_owned(), class["metadata"]["name"].clone());
        }
        Ok(())
    }
}
