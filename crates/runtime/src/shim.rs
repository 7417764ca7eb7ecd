//! The per-pod shim: one small single-threaded process that starts the pod's containers and stays with them.
//!
//! Why: libcontainer forks, and so wants a process without threads; and containers must outlive the kubelet, with their
//! exit codes kept. The shim reaps, writes logs, serves exec and attach, and answers one runtime at a time over a socket.
//! What not: it knows no images and no pods, and decides nothing: no restarts, no time-outs.
//!
//! Its state: `status.json` in each container's directory, replaced whole at the start and at the end of the process.

mod container;
mod executor;
mod launch;
mod log;
pub(crate) mod protocol;
pub(crate) mod seccomp;
mod server;

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The subcommand that makes the executable a shim: `pintle shim DIR [share-pid]`.
pub const SUBCOMMAND: &str = "shim";

/// Where the pid namespace of a sandbox that shares one is bound, below the sandbox's run directory.
pub(crate) const PID_NAMESPACE: &str = "ns/pid";
/// The shim's socket, below the sandbox's run directory.
pub(crate) const SOCKET: &str = "shim.sock";
/// libcontainer's state, below the sandbox's run directory.
pub(crate) const LIBCONTAINER: &str = "lc";
/// What the shim keeps about a container, in the container's directory.
pub(crate) const STATUS: &str = "status.json";
/// The argument that asks for a shared pid namespace.
pub(crate) const SHARE_PID: &str = "share-pid";

/// Runs the shim if that is what the arguments ask for. Must be the first thing in `main`, before any thread exists.
///
/// `args` are the whole arguments, with the program's name. `None`: this is no shim; go on.
pub fn run_if_asked(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    (args.next()? == SUBCOMMAND).then(|| main(args))
}

/// The shim's main function. `args` come after the subcommand: the sandbox's run directory and, perhaps, `share-pid`. Standard input is
/// the listening socket. Must be called before any thread exists.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let Some(directory) = args.next().map(PathBuf::from) else {
        eprintln!("usage: {SUBCOMMAND} DIRECTORY [{SHARE_PID}]; started by the runtime only");
        return ExitCode::from(2);
    };
    let share_pid = args.next().is_some_and(|arg| arg == SHARE_PID);
    match run(&directory, share_pid) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(directory: &Path, share_pid: bool) -> std::io::Result<()> {
    // The shim outlives whoever started its starter: a lock or a pipe of theirs would stay held with it.
    crate::sys::close_inherited()?;
    let listener = std::io::stdin().as_fd().try_clone_to_owned()?;
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), 0)?;
    drop(null);
    let _ = nix::unistd::setsid(); // fails only where the runtime has already done it
    std::env::set_current_dir("/")?;
    nix::sys::prctl::set_child_subreaper(true)?;
    crate::sys::ignore_signal(nix::sys::signal::Signal::SIGHUP);
    if share_pid {
        hold_pid_namespace(&directory.join(PID_NAMESPACE))?;
    }
    server::serve(directory, listener)
}

/// Makes a pid namespace with a first process that only reaps, and binds it at `target`.
fn hold_pid_namespace(target: &Path) -> std::io::Result<()> {
    use nix::sched::{CloneFlags, setns, unshare};
    let own = std::fs::File::open("/proc/self/ns/pid")?;
    unshare(CloneFlags::CLONE_NEWPID)?;
    let first = crate::sys::fork_child(|| {
        let _ = nix::sys::prctl::set_name(c"pause");
        let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
        wait_forever();
    });
    setns(&own, CloneFlags::CLONE_NEWPID)?;
    std::fs::write(target, "")?;
    let source = format!("/proc/{}/ns/pid", first?);
    let flags = nix::mount::MsFlags::MS_BIND;
    Ok(nix::mount::mount(Some(source.as_str()), target, None::<&str>, flags, None::<&str>)?)
}

/// Reaps whatever falls to the first process of a pid namespace.
fn wait_forever() {
    use nix::sys::signal::{SigSet, Signal};
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    let _ = set.thread_block();
    loop {
        while nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG))
            .is_ok_and(|status| status != nix::sys::wait::WaitStatus::StillAlive)
        {}
        let _ = set.wait();
    }
}
