//! `pintle reset`: takes back what `init` or `join` did to this machine, and names what it leaves.

use super::manifests::{DATASTORE_VOLUME, ETCD_VOLUME};
use super::settings::{KUBERNETES_DIR, pki_dir};
use super::{files, kubelet_service};
use crate::node_files;
use crate::roles::images::{DEFAULT_ROOT, RUN_DIR};
use clap::Args;
use clock::SharedClock;
use nix::mount::{MntFlags, umount2};
use runtime::native::{NativeConfig, NativeRuntime};
use runtime::service::{RuntimeService, SandboxFilter};
use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

/// kubeadm's flags.
#[derive(Debug, Args)]
pub struct ResetFlags {
    /// Reset the node without prompting for confirmation.
    #[arg(long, short)]
    force: bool,
}

const KUBELET_DIR: &str = "/var/lib/kubelet";

/// Resets the node.
///
/// # Errors
/// Not root, no confirmation, the kubelet does not stop, a directory that cannot be removed.
pub async fn run(flags: ResetFlags, clock: SharedClock) -> Result<(), Box<dyn Error>> {
    if !nix::unistd::geteuid().is_root() {
        return Err("execution phase preflight: user is not running as root".into());
    }
    if !flags.force && !confirmed()? {
        return Err("won't proceed; the user didn't answer (Y|y) in order to continue".into());
    }
    println!("[reset] Stopping the kubelet service");
    kubelet_service::stop(&clock).await?;
    println!("[reset] Removing pods of this node");
    remove_pods(&clock).await?;
    println!("[reset] Unmounting mounted directories in {KUBELET_DIR:?}");
    unmount_below(Path::new(KUBELET_DIR))?;
    let directories = [Path::new(node_files::MANIFESTS_PATH), Path::new(KUBELET_DIR), &pki_dir()];
    let stores = state_directories(Path::new(node_files::MANIFESTS_PATH));
    println!("[reset] Deleting contents of directories: [{}]", listed(&directories));
    for directory in directories {
        empty(directory)?;
    }
    if !stores.is_empty() {
        println!("[reset] Deleting contents of stateful directories: [{}]", listed(&stores));
    }
    for store in &stores {
        empty(store)?;
    }
    let names = [
        "admin.conf",
        "super-admin.conf",
        "kubelet.conf",
        "bootstrap-kubelet.conf",
        "controller-manager.conf",
        "scheduler.conf",
        "kube-proxy.conf",
    ];
    let confs: Vec<PathBuf> = names.iter().map(|name| Path::new(KUBERNETES_DIR).join(name)).collect();
    println!("[reset] Deleting files: [{}]", listed(&confs));
    for file in confs
        .iter()
        .map(PathBuf::as_path)
        .chain([Path::new(node_files::UNIT_PATH), Path::new(node_files::DROP_IN_PATH)])
    {
        files::remove(file)?;
    }
    remove_link()?;
    println!(
        "
The reset process leaves on this machine:
- the images in {DEFAULT_ROOT}; `pintle image rm NAME` removes one
- /etc/default/kubelet, which is the administrator's
- logs of pods in /var/log/pods, and {}
- the bridge, routes and packet rules of pods until the machine starts again
- kubeconfig files such as $HOME/.kube/config
The cluster, if there is one still, keeps the object of this node until `kubectl delete node` removes it.",
        kubelet_service::LOG_FILE
    );
    Ok(())
}

fn listed(paths: &[impl AsRef<Path>]) -> String {
    paths.iter().map(|path| path.as_ref().display().to_string()).collect::<Vec<_>>().join(" ")
}

/// Where the control plane of these manifests keeps its state: an etcd or a directory of somebody else's stays.
fn state_directories(manifests: &Path) -> Vec<PathBuf> {
    let directory = |(file, volume): (&str, &str)| {
        let bytes = fs::read(manifests.join(file)).ok()?;
        let pod = api::codec::decode_yaml(&bytes).ok()?.value;
        let found = pod["spec"]["volumes"].as_array()?.iter().find(|one| one["name"] == volume)?;
        found["hostPath"]["path"].as_str().map(PathBuf::from)
    };
    [("kube-apiserver.yaml", DATASTORE_VOLUME), ("etcd.yaml", ETCD_VOLUME)].into_iter().filter_map(directory).collect()
}

fn confirmed() -> io::Result<bool> {
    println!("[reset] WARNING: Changes made to this host by 'pintle init' or 'pintle join' will be reverted.");
    print!("[reset] Are you sure you want to proceed? [y/N]: ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

async fn remove_pods(clock: &SharedClock) -> Result<(), Box<dyn Error>> {
    if !Path::new(DEFAULT_ROOT).exists() {
        return Ok(());
    }
    let config = NativeConfig::new(Path::new(DEFAULT_ROOT), Path::new(RUN_DIR), clock.clone());
    let runtime = NativeRuntime::open(config).await?;
    for sandbox in runtime.list_pod_sandboxes(SandboxFilter::default()).await? {
        let metadata = &sandbox.metadata;
        if let Err(error) = runtime.remove_pod_sandbox(&sandbox.id).await {
            // the others are to go all the same
            eprintln!("warning: pod {}/{} could not be removed: {error}", metadata.namespace, metadata.name);
        }
    }
    Ok(())
}

/// Lets go of every mount below a directory, deepest first.
fn unmount_below(directory: &Path) -> io::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mut below: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|path| PathBuf::from(path.replace("\\040", " ")))
        .filter(|path| path.starts_with(directory) && path != directory)
        .collect();
    below.sort();
    for path in below.iter().rev() {
        umount2(path, MntFlags::MNT_DETACH)?;
    }
    Ok(())
}

/// Removes what is in a directory, and leaves the directory: it may be a mount.
fn empty(directory: &Path) -> Result<(), files::FileError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(files::at(directory))?,
    };
    for entry in entries {
        let path = entry.map_err(files::at(directory))?.path();
        let removed =
            if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(files::at(&path))?;
    }
    Ok(())
}

/// The link that `init` made for systemd, if it is ours.
fn remove_link() -> Result<(), files::FileError> {
    let program = Path::new(kubelet_service::PROGRAM);
    let ours = fs::read_link(program).ok().is_some_and(|target| Some(target) == std::env::current_exe().ok());
    if ours { files::remove(program) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_where_the_manifests_have_it() {
        let directory = tempfile::tempdir().unwrap();
        assert!(state_directories(directory.path()).is_empty());
        let mut settings = crate::kubeadm::settings::ClusterSettings::default();
        settings.datastore = crate::kubeadm::settings::Datastore::LocalEtcd("/srv/etcd".into());
        for (name, pod) in crate::kubeadm::manifests::all(&settings) {
            fs::write(directory.path().join(format!("{name}.yaml")), api::codec::encode_yaml(&pod)).unwrap();
        }
        assert_eq!(state_directories(directory.path()), [PathBuf::from("/srv/etcd")]);
    }

    #[test]
    fn a_directory_is_emptied_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("a/b")).unwrap();
        fs::write(directory.path().join("c"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere", directory.path().join("d")).unwrap();
        empty(directory.path()).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(empty(&directory.path().join("missing")).is_ok());
    }
}
