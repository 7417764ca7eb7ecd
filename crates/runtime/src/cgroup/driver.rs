//! How the groups of pods and containers are named, and who makes them: this runtime by hand, or systemd as its units.
//!
//! Pure. Pods' groups come in cgroupfs form (`/kubepods/burstable/pod<uid>`); for systemd they are slices, with `_` for the
//! `-` of a name, as a `-` leads one slice down (upstream's `CgroupName.ToSystemd`). Containers are scopes in them, whose names are those
//! of other runtimes, so that tools which look for them find them.

use crate::service::ContainerResources;
use std::path::Path;

/// `cgroupDriver`: who makes groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CgroupDriver {
    /// The runtime, as directories.
    #[default]
    Cgroupfs,
    /// systemd, as slices and scopes.
    Systemd,
}

/// The directory that is there where systemd runs the machine (`sd_booted(3)`).
pub(crate) const SYSTEMD_RUNS: &str = "/run/systemd/system";
/// The first part of a scope's name.
const SCOPE_PREFIX: &str = "cri-containerd";

/// A container's group, in the three forms that it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerGroup {
    /// Its path below each hierarchy.
    pub path: String,
    /// `linux.cgroupsPath` of its OCI configuration.
    pub oci: String,
}

impl CgroupDriver {
    /// Where a pod's group lies below each hierarchy. One that is in systemd's form already stays as it is.
    pub(crate) fn pod_path(self, parent: &str) -> String {
        if self == Self::Cgroupfs || parent.ends_with(".slice") {
            return parent.to_owned();
        }
        let (mut path, mut name) = (String::new(), String::new());
        for part in parent.split('/').filter(|part| !part.is_empty()) {
            if !name.is_empty() {
                name.push('-');
            }
            name += &part.replace('-', "_");
            path += &format!("/{name}.slice");
        }
        path
    }

    /// The group of a container of a pod whose group is `pod`.
    pub(crate) fn container_group(self, pod: &str, id: &str) -> ContainerGroup {
        let pod = pod.trim_end_matches('/');
        match self {
            Self::Cgroupfs => {
                let path = format!("{pod}/{id}");
                ContainerGroup { oci: path.clone(), path }
            }
            Self::Systemd => ContainerGroup {
                path: format!("{pod}/{SCOPE_PREFIX}-{id}.scope"),
                oci: format!("{}:{SCOPE_PREFIX}:{id}", unit(pod)),
            },
        }
    }

    /// What `systemctl` is asked for before a pod's group is used; nothing for cgroupfs.
    pub(crate) fn start(self, pod: &str) -> Option<Vec<String>> {
        (self == Self::Systemd).then(|| vec!["start".to_owned(), unit(pod).to_owned()])
    }

    /// What it is asked for when a pod's group is to go.
    pub(crate) fn stop(self, pod: &str) -> Option<Vec<String>> {
        (self == Self::Systemd).then(|| vec!["stop".to_owned(), unit(pod).to_owned()])
    }

    /// What it is asked for so that it does not undo limits that are written by hand: it writes a unit's own whenever it
    /// looks at the unit.
    pub(crate) fn limit(self, path: &str, resources: &ContainerResources, v2: bool) -> Option<Vec<String>> {
        let properties = properties(resources, v2);
        if self == Self::Cgroupfs || properties.is_empty() {
            return None;
        }
        let mut arguments = vec!["set-property".to_owned(), "--runtime".to_owned(), unit(path).to_owned()];
        arguments.extend(properties);
        Some(arguments)
    }
}

/// The unit that a group is: its last part.
fn unit(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Limits in systemd's words; what is `None` stays as it is.
fn properties(resources: &ContainerResources, v2: bool) -> Vec<String> {
    let limit = |value: i64| if value < 0 { "infinity".to_owned() } else { value.to_string() };
    let mut properties = Vec::new();
    if let Some(shares) = resources.cpu_shares {
        properties.push(match v2 {
            true => format!("CPUWeight={}", super::weight_of_shares(shares)),
            false => format!("CPUShares={shares}"),
        });
    }
    if let Some(quota) = resources.cpu_quota_us {
        // in hundredths of a percent, systemd's resolution, rounded up as runc does: less than asked for would throttle
        let period = resources.cpu_period_us.unwrap_or(super::CPU_PERIOD_DEFAULT_US).max(1);
        properties.push(match u64::try_from(quota) {
            Ok(quota) => {
                let hundredths = (quota * 10_000).div_ceil(period);
                format!("CPUQuota={}.{:02}%", hundredths / 100, hundredths % 100)
            }
            Err(_) => "CPUQuota=".to_owned(),
        });
    }
    if let Some(bytes) = resources.memory_limit_bytes {
        properties.push(format!("{}={}", if v2 { "MemoryMax" } else { "MemoryLimit" }, limit(bytes)));
    }
    if let Some(pids) = resources.pids_limit {
        properties.push(format!("TasksMax={}", limit(pids)));
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const POD: &str = "/kubepods/besteffort/pod0f6f-11aa";

    #[test]
    fn pods_are_slices_and_containers_scopes() {
        let pod = CgroupDriver::Systemd.pod_path(POD);
        let guaranteed = CgroupDriver::Systemd.pod_path("/kubepods/pod1-2");
        let below = CgroupDriver::Systemd.pod_path("/my-root/kubepods/pod1");
        let group = CgroupDriver::Systemd.container_group(&pod, "c1");
        let lines = [&pod, &guaranteed, &below, &group.path, &group.oci].map(String::as_str).join("\n");
        expect![[r#"
            /kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0f6f_11aa.slice
            /kubepods.slice/kubepods-pod1_2.slice
            /my_root.slice/my_root-kubepods.slice/my_root-kubepods-pod1.slice
            /kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0f6f_11aa.slice/cri-containerd-c1.scope
            kubepods-besteffort-pod0f6f_11aa.slice:cri-containerd:c1"#]]
        .assert_eq(&lines);
        assert_eq!(CgroupDriver::Systemd.pod_path(&pod), pod, "a second time it is the same");
    }

    #[test]
    fn cgroupfs_takes_paths_as_they_are_and_asks_nobody() {
        let driver = CgroupDriver::Cgroupfs;
        assert_eq!(driver.pod_path(POD), POD);
        let path = format!("{POD}/c1");
        assert_eq!(driver.container_group(POD, "c1"), ContainerGroup { path: path.clone(), oci: path });
        let resources = ContainerResources { cpu_shares: Some(2), ..ContainerResources::default() };
        assert_eq!((driver.start(POD), driver.stop(POD), driver.limit(POD, &resources, true)), (None, None, None));
    }

    #[test]
    fn limits_are_told_to_systemd_in_its_words() {
        let resources = ContainerResources {
            cpu_shares: Some(102),
            cpu_quota_us: Some(12_345),
            cpu_period_us: Some(100_000),
            memory_limit_bytes: Some(64 << 20),
            pids_limit: Some(-1),
            ..ContainerResources::default()
        };
        let pod = CgroupDriver::Systemd.pod_path("/kubepods/pod1");
        let told = |resources, v2| CgroupDriver::Systemd.limit(&pod, resources, v2).map(|words| words.join(" "));
        expect!["set-property --runtime kubepods-pod1.slice CPUWeight=4 CPUQuota=12.35% MemoryMax=67108864 TasksMax=infinity"]
            .assert_eq(&told(&resources, true).unwrap());
        expect!["set-property --runtime kubepods-pod1.slice CPUShares=102 CPUQuota=12.35% MemoryLimit=67108864 TasksMax=infinity"]
            .assert_eq(&told(&resources, false).unwrap());
        assert_eq!(told(&ContainerResources::default(), true), None);
        assert_eq!(CgroupDriver::Systemd.start(&pod).unwrap().join(" "), "start kubepods-pod1.slice");
        assert_eq!(CgroupDriver::Systemd.stop(&pod).unwrap().join(" "), "stop kubepods-pod1.slice");
    }
}
