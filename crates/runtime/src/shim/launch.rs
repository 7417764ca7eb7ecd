//! Starting processes with libcontainer, and finding out in typed form why they did not start.

use super::executor::ReportingExecutor;
use crate::service::{StartFailure, StartFailureKind};
use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use nix::fcntl::OFlag;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe2};
use std::collections::VecDeque;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Standard streams of a process to be.
pub(super) struct Stdio {
    pub stdin: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// How a container is to be started.
pub(super) struct Launch<'a> {
    pub root: &'a Path,
    pub id: &'a str,
    pub bundle: &'a Path,
    pub systemd: bool,
    pub oom_score_adj: Option<i32>,
}

/// Starts a container. With `stdio` none it gets a terminal, whose master is returned.
pub(super) fn start_container(
    launch: &Launch<'_>,
    stdio: Option<Stdio>,
) -> Result<(Pid, Option<OwnedFd>), StartFailure> {
    let console = match &stdio {
        Some(_) => None,
        None => {
            Some(Console::listen(&launch.root.join(format!("console-{}", launch.id))).map_err(cannot_run("terminal"))?)
        }
    };
    let (report, executor) = executor().map_err(cannot_run("pipe"))?;
    let created = create(launch, stdio, console.as_ref(), executor);
    let mut container = match created {
        Ok(container) => container,
        Err(error) => return Err(prefixed(reported(report).unwrap_or_else(|| cannot_run("create")(error)))),
    };
    let pid = container.pid().ok_or_else(|| StartFailure::new(StartFailureKind::CannotRun, "no process was made"))?;
    let pid = Pid::from_raw(pid.as_raw());
    let finished = (|| {
        let master = console.map(Console::accept).transpose().map_err(cannot_run("terminal"))?;
        set_oom_score_adj(pid, launch.oom_score_adj);
        container.start().map_err(cannot_run("start"))?;
        reported(report).map_or(Ok(master), Err) // returns when the exec has closed the pipe
    })();
    match finished {
        Ok(master) => Ok((pid, master)),
        Err(failure) => {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            let _ = waitpid(pid, None); // it cannot refuse SIGKILL
            Err(prefixed(failure))
        }
    }
}

fn create(
    launch: &Launch<'_>,
    stdio: Option<Stdio>,
    console: Option<&Console>,
    executor: ReportingExecutor,
) -> Result<Container, libcontainer::error::LibcontainerError> {
    let mut builder = ContainerBuilder::new(launch.id.to_owned(), SyscallType::default())
        .with_executor(executor)
        .with_root_path(launch.root)?
        .with_console_socket(console.map(|console| console.path.clone()));
    if let Some(stdio) = stdio {
        builder = builder.with_stdin(stdio.stdin).with_stdout(stdio.stdout).with_stderr(stdio.stderr);
    }
    builder.as_init(launch.bundle).with_systemd(launch.systemd).with_detach(true).build()
}

/// Starts a command in a running container. With `stdio` none its terminal's master is sent to `console`.
pub(super) fn start_exec(
    root: &Path,
    id: &str,
    process: &Path,
    stdio: Option<Stdio>,
    console: Option<&Path>,
) -> Result<Pid, StartFailure> {
    let exec_failed = |failure: StartFailure| StartFailure {
        message: format!(
            "OCI runtime exec failed: exec failed: unable to start container process: {}",
            failure.message
        ),
        ..failure
    };
    let (report, executor) = executor().map_err(cannot_run("pipe"))?;
    let built = (|| {
        let mut builder = ContainerBuilder::new(id.to_owned(), SyscallType::default())
            .with_executor(executor)
            .with_root_path(root)?
            .with_console_socket(console);
        if let Some(stdio) = stdio {
            builder = builder.with_stdin(stdio.stdin).with_stdout(stdio.stdout).with_stderr(stdio.stderr);
        }
        builder.as_tenant().with_process(Some(process)).with_detach(true).build()
    })();
    match (built, reported(report)) {
        (Ok(pid), None) => Ok(Pid::from_raw(pid.as_raw())),
        (Ok(pid), Some(failure)) => {
            let _ = waitpid(Pid::from_raw(pid.as_raw()), None); // it ends by itself
            Err(exec_failed(failure))
        }
        (Err(_), Some(failure)) => Err(exec_failed(failure)),
        (Err(error), None) => Err(exec_failed(cannot_run("exec")(error))),
    }
}

fn executor() -> nix::Result<(OwnedFd, ReportingExecutor)> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    Ok((read, ReportingExecutor::new(write)))
}

/// What the executor had to say, once every copy of its end of the pipe is closed.
fn reported(report: OwnedFd) -> Option<StartFailure> {
    let mut bytes = Vec::new();
    std::fs::File::from(report).read_to_end(&mut bytes).ok()?;
    // A second report, from exec after validate, cannot be: the first ends the process.
    serde_json::from_slice(&bytes).ok()
}

/// The failure with the words that runc puts before it.
fn prefixed(failure: StartFailure) -> StartFailure {
    let message = format!("unable to start container process: error during container init: {}", failure.message);
    StartFailure { message, ..failure }
}

fn cannot_run<E: std::error::Error>(doing: &'static str) -> impl Fn(E) -> StartFailure {
    move |error| {
        let mut message = format!("{doing}: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        StartFailure::new(StartFailureKind::CannotRun, message)
    }
}

/// Sets the score; what the kernel refuses was clamped by the runtime already, so a refusal here is left at that.
fn set_oom_score_adj(pid: Pid, score: Option<i32>) {
    if let Some(score) = score {
        let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), score.to_string());
    }
}

/// A socket that libcontainer sends a terminal's master to.
struct Console {
    path: std::path::PathBuf,
    listener: UnixListener,
}

impl Console {
    fn listen(path: &Path) -> std::io::Result<Self> {
        let listener = crate::socket::listen(path)?;
        Ok(Self { path: path.to_owned(), listener })
    }

    /// The master; libcontainer has sent it before `create` returned.
    fn accept(self) -> std::io::Result<OwnedFd> {
        let (stream, _) = self.listener.accept()?;
        let mut fds = VecDeque::new();
        crate::sys::receive(stream.as_fd(), &mut [0; 256], &mut fds)?;
        let _ = std::fs::remove_file(&self.path); // goes with the sandbox otherwise
        fds.pop_front().ok_or_else(|| std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "no terminal was sent"))
    }
}
