//! A sandbox's namespaces, held open by bind mounts: no process keeps them.

use crate::service::{NamespaceMode, PodSandboxConfig};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::io;
use std::path::{Path, PathBuf};

/// What containerd sets in every pod's own network namespace: low ports and ping need no privilege.
const NETWORK_SYSCTLS: [(&str, &str); 2] =
    [("net.ipv4.ip_unprivileged_port_start", "0"), ("net.ipv4.ping_group_range", "0 2147483647")];

/// The file that holds a namespace, below the sandbox's run directory.
pub(super) fn file(run: &Path, kind: &str) -> PathBuf {
    run.join("ns").join(kind)
}

/// Which namespaces of its own a sandbox has.
fn own(config: &PodSandboxConfig) -> (CloneFlags, Vec<&'static str>) {
    let mut flags = CloneFlags::empty();
    let mut kinds = Vec::new();
    if config.network != NamespaceMode::Node {
        flags |= CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS;
        kinds.extend(["net", "uts"]);
    }
    if config.ipc != NamespaceMode::Node {
        flags |= CloneFlags::CLONE_NEWIPC;
        kinds.push("ipc");
    }
    (flags, kinds)
}

/// Makes the namespaces, sets host name and sysctls in them, and binds them below `run`. Blocks.
pub(super) fn create(run: &Path, config: &PodSandboxConfig) -> io::Result<()> {
    std::fs::create_dir_all(run.join("ns"))?;
    let (flags, kinds) = own(config);
    if flags.is_empty() {
        return Ok(());
    }
    let (run, config) = (run.to_owned(), config.clone());
    // Namespaces belong to threads: this one goes in, binds them, and ends.
    let worker = std::thread::spawn(move || -> io::Result<()> {
        unshare(flags)?;
        if flags.contains(CloneFlags::CLONE_NEWUTS) && !config.hostname.is_empty() {
            nix::unistd::sethostname(&config.hostname)?;
        }
        if flags.contains(CloneFlags::CLONE_NEWNET) {
            for (name, value) in NETWORK_SYSCTLS.iter().filter(|(name, _)| !config.sysctls.contains_key(*name)) {
                let _ = write_sysctl(name, value); // a kernel without it does without
            }
        }
        for (name, value) in &config.sysctls {
            write_sysctl(name, value)
                .map_err(|error| io::Error::new(error.kind(), format!("sysctl {name}={value}: {error}")))?;
        }
        for kind in kinds {
            let target = file(&run, kind);
            std::fs::File::create(&target)?;
            let source = format!("/proc/thread-self/ns/{kind}");
            mount(Some(source.as_str()), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        }
        Ok(())
    });
    worker.join().unwrap_or_else(|_| Err(io::Error::other("the namespace thread panicked")))
}

fn write_sysctl(name: &str, value: &str) -> io::Result<()> {
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/')) || name.contains("..")
    {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a sysctl's name"));
    }
    std::fs::write(Path::new("/proc/sys").join(name.replace('.', "/")), value)
}

/// Lets the namespaces go; the kernel ends them with their last process.
pub(super) fn release(run: &Path) {
    for kind in ["net", "uts", "ipc", "pid"] {
        let _ = umount2(&file(run, kind), MntFlags::MNT_DETACH);
    }
    let _ = umount2(&run.join("shm"), MntFlags::MNT_DETACH);
}

/// Mounts the memory file system that a sandbox's containers share at /dev/shm.
pub(super) fn mount_shm(run: &Path) -> io::Result<()> {
    let target = run.join("shm");
    std::fs::create_dir_all(&target)?;
    let flags = MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(mount(Some("shm"), &target, Some("tmpfs"), flags, Some("mode=1777,size=67108864"))?)
}
