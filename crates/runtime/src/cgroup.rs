//! Control groups by hand where libcgroups does not reach: pod-level groups without tasks, limits in place, counters,
//! removal without waiting.
//!
//! libcontainer (through libcgroups) makes the containers' own groups and puts processes into them. Paths here are as in
//! [`crate::service::PodSandboxConfig::cgroup_parent`]: absolute below each hierarchy.

pub(crate) mod driver;

use crate::service::{ContainerResources, ContainerStats, RuntimeError};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// The v1 controllers that pods and containers have groups in.
const V1_CONTROLLERS: [&str; 12] = [
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "hugetlb",
    "memory",
    "pids",
    "perf_event",
    "blkio",
    "net_prio",
    "net_cls",
    "freezer",
];
/// The v2 controllers handed down to pods.
const V2_CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];
/// Rounds of killing a group whose members fork: each sees all that the round before left.
const KILL_ROUNDS_MAX: usize = 16;

/// The kernel's own period of CPU quotas, microseconds.
const CPU_PERIOD_DEFAULT_US: u64 = 100_000;

/// The hierarchies that are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// Legacy and hybrid: controller → its mount.
    V1(BTreeMap<String, PathBuf>),
    /// One hierarchy.
    V2(PathBuf),
}

impl Cgroups {
    /// Looks at this process's mounts.
    pub(crate) fn detect() -> io::Result<Self> {
        let found = Self::parse(&std::fs::read_to_string("/proc/self/mountinfo")?);
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no cgroup file system is mounted"))
    }

    fn parse(mountinfo: &str) -> Option<Self> {
        let mut v1 = BTreeMap::new();
        let mut v2 = None;
        for line in mountinfo.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let Some(mount) = left.split(' ').nth(4) else { continue };
            let mut right = right.split(' ');
            match (right.next(), right.nth(1)) {
                (Some("cgroup"), Some(options)) => {
                    for option in options.split(',').filter(|option| V1_CONTROLLERS.contains(option)) {
                        v1.entry(option.to_owned()).or_insert_with(|| PathBuf::from(mount));
                    }
                }
                (Some("cgroup2"), _) => v2 = v2.or_else(|| Some(PathBuf::from(mount))),
                _ => {}
            }
        }
        if v1.is_empty() { v2.map(Self::V2) } else { Some(Self::V1(v1)) }
    }

    /// Whether there is one hierarchy of version 2.
    pub(crate) fn is_v2(&self) -> bool {
        matches!(self, Self::V2(_))
    }

    /// The group's directories: several names may share one.
    fn directories(&self, path: &str) -> BTreeSet<PathBuf> {
        let relative = path.trim_start_matches('/');
        match self {
            Self::V1(mounts) => mounts.values().map(|mount| mount.join(relative)).collect(),
            Self::V2(mount) => [mount.join(relative)].into(),
        }
    }

    fn directory(&self, controller: &str, path: &str) -> Option<PathBuf> {
        let relative = path.trim_start_matches('/');
        match self {
            Self::V1(mounts) => mounts.get(controller).map(|mount| mount.join(relative)),
            Self::V2(mount) => Some(mount.join(relative)),
        }
    }

    /// Makes a group with its parents. On v1, cpusets inherit from their parents, as a task cannot enter an empty one.
    pub(crate) fn create(&self, path: &str) -> io::Result<()> {
        match self {
            Self::V1(mounts) => {
                for directory in self.directories(path) {
                    std::fs::create_dir_all(directory)?;
                }
                if let Some(mount) = mounts.get("cpuset") {
                    inherit_cpuset(mount, path)?;
                }
                Ok(())
            }
            Self::V2(mount) => {
                let mut directory = mount.clone();
                for part in path.split('/').filter(|part| !part.is_empty()) {
                    let available = std::fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
                    for controller in
                        V2_CONTROLLERS.iter().filter(|name| available.split_whitespace().any(|a| a == **name))
                    {
                        // A busy root may refuse one controller; the others still count.
                        let _ = std::fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}"));
                    }
                    directory.push(part);
                    match std::fs::create_dir(&directory) {
                        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                        _ => {}
                    }
                }
                Ok(())
            }
        }
    }

    /// Writes the limits that are given.
    pub(crate) fn apply(&self, path: &str, resources: &ContainerResources) -> Result<(), RuntimeError> {
        for (controller, file, value) in settings(resources, matches!(self, Self::V2(_))) {
            let Some(directory) = self.directory(controller, path) else {
                return Err(cgroup_error(path, format!("controller {controller} is not mounted")));
            };
            std::fs::write(directory.join(&file), &value)
                .map_err(|error| cgroup_error(path, format!("{file} = {value}: {error}")))?;
        }
        Ok(())
    }

    /// Removes an empty group, with empty groups below it. One that is gone already is fine.
    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        for directory in self.directories(path) {
            remove_tree(&directory)?;
        }
        Ok(())
    }

    /// Every process in the group itself.
    pub(crate) fn processes(&self, path: &str) -> BTreeSet<i32> {
        let read = |directory: &PathBuf| std::fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        let directories = self.directories(path);
        directories
            .iter()
            .flat_map(|directory| read(directory).lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>())
            .collect()
    }

    /// Kills every process in the group; new forks too.
    pub(crate) fn kill(&self, path: &str) {
        if let Self::V2(mount) = self
            && std::fs::write(mount.join(path.trim_start_matches('/')).join("cgroup.kill"), "1").is_ok()
        {
            return;
        }
        let mut killed = BTreeSet::new();
        for _ in 0..KILL_ROUNDS_MAX {
            let fresh: Vec<i32> = self.processes(path).difference(&killed).copied().collect();
            if fresh.is_empty() {
                return;
            }
            for pid in fresh {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
                killed.insert(pid);
            }
        }
    }

    /// How many processes of the group the kernel has killed for memory.
    pub(crate) fn oom_kills(&self, path: &str) -> u64 {
        let file = match self {
            Self::V1(_) => "memory.oom_control",
            Self::V2(_) => "memory.events",
        };
        let Some(directory) = self.directory("memory", path) else { return 0 };
        keyed(&directory.join(file), "oom_kill").unwrap_or(0)
    }

    /// What the group uses.
    pub(crate) fn stats(&self, path: &str) -> ContainerStats {
        let number = |controller: &str, file: &str| -> u64 {
            let directory = self.directory(controller, path);
            let text = directory.and_then(|directory| std::fs::read_to_string(directory.join(file)).ok());
            text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
        };
        let from = |file: &str, key: &str| {
            self.directory("memory", path).and_then(|directory| keyed(&directory.join(file), key)).unwrap_or(0)
        };
        match self {
            Self::V1(_) => {
                let usage = number("memory", "memory.usage_in_bytes");
                ContainerStats {
                    cpu_usage_nanoseconds: number("cpuacct", "cpuacct.usage"),
                    memory_usage_bytes: usage,
                    memory_working_set_bytes: usage.saturating_sub(from("memory.stat", "total_inactive_file")),
                    memory_rss_bytes: from("memory.stat", "total_rss"),
                    pids: number("pids", "pids.current"),
                }
            }
            Self::V2(_) => {
                let usage = number("memory", "memory.current");
                ContainerStats {
                    cpu_usage_nanoseconds: from("cpu.stat", "usage_usec") * 1000,
                    memory_usage_bytes: usage,
                    memory_working_set_bytes: usage.saturating_sub(from("memory.stat", "inactive_file")),
                    memory_rss_bytes: from("memory.stat", "anon"),
                    pids: number("pids", "pids.current"),
                }
            }
        }
    }
}

fn cgroup_error(path: &str, message: String) -> RuntimeError {
    RuntimeError::Cgroup { path: path.to_owned(), message }
}

fn keyed(path: &Path, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

fn inherit_cpuset(mount: &Path, path: &str) -> io::Result<()> {
    let mut directory = mount.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let parent = directory.clone();
        directory.push(part);
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if std::fs::read_to_string(directory.join(file))?.trim().is_empty() {
                std::fs::write(directory.join(file), std::fs::read_to_string(parent.join(file))?.trim())?;
            }
        }
    }
    Ok(())
}

fn remove_tree(directory: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match std::fs::remove_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The files to write, with the controller each belongs to.
fn settings(resources: &ContainerResources, v2: bool) -> Vec<(&'static str, String, String)> {
    let mut out = Vec::new();
    let mut set = |controller, file: &str, value: String| out.push((controller, file.to_owned(), value));
    let unlimited = |value: i64| if value < 0 { "max".to_owned() } else { value.to_string() };
    if v2 {
        if let Some(shares) = resources.cpu_shares {
            set("cpu", "cpu.weight", weight_of_shares(shares).to_string());
        }
        if let Some(quota) = resources.cpu_quota_us {
            set(
                "cpu",
                "cpu.max",
                format!("{} {}", unlimited(quota), resources.cpu_period_us.unwrap_or(CPU_PERIOD_DEFAULT_US)),
            );
        }
        if let Some(limit) = resources.memory_limit_bytes {
            set("memory", "memory.max", unlimited(limit));
        }
        for (file, value) in &resources.unified {
            set("memory", file, value.clone());
        }
    } else {
        if let Some(shares) = resources.cpu_shares {
            set("cpu", "cpu.shares", shares.to_string());
        }
        if let Some(period) = resources.cpu_period_us {
            set("cpu", "cpu.cfs_period_us", period.to_string());
        }
        if let Some(quota) = resources.cpu_quota_us {
            set("cpu", "cpu.cfs_quota_us", quota.to_string());
        }
        if let Some(limit) = resources.memory_limit_bytes {
            set("memory", "memory.limit_in_bytes", limit.to_string());
        }
    }
    if let Some(cpus) = &resources.cpuset_cpus {
        set("cpuset", "cpuset.cpus", cpus.clone());
    }
    if let Some(mems) = &resources.cpuset_mems {
        set("cpuset", "cpuset.mems", mems.clone());
    }
    if let Some(limit) = resources.pids_limit {
        set("pids", "pids.max", unlimited(limit));
    }
    out
}

/// The weight of cgroup v2 for shares of v1 (KEP-2254): 2…262144 onto 1…10000.
fn weight_of_shares(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(resources: &ContainerResources, v2: bool, expected: Expect) {
        let lines: Vec<String> =
            settings(resources, v2).iter().map(|(_, file, value)| format!("{file} = {value}")).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn limits_are_written_in_each_versions_own_words() {
        let resources = ContainerResources {
            cpu_shares: Some(102),
            cpu_quota_us: Some(50_000),
            cpu_period_us: Some(100_000),
            memory_limit_bytes: Some(64 << 20),
            pids_limit: Some(-1),
            ..ContainerResources::default()
        };
        check(
            &resources,
            false,
            expect![[r#"
            cpu.shares = 102
            cpu.cfs_period_us = 100000
            cpu.cfs_quota_us = 50000
            memory.limit_in_bytes = 67108864
            pids.max = max"#]],
        );
        check(
            &resources,
            true,
            expect![[r#"
            cpu.weight = 4
            cpu.max = 50000 100000
            memory.max = 67108864
            pids.max = max"#]],
        );
        check(&ContainerResources::default(), true, expect![""]);
    }

    #[test]
    fn shares_become_weights() {
        assert_eq!([2, 1024, 262_144].map(weight_of_shares), [1, 39, 10_000]);
    }

    #[test]
    fn hybrid_counts_as_version_one() {
        let hybrid = "30 24 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      31 24 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let cpu = PathBuf::from("/sys/fs/cgroup/cpu,cpuacct");
        let mounts = [("cpu".to_owned(), cpu.clone()), ("cpuacct".to_owned(), cpu.clone())].into();
        assert_eq!(Cgroups::parse(hybrid), Some(Cgroups::V1(mounts)));
        let group = Cgroups::parse(hybrid).unwrap().directories("/kubepods/x");
        assert_eq!(group, [cpu.join("kubepods/x")].into());
        let unified = "32 24 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
        assert_eq!(Cgroups::parse(unified), Some(Cgroups::V2(PathBuf::from("/sys/fs/cgroup"))));
        assert_eq!(Cgroups::parse("nothing"), None);
    }
}
