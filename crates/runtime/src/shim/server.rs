//! The shim's loop: one `poll` over its socket, its signals and all streams.

use super::container::{Client, Ready, Running, set_nonblocking};
use super::launch::{self, Launch, Stdio};
use super::log::ContainerLog;
use super::protocol::{
    Answer, Call, ContainerExit, ContainerRun, Event, ExecStart, Failure, Request, Response, StartRequest, decode,
    encode,
};
use super::{LIBCONTAINER, STATUS};
use crate::cgroup::Cgroups;
use crate::service::{ContainerId, ExitOutcome};
use clock::SharedClock;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Runtimes connected at once: one, and another while the first is on its way out.
const CONNECTIONS_MAX: usize = 8;
/// Bytes that a runtime may leave unread before it is dropped; it can come back and say Hello.
const BACKLOG_MAX_BYTES: usize = 4 << 20;

struct Connection {
    socket: UnixStream,
    incoming: Vec<u8>,
    fds: VecDeque<OwnedFd>,
    outgoing: Vec<u8>,
}

struct Server {
    root: PathBuf,
    cgroups: Cgroups,
    clock: SharedClock,
    containers: BTreeMap<ContainerId, Running>,
    execs: HashMap<Pid, String>,
    connections: Vec<Connection>,
    done: bool,
}

/// What a ready descriptor belongs to.
#[derive(Clone)]
enum Source {
    Signals,
    Listener,
    Connection(usize),
    Container(ContainerId, Ready),
}

/// Serves until told to shut down.
pub(super) fn serve(directory: &Path, listener: OwnedFd) -> io::Result<()> {
    let root = directory.join(LIBCONTAINER);
    match std::fs::create_dir(&root) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block()?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let listener = UnixListener::from(listener);
    listener.set_nonblocking(true)?;
    let mut server = Server {
        root,
        cgroups: Cgroups::detect()?,
        clock: clock::system(),
        containers: BTreeMap::new(),
        execs: HashMap::new(),
        connections: Vec::new(),
        done: false,
    };
    while !server.done || server.connections.iter().any(|connection| !connection.outgoing.is_empty()) {
        let ready = server.wait(&listener, &signals)?;
        for (source, flags) in ready {
            server.handle(source, flags, &listener, &signals)?;
        }
        server.connections.retain(|connection| connection.outgoing.len() <= BACKLOG_MAX_BYTES);
        server.containers.values_mut().for_each(Running::sweep_clients);
    }
    Ok(())
}

impl Server {
    fn wait(&self, listener: &UnixListener, signals: &SignalFd) -> io::Result<Vec<(Source, PollFlags)>> {
        let mut sources = vec![Source::Signals];
        let mut polled = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if self.connections.len() < CONNECTIONS_MAX {
            sources.push(Source::Listener);
            polled.push(PollFd::new(listener.as_fd(), PollFlags::POLLIN));
        }
        for (index, connection) in self.connections.iter().enumerate() {
            let writing = if connection.outgoing.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            sources.push(Source::Connection(index));
            polled.push(PollFd::new(connection.socket.as_fd(), PollFlags::POLLIN | writing));
        }
        let mut interests = Vec::new();
        for (id, container) in &self.containers {
            container.interests(&mut interests);
            for (fd, writing, ready) in interests.drain(..) {
                sources.push(Source::Container(id.clone(), ready));
                polled.push(PollFd::new(fd, if writing { PollFlags::POLLOUT } else { PollFlags::POLLIN }));
            }
        }
        match poll(&mut polled, PollTimeout::NONE) {
            Err(Errno::EINTR) => return Ok(Vec::new()),
            other => other?,
        };
        let flags = polled.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        // Connections from the last: one that is dropped must not shift the others. Signals last, so that output comes before ends.
        let mut ready: Vec<_> = sources.into_iter().zip(flags).filter(|(_, flags)| !flags.is_empty()).collect();
        ready.reverse();
        Ok(ready)
    }

    /// Fails only where nobody can ever reach the shim.
    fn handle(
        &mut self,
        source: Source,
        flags: PollFlags,
        listener: &UnixListener,
        signals: &SignalFd,
    ) -> io::Result<()> {
        match source {
            Source::Listener => match listener.accept() {
                Ok((socket, _)) if socket.set_nonblocking(true).is_ok() => {
                    let (incoming, outgoing) = (Vec::new(), Vec::new());
                    self.connections.push(Connection { socket, incoming, fds: VecDeque::new(), outgoing });
                }
                Err(error) if is_no_listener(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            },
            Source::Connection(index) => self.handle_connection(index, flags),
            Source::Container(id, ready) => {
                let now = self.clock.now();
                if let Some(container) = self.containers.get_mut(&id) {
                    container.handle(ready, now);
                }
            }
            Source::Signals => {
                while signals.read_signal().is_ok_and(|signal| signal.is_some()) {}
                self.reap();
            }
        }
        Ok(())
    }

    fn handle_connection(&mut self, index: usize, flags: PollFlags) {
        if flags.contains(PollFlags::POLLOUT) {
            flush(&mut self.connections[index]);
        }
        if !flags.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
            return;
        }
        let connection = &mut self.connections[index];
        let mut chunk = [0; 16 << 10];
        match crate::sys::receive(connection.socket.as_fd(), &mut chunk, &mut connection.fds) {
            Ok(count) if count > 0 => connection.incoming.extend_from_slice(&chunk[..count]),
            Err(Errno::EAGAIN | Errno::EINTR) => return,
            Ok(_) | Err(_) => drop(self.connections.remove(index)),
        }
        while let Some(connection) = self.connections.get_mut(index) {
            match decode::<Call>(&mut connection.incoming) {
                Ok(Some(call)) => {
                    let count = call.fds.min(connection.fds.len());
                    let fds = connection.fds.drain(..count).collect();
                    let result = self.answer(call.request, fds);
                    self.send(index, &Answer::Reply { id: call.id, result });
                }
                Ok(None) => break,
                Err(_) => {
                    self.connections.remove(index); // whoever speaks nonsense is not our runtime
                    break;
                }
            }
        }
    }

    fn send(&mut self, index: usize, answer: &Answer) {
        let Ok(frame) = encode(answer) else { return };
        if let Some(connection) = self.connections.get_mut(index) {
            connection.outgoing.extend_from_slice(&frame);
            flush(connection);
        }
    }

    fn broadcast(&mut self, event: Event) {
        let answer = Answer::Event(event);
        for index in 0..self.connections.len() {
            self.send(index, &answer);
        }
    }

    fn answer(&mut self, request: Request, mut fds: Vec<OwnedFd>) -> Result<Response, Failure> {
        match request {
            Request::Hello => {
                let all = self.containers.iter().map(|(id, container)| (id.clone(), container.run.clone()));
                return Ok(Response::Containers(all.collect()));
            }
            Request::Start(request) => return self.start(request),
            Request::Signal { container, signal, all } => self.signal(&container, signal, all)?,
            Request::Exec(exec) => return self.exec(exec, fds),
            Request::SignalExec { exec, signal } => {
                let pid =
                    self.execs.iter().find(|(_, id)| **id == exec).map(|(pid, _)| *pid).ok_or(Failure::NotRunning)?;
                send_signal(pid, signal)?;
            }
            Request::Resize { container, size } => {
                let running = self.running(&container)?;
                if let Some(terminal) = running.stdout.as_ref().filter(|_| running.request.tty) {
                    crate::sys::set_terminal_size(terminal.as_fd(), size).map_err(other)?;
                }
            }
            Request::Attach { container, stdin } => {
                let running = self.running(&container)?;
                let wanted = if stdin { 3 } else { 2 };
                if fds.len() != wanted {
                    return Err(Failure::Other("wrong number of descriptors".to_owned()));
                }
                let stdin = if stdin { fds.pop() } else { None };
                if let (Some(stderr), Some(stdout)) = (fds.pop(), fds.pop()) {
                    running.clients.push(Client::new(stdin, stdout, stderr).map_err(other)?);
                }
            }
            Request::ReopenLog { container } => {
                if let Some(log) = &mut self.running(&container)?.log {
                    log.reopen().map_err(other)?;
                }
            }
            Request::Forget { container } => {
                if self.containers.get(&container).is_some_and(Running::is_running) {
                    return Err(Failure::Other("the container runs".to_owned()));
                }
                self.containers.remove(&container);
            }
            Request::Shutdown => self.done = true,
        }
        Ok(Response::Done)
    }

    fn running(&mut self, id: &ContainerId) -> Result<&mut Running, Failure> {
        self.containers.get_mut(id).filter(|container| container.is_running()).ok_or(Failure::NotRunning)
    }

    fn start(&mut self, request: StartRequest) -> Result<Response, Failure> {
        let log = request.log.as_deref().map(ContainerLog::open).transpose().map_err(other)?;
        let (stdio, ours) =
            if request.tty { (None, [None, None, None]) } else { pipes(request.stdin).map_err(other)? };
        let launch = Launch {
            root: &self.root,
            id: &request.container.0,
            bundle: &request.bundle,
            systemd: request.systemd_cgroup,
            oom_score_adj: request.oom_score_adj,
        };
        let started = launch::start_container(&launch, stdio);
        let (pid, master) = match started {
            Ok(started) => started,
            Err(failure) => {
                self.clean_up(&request);
                return Err(Failure::Start(failure));
            }
        };
        let run = ContainerRun { pid: pid.as_raw(), started_at: self.clock.now(), exit: None };
        let mut running = Running::new(request, run.clone(), log);
        [running.stdin, running.stdout, running.stderr] = ours;
        if let Some(master) = master {
            set_nonblocking(&master).map_err(other)?;
            running.stdin = master.try_clone().ok().filter(|_| running.request.stdin);
            running.stdout = Some(master);
        }
        save(&running.request.bundle, &run);
        self.containers.insert(running.request.container.clone(), running);
        Ok(Response::Started(run))
    }

    fn exec(&mut self, exec: ExecStart, mut fds: Vec<OwnedFd>) -> Result<Response, Failure> {
        self.running(&exec.container)?;
        let stdio = match (fds.pop(), fds.pop(), fds.pop()) {
            (Some(stderr), Some(stdout), Some(stdin)) => Some(Stdio { stdin, stdout, stderr }),
            _ => None,
        };
        let file = self.root.join(format!("exec-{}.json", exec.exec));
        std::fs::write(&file, exec.process.to_string()).map_err(other)?;
        let console = exec.console.as_deref();
        let started = launch::start_exec(&self.root, &exec.container.0, &file, stdio, console);
        let _ = std::fs::remove_file(&file); // goes with the sandbox otherwise
        let pid = started.map_err(Failure::Start)?;
        self.execs.insert(pid, exec.exec);
        Ok(Response::Done)
    }

    fn signal(&mut self, id: &ContainerId, signal: i32, all: bool) -> Result<(), Failure> {
        let cgroups = self.cgroups.clone();
        let running = self.running(id)?;
        if all && signal == Signal::SIGKILL as i32 {
            cgroups.kill(&running.request.cgroup);
        }
        send_signal(running.pid(), signal)
    }

    /// Takes every child that has ended.
    fn reap(&mut self) {
        loop {
            let (pid, outcome) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, ExitOutcome { exit_code: code, signal: None }),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    (pid, ExitOutcome { exit_code: 128 + signal as i32, signal: Some(signal as i32) })
                }
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            if let Some(exec) = self.execs.remove(&pid) {
                self.broadcast(Event::ExecExited { exec, outcome });
                continue;
            }
            let found = self.containers.values().find(|container| container.is_running() && container.pid() == pid);
            if let Some(id) = found.map(|container| container.request.container.clone()) {
                self.container_exited(&id, outcome);
            }
        }
    }

    fn container_exited(&mut self, id: &ContainerId, outcome: ExitOutcome) {
        let at = self.clock.now();
        let Some(container) = self.containers.get_mut(id) else { return };
        // Without a pid namespace of its own, children outlive the first process.
        self.cgroups.kill(&container.request.cgroup);
        container.drain(at);
        let oom_killed = self.cgroups.oom_kills(&container.request.cgroup) > container.oom_kills_before;
        container.run.exit = Some(ContainerExit { at, outcome, oom_killed });
        save(&container.request.bundle, &container.run);
        container.log = None;
        let (run, request) = (container.run.clone(), container.request.clone());
        self.broadcast(Event::ContainerExited { container: id.clone(), run });
        // After the news, which is what others wait for. The exit code survives a power cut before the API server can have it.
        let _ = crate::replace::settle(&request.bundle.join(STATUS)); // a container that is being removed has none
        self.clean_up(&request);
    }

    /// Lets go of what a container held. Its cgroup is the runtime's to remove: that can take long, and this loop serves the other containers.
    fn clean_up(&self, request: &StartRequest) {
        let _ = nix::mount::umount2(&request.rootfs, nix::mount::MntFlags::MNT_DETACH);
        let _ = std::fs::remove_dir_all(self.root.join(&request.container.0)); // else it goes with the sandbox
    }
}

/// Whether what the shim was given is no socket that listens: polling it would go on for ever.
fn is_no_listener(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::ENOTSOCK | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EBADF))
}

/// Container's ends and, in the order stdin, stdout, stderr, ours.
fn pipes(stdin: bool) -> io::Result<(Option<Stdio>, [Option<OwnedFd>; 3])> {
    let (out_read, out_write) = pipe2(OFlag::O_CLOEXEC)?;
    let (err_read, err_write) = pipe2(OFlag::O_CLOEXEC)?;
    let (in_read, in_write) = if stdin {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        set_nonblocking(&write)?;
        (read, Some(write))
    } else {
        (OwnedFd::from(std::fs::File::open("/dev/null")?), None)
    };
    set_nonblocking(&out_read)?;
    set_nonblocking(&err_read)?;
    let stdio = Stdio { stdin: in_read, stdout: out_write, stderr: err_write };
    Ok((Some(stdio), [in_write, Some(out_read), Some(err_read)]))
}

fn flush(connection: &mut Connection) {
    while !connection.outgoing.is_empty() {
        match crate::sys::send(connection.socket.as_fd(), &connection.outgoing, &[]) {
            Ok(count) => drop(connection.outgoing.drain(..count)),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return,
            Err(_) => return connection.outgoing.clear(), // its end is noticed by reading
        }
    }
}

fn send_signal(pid: Pid, signal: i32) -> Result<(), Failure> {
    let signal = Signal::try_from(signal).map_err(other)?;
    match kill(pid, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(other(error)),
    }
}

fn other(error: impl std::fmt::Display) -> Failure {
    Failure::Other(error.to_string())
}

/// Replaces `status.json`. If the disk is full, the shim still knows; only a lost shim would make a difference.
fn save(bundle: &Path, run: &ContainerRun) {
    let file = bundle.join(STATUS);
    let bytes = serde_json::to_vec(run).map_err(io::Error::from);
    if let Err(error) = bytes.and_then(|bytes| crate::replace::replace(&file, &bytes)) {
        eprintln!("shim: write {}: {error}", file.display());
    }
}
