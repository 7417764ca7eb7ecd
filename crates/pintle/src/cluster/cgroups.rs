//! A cluster's cgroups: joining one, ending everything in one. Works on v1, v2 and hybrid mounts alike, by looking for
//! directories instead of asking which it is.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where all hierarchies are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// Hierarchies of v1 that a node's processes join. cpuset is left out: a new group there takes no process before it
/// has been given cpus.
const CONTROLLERS: [&str; 5] = ["memory", "pids", "cpu,cpuacct", "cpu", "cpuacct"];

/// How often [`kill`] looks again for processes that were born meanwhile.
const KILL_ROUNDS_MAX: usize = 200;

/// The roots of the hierarchies to use: the one of v2, or those of v1.
fn roots() -> Vec<PathBuf> {
    let mount = Path::new(MOUNT);
    if mount.join("cgroup.controllers").exists() {
        return vec![mount.to_owned()];
    }
    CONTROLLERS
        .iter()
        .map(|name| mount.join(name))
        // cpu and cpuacct are often links to the joint hierarchy
        .filter(|path| path.join("cgroup.procs").exists() && !path.is_symlink())
        .collect()
}

/// Puts this process into the cgroup `name` (relative, made when missing) of every hierarchy.
pub fn join(name: &str) -> io::Result<()> {
    for root in roots() {
        let directory = root.join(name);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("cgroup.procs"), std::process::id().to_string())?;
    }
    Ok(())
}

/// Kills every process in and below the cgroup `name`, waits for their end, and removes the cgroup.
pub fn kill(name: &str, wait: impl Fn()) -> io::Result<()> {
    for _ in 0..KILL_ROUNDS_MAX {
        let pids: BTreeSet<i32> = roots().iter().flat_map(|root| processes(&root.join(name))).collect();
        if pids.is_empty() {
            break;
        }
        for pid in pids {
            // gone already is what we want
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        wait();
    }
    hierarchies().iter().try_for_each(|root| remove(&root.join(name)))
}

/// Every hierarchy that is mounted: containers are given groups also in those that no process of ours joins.
fn hierarchies() -> Vec<PathBuf> {
    let mount = Path::new(MOUNT);
    let below = children(mount).into_iter().filter(|path| path.join("cgroup.procs").exists());
    std::iter::once(mount.to_owned()).filter(|path| path.join("cgroup.procs").exists()).chain(below).collect()
}

fn processes(directory: &Path) -> Vec<i32> {
    let own = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    let own = own.lines().filter_map(|line| line.parse().ok());
    own.chain(children(directory).iter().flat_map(|child| processes(child))).collect()
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

fn remove(directory: &Path) -> io::Result<()> {
    children(directory).iter().try_for_each(|child| remove(child))?;
    match fs::remove_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
