//! Where the kubelet keeps things on its node, with upstream's names.

use crate::pod;
use k8s_openapi::api::core::v1::Pod;
use std::path::{Path, PathBuf};

/// The roots; several kubelets on one machine have different ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `--root-dir`, `/var/lib/kubelet`.
    pub root: PathBuf,
    /// `/var/log/pods`
    pub pod_logs: PathBuf,
    /// `/var/log/containers`: links named after pod and container.
    pub container_logs: PathBuf,
}

impl Paths {
    /// Where the directories of pods are.
    pub fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    /// The directory of a pod.
    pub fn pod(&self, uid: &str) -> PathBuf {
        self.pods().join(uid)
    }

    /// Where the volumes of a pod are.
    pub fn volumes(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("volumes")
    }

    /// The directory of one volume; `plugin` as in `kubernetes.io/empty-dir`.
    pub fn volume(&self, uid: &str, plugin: &str, name: &str) -> PathBuf {
        self.volumes(uid).join(plugin.replace('/', "~")).join(name)
    }

    /// The pod's /etc/hosts.
    pub fn hosts(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("etc-hosts")
    }

    /// The pod's /etc/resolv.conf.
    pub fn resolv_conf(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("resolv.conf")
    }

    /// The pod's /etc/hostname.
    pub fn hostname(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("hostname")
    }

    /// The file that one instance of a container writes its termination message to.
    pub fn termination_message(&self, uid: &str, container: &str, attempt: u32) -> PathBuf {
        self.pod(uid).join("containers").join(container).join(format!("termination-log-{attempt}"))
    }

    /// Where subPath mounts of a container are held.
    pub fn subpaths(&self, uid: &str, volume: &str, container: &str) -> PathBuf {
        self.pod(uid).join("volume-subpaths").join(volume).join(container)
    }

    /// The pod ranges that the node was given last, for a start without an API server.
    pub fn pod_cidrs(&self) -> PathBuf {
        self.root.join("pod_cidrs")
    }

    /// Where seccomp profiles of the node lie.
    pub fn seccomp(&self) -> PathBuf {
        self.root.join("seccomp")
    }

    /// The directory of a pod's logs: `NS_NAME_UID`.
    pub fn log_directory(&self, pod: &Pod) -> PathBuf {
        self.pod_logs.join(format!("{}_{}_{}", pod::namespace(pod), pod::name(pod), pod::uid(pod)))
    }

    /// The log of one instance.
    pub fn log(&self, pod: &Pod, container: &str, attempt: u32) -> PathBuf {
        self.log_directory(pod).join(log_path(container, attempt))
    }

    /// The link in `/var/log/containers`: `POD_NS_CONTAINER-ID.log`.
    pub fn log_link(&self, pod: &Pod, container: &str, id: &str) -> PathBuf {
        self.container_logs.join(format!("{}_{}_{container}-{id}.log", pod::name(pod), pod::namespace(pod)))
    }

    /// The links to logs of the pod. They are looked for, as an instance that the runtime has forgotten, in a removal
    /// that was cut short, may have left one.
    pub fn log_links(&self, pod: &Pod) -> impl Iterator<Item = PathBuf> + use<> {
        let logs = self.log_directory(pod);
        let links = std::fs::read_dir(&self.container_logs).into_iter().flatten().flatten();
        links.map(|entry| entry.path()).filter(move |link| link.read_link().is_ok_and(|log| log.starts_with(&logs)))
    }
}

/// An instance's log, relative to the pod's log directory.
pub fn log_path(container: &str, attempt: u32) -> PathBuf {
    Path::new(container).join(format!("{attempt}.log"))
}
