//! `--controllers`: `*` for all that are on by default, `name` to turn one on, `-name` to turn one off. Pure.

use crate::CONTROLLERS;
use std::str::FromStr;

/// Off unless named: upstream's `ControllersDisabledByDefault`. kubeadm names them.
const OFF_BY_DEFAULT: [&str; 2] = ["bootstrap-signer-controller", "token-cleaner-controller"];

/// Which controllers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerSelection(Vec<String>);

/// A name in `--controllers` that no controller has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not in the list of known controllers")]
pub struct SelectionError(String);

impl ControllerSelection {
    /// Every controller there is.
    pub fn all() -> Self {
        Self(std::iter::once("*".to_owned()).chain(OFF_BY_DEFAULT.map(str::to_owned)).collect())
    }

    /// The same but for one, whose other flags turn it off.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.insert(0, format!("-{name}"));
        self
    }

    /// Upstream's `IsControllerEnabled`: what is named wins over the star.
    pub(crate) fn includes(&self, name: &str, alias: &str) -> bool {
        let mut star = false;
        for word in &self.0 {
            let (off, word) = word.strip_prefix('-').map_or((false, word.as_str()), |word| (true, word));
            if word == name || word == alias {
                return !off;
            }
            star |= word == "*" && !off;
        }
        star && !OFF_BY_DEFAULT.contains(&name)
    }
}

/// `--controllers`' own default: `*`.
impl Default for ControllerSelection {
    fn default() -> Self {
        Self(vec!["*".to_owned()])
    }
}

impl FromStr for ControllerSelection {
    type Err = SelectionError;

    /// Names that only upstream has are accepted: manifests that were made for it work.
    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let words: Vec<String> = text.split(',').map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned).collect();
        for word in &words {
            let name = word.trim_start_matches('-');
            let ours = CONTROLLERS.iter().any(|one| one.name == name || one.alias == name);
            if name != "*" && !ours && !UPSTREAM.split_whitespace().any(|known| known == name) {
                return Err(SelectionError(name.to_owned()));
            }
        }
        Ok(Self(words))
    }
}

/// The names of upstream's other controllers, old and new: their work is done elsewhere here, or not yet.
const UPSTREAM: &str = "
    attachdetach persistentvolume-attach-detach-controller
    cloud-node-lifecycle cloud-node-lifecycle-controller cronjob cronjob-controller
    daemonset daemonset-controller deployment deployment-controller
    disruption disruption-controller endpoint endpoints-controller
    endpointslice endpointslice-controller endpointslicemirroring endpointslice-mirroring-controller
    ephemeral-volume ephemeral-volume-controller horizontalpodautoscaling horizontal-pod-autoscaler-controller
    job job-controller kube-apiserver-serving-clustertrustbundle-publisher-controller persistentvolume-binder
    persistentvolume-binder-controller persistentvolume-expander persistentvolume-expander-controller podcertificaterequest-cleaner-controller
    pv-protection persistentvolume-protection-controller pvc-protection persistentvolumeclaim-protection-controller
    replicaset replicaset-controller replicationcontroller replicationcontroller-controller
    resource-claim-controller resourceclaim-controller resourcequota resourcequota-controller
    route node-route-controller selinux-warning-controller service
    service-lb-controller service-cidr-controller
    statefulset statefulset-controller legacy-serviceaccount-token-cleaner-controller storageversion-garbage-collector
    storageversion-garbage-collector-controller storage-version-migrator-controller device-taint-eviction-controller ttl
    ttl-controller ttl-after-finished ttl-after-finished-controller validatingadmissionpolicy-status-controller
    volumeattributesclass-protection-controller vac-protection
";

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(text: &str, name: &str, alias: &str) -> bool {
        text.parse::<ControllerSelection>().unwrap().includes(name, alias)
    }

    #[test]
    fn stars_names_and_exceptions() {
        let signer = ("bootstrap-signer-controller", "bootstrapsigner");
        let namespace = ("namespace-controller", "namespace");
        for (text, (name, alias), on) in [
            ("*", namespace, true),
            ("*", signer, false),
            ("*,bootstrapsigner,tokencleaner", signer, true),
            ("*,-namespace", namespace, false),
            ("-namespace-controller,*", namespace, false),
            ("bootstrap-signer-controller", namespace, false),
        ] {
            assert_eq!(runs(text, name, alias), on, "{text} {name}");
        }
        assert!(ControllerSelection::all().includes(signer.0, signer.1));
        assert_eq!("*,nonsense".parse::<ControllerSelection>(), Err(SelectionError("nonsense".to_owned())));
    }
}
