//! Checks before anything is touched, by kubeadm's names, so that `--ignore-preflight-errors` takes the same words.

use super::settings::{ClusterSettings, Datastore, KUBERNETES_DIR, pki_dir};
use super::{kubelet_service, manifests};
use crate::node_files::MANIFESTS_PATH;
use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `Port-6443`
    pub check: String,
    /// What is wrong.
    pub message: String,
}

/// kubeadm's list of what keeps it from going on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "execution phase preflight: [preflight] Some fatal errors occurred:\n{0}[preflight] If you know what you are doing, you can make a check non-fatal with `--ignore-preflight-errors=...`"
)]
pub struct PreflightError(String);

/// Sorts problems into errors and, for ignored ones, warnings, which are printed.
///
/// # Errors
/// [`PreflightError`] when there is any that is not ignored.
pub fn report(problems: &[Problem], ignored: &[String]) -> Result<(), PreflightError> {
    let ignored: BTreeSet<String> = ignored.iter().map(|name| name.to_lowercase()).collect();
    let is_ignored = |problem: &Problem| ignored.contains("all") || ignored.contains(&problem.check.to_lowercase());
    let mut fatal = String::new();
    for problem in problems {
        let level = if is_ignored(problem) { "WARNING" } else { "ERROR" };
        let line = format!("\t[{level} {}]: {}\n", problem.check, problem.message);
        if is_ignored(problem) {
            eprint!("{line}");
        } else {
            fatal.push_str(&line);
        }
    }
    if fatal.is_empty() { Ok(()) } else { Err(PreflightError(fatal)) }
}

fn problem(check: impl Into<String>, message: impl Into<String>) -> Option<Problem> {
    Some(Problem { check: check.into(), message: message.into() })
}

/// `--etc-kubernetes-manifests-kube-apiserver.yaml`
fn dashed(path: &Path) -> String {
    path.display().to_string().replace('/', "-")
}

fn is_root() -> Option<Problem> {
    let root = nix::unistd::geteuid().is_root();
    if root { None } else { problem("IsPrivilegedUser", "user is not running as root") }
}

fn port(port: u16) -> Option<Problem> {
    match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
        Ok(_) => None,
        Err(_) => problem(format!("Port-{port}"), format!("Port {port} is in use")),
    }
}

fn file_available(path: &Path) -> Option<Problem> {
    if !path.exists() {
        return None;
    }
    problem(format!("FileAvailable-{}", dashed(path)), format!("{} already exists", path.display()))
}

fn directory_empty(path: &Path) -> Option<Problem> {
    let used = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        problem(format!("DirAvailable-{}", dashed(path)), format!("{} is not empty", path.display()))
    } else {
        None
    }
}

/// Another kubelet in the place of ours would be started in its stead.
fn kubelet_program() -> Option<Problem> {
    let program = Path::new(kubelet_service::PROGRAM);
    let installed = fs::canonicalize(program).ok()?;
    let own = fs::canonicalize("/proc/self/exe").ok()?;
    if installed == own {
        return None;
    }
    let message = format!("{} is another program than this one; it would be started as the kubelet", program.display());
    problem("KubeletProgram", message)
}

fn cgroups() -> Option<Problem> {
    let mounted =
        Path::new("/sys/fs/cgroup/cgroup.controllers").exists() || Path::new("/sys/fs/cgroup/memory").exists();
    if mounted { None } else { problem("SystemVerification", "missing required cgroups: memory") }
}

/// What `init` looks at.
pub fn init(settings: &ClusterSettings) -> Vec<Problem> {
    let mut problems = vec![is_root()];
    problems.extend(settings.problems().into_iter().map(|message| problem("Configuration", message)));
    problems.extend([settings.bind_port, 10259, 10257, 10250].map(port));
    let manifests = manifests::all(settings);
    let files = manifests.iter().map(|(name, _)| Path::new(MANIFESTS_PATH).join(format!("{name}.yaml")));
    problems.extend(files.map(|path| file_available(&path)));
    match &settings.datastore {
        Datastore::Embedded(dir) => problems.push(directory_empty(dir)),
        Datastore::LocalEtcd(dir) => {
            problems.extend([2379, 2380].map(port));
            problems.push(directory_empty(dir));
            if etcd_program().is_none() {
                problems.push(problem("FileExisting-etcd", "etcd not found in system path"));
            }
        }
        Datastore::ExternalEtcd { .. } => {}
    }
    problems.extend([kubelet_program(), cgroups()]);
    problems.into_iter().flatten().collect()
}

/// What `join` looks at.
pub fn join(node_name: &str) -> Vec<Problem> {
    let mut problems = vec![is_root()];
    problems.extend(api::names::dns1123_subdomain(node_name).into_iter().map(|message| {
        problem("Configuration", format!("nodeRegistration.name: Invalid value: {node_name:?}: {message}"))
    }));
    problems.push(port(10250));
    problems.push(directory_empty(Path::new(MANIFESTS_PATH)));
    let at = |name: &str| Path::new(KUBERNETES_DIR).join(name);
    let files = [at("bootstrap-kubelet.conf"), at("kubelet.conf"), pki_dir().join("ca.crt")];
    problems.extend(files.iter().map(|path| file_available(path)));
    problems.extend([kubelet_program(), cgroups()]);
    problems.into_iter().flatten().collect()
}

/// The etcd program of this machine.
pub fn etcd_program() -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join("etcd")).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_listed_and_can_be_ignored_by_name() {
        let problems = [
            Problem { check: "Port-6443".to_owned(), message: "Port 6443 is in use".to_owned() },
            Problem { check: "NumCPU".to_owned(), message: "too few".to_owned() },
        ];
        let error = report(&problems, &["numcpu".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("\t[ERROR Port-6443]: Port 6443 is in use\n"), "{error}");
        assert!(!error.contains("NumCPU"), "{error}");
        assert_eq!(report(&problems, &["all".to_owned()]), Ok(()));
    }

    #[test]
    fn checks_have_kubeadms_names() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.yaml");
        assert_eq!(file_available(&file), None);
        assert_eq!(directory_empty(directory.path()), None);
        fs::write(&file, "").unwrap();
        let found = file_available(&file).unwrap();
        assert!(found.check.starts_with("FileAvailable--"), "{}", found.check);
        assert!(directory_empty(directory.path()).unwrap().message.ends_with("is not empty"));
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let number = listener.local_addr().unwrap().port();
        assert_eq!(port(number).unwrap().message, format!("Port {number} is in use"));
    }
}
