//! The last step before a container's command: finding the executable as Go's `exec.LookPath` does, and becoming it.
//!
//! Why not libcontainer's own: its failures are untyped text. Ours go over a pipe that closes by itself when the exec succeeds.

use super::seccomp;
use crate::service::{StartFailure, StartFailureKind};
use libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use nix::errno::Errno;
use nix::unistd::AccessFlags;
use oci_spec::runtime::{Process, Spec};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// Runs the command and reports failures as JSON on a close-on-exec pipe.
#[derive(Clone)]
pub(super) struct ReportingExecutor {
    report: Rc<OwnedFd>,
    /// HOME, as libcontainer found it in the container's /etc/passwd.
    home: RefCell<Option<String>>,
}

impl ReportingExecutor {
    pub(super) fn new(report: OwnedFd) -> Self {
        Self { report: Rc::new(report), home: RefCell::new(None) }
    }

    fn report(&self, failure: &StartFailure) {
        if let Ok(bytes) = serde_json::to_vec(failure) {
            let _ = nix::unistd::write(&*self.report, &bytes); // the reader being gone leaves nobody to tell
        }
    }
}

impl Executor for ReportingExecutor {
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        let process = spec.process().as_ref().ok_or(ExecutorValidationError::CantHandle("pintle"))?;
        match look_path(process) {
            Ok(_) => Ok(()),
            Err(failure) => {
                self.report(&failure);
                Err(ExecutorValidationError::ArgValidationError(failure.message))
            }
        }
    }

    fn setup_envs(&self, envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        *self.home.borrow_mut() = envs.get("HOME").cloned();
        Ok(()) // the environment is handed to execve in its own order
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let process = spec.process().as_ref().ok_or(ExecutorError::InvalidArg)?;
        let failure = match look_path(process) {
            Ok(path) => match confine(spec, process) {
                Ok(()) => self.become_command(process, &path),
                Err(error) => StartFailure::new(StartFailureKind::CannotRun, format!("seccomp: {error}")),
            },
            Err(failure) => failure,
        };
        self.report(&failure);
        Err(ExecutorError::Other(failure.message))
    }
}

impl ReportingExecutor {
    /// Returns only if it fails.
    fn become_command(&self, process: &Process, path: &str) -> StartFailure {
        let c_string = |text: &str| CString::new(text);
        let mut env = process.env().clone().unwrap_or_default();
        if !env.iter().any(|variable| variable.starts_with("HOME=") && variable.len() > "HOME=".len())
            && let Some(home) = &*self.home.borrow()
        {
            env.push(format!("HOME={home}"));
        }
        let args: Result<Vec<CString>, _> = process.args().iter().flatten().map(|arg| c_string(arg)).collect();
        let env: Result<Vec<CString>, _> = env.iter().map(|variable| c_string(variable)).collect();
        let (Ok(path_c), Ok(args), Ok(env)) = (c_string(path), args, env) else {
            return StartFailure::new(StartFailureKind::CannotRun, "exec: string with a zero byte: invalid argument");
        };
        crate::sys::reset_signals();
        let errno = nix::unistd::execve(&path_c, &args, &env).unwrap_err();
        let kind = match errno {
            Errno::ENOEXEC => StartFailureKind::ExecFormat,
            Errno::EACCES | Errno::EPERM => StartFailureKind::PermissionDenied,
            Errno::ENOENT => StartFailureKind::NoSuchFile,
            _ => StartFailureKind::CannotRun,
        };
        StartFailure::new(kind, format!("exec {path}: {}", go_words(errno)))
    }
}

/// Installs the default seccomp filter if the container is to have it, and gives up the capabilities that only this took.
fn confine(spec: &Spec, process: &Process) -> Result<(), Box<dyn std::error::Error>> {
    let Some(annotations) = spec.annotations().as_ref().filter(|all| all.contains_key(seccomp::ANNOTATION)) else {
        return Ok(());
    };
    let extra = annotations.get(seccomp::EXTRA_CAPABILITIES).map(String::as_str).unwrap_or_default();
    let extra: Vec<&str> = extra.split(',').filter(|name| !name.is_empty()).collect();
    let own = process.capabilities().as_ref().and_then(|sets| sets.bounding().clone()).unwrap_or_default();
    let own: Vec<String> = own.iter().map(|capability| format!("CAP_{capability}")).collect();
    let own: Vec<String> = own.into_iter().filter(|name| !extra.contains(&name.as_str())).collect();
    crate::sys::install_filter(&seccomp::program(&own))?;
    // The bounding set first: dropping from it takes CAP_SETPCAP, which may be among those to go.
    for set in [caps::CapSet::Bounding, caps::CapSet::Effective, caps::CapSet::Permitted] {
        for name in &extra {
            caps::drop(None, set, name.parse()?)?;
        }
    }
    Ok(())
}

/// The words that Go has for an error number.
fn go_words(errno: Errno) -> String {
    match errno {
        Errno::ENOEXEC => "exec format error".to_owned(),
        other => other.desc().to_lowercase(),
    }
}

/// The path of the executable, by the container's own PATH, as the container's user sees it.
fn look_path(process: &Process) -> Result<String, StartFailure> {
    let name = process.args().iter().flatten().next().cloned().unwrap_or_default();
    let fail = |kind, words: &str| StartFailure::new(kind, format!("exec: {name:?}: {words}"));
    if name.contains('/') {
        return match executable(&name) {
            Ok(()) => Ok(name),
            Err(Errno::ENOENT) => {
                Err(fail(StartFailureKind::NoSuchFile, &format!("stat {name}: no such file or directory")))
            }
            Err(Errno::EISDIR) => Err(fail(StartFailureKind::IsADirectory, "is a directory")),
            Err(Errno::EACCES) => Err(fail(StartFailureKind::PermissionDenied, "permission denied")),
            Err(errno) => Err(fail(StartFailureKind::NoSuchFile, &format!("stat {name}: {}", go_words(errno)))),
        };
    }
    let path = process.env().iter().flatten().filter_map(|variable| variable.strip_prefix("PATH=")).next_back();
    for directory in path.unwrap_or_default().split(':').filter(|_| !name.is_empty()) {
        let directory = if directory.is_empty() { "." } else { directory };
        let candidate = format!("{directory}/{name}");
        if executable(&candidate).is_ok() {
            return Ok(candidate);
        }
    }
    Err(fail(StartFailureKind::ExecutableNotFound, "executable file not found in $PATH"))
}

fn executable(path: &str) -> Result<(), Errno> {
    let metadata = std::fs::metadata(path).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    if metadata.is_dir() {
        return Err(Errno::EISDIR);
    }
    nix::unistd::access(path, AccessFlags::X_OK)
}
