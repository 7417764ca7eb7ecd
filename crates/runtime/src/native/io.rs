//! Exec, attach and port forwarding.

use super::client::{CallError, ShimClient};
use super::containers::SPEC;
use super::record::{Phase, read_json};
use super::{Inner, namespaces, new_id, no_sandbox};
use crate::service::stream::EXEC_SYNC_OUTPUT_MAX_BYTES;
use crate::service::{
    BoxRead, BoxWrite, ContainerId, ContainerIo, ExecError, ExecOutput, ExecRequest, ExitOutcome, NamespaceMode,
    ResizeSender, RuntimeError, SandboxId, StartFailure, StartFailureKind, TerminalSize,
};
use crate::shim::protocol::{ExecStart, Failure, Request};
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::unistd::pipe2;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;

/// How long `exec_sync` waits for output after the command's end: something may have inherited its streams.
const DRAIN_WAIT: Duration = Duration::from_secs(10);
/// How long a forwarded connection may take to be made, inside one machine.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

fn os(doing: &'static str) -> impl Fn(nix::Error) -> RuntimeError {
    move |error| RuntimeError::Io { doing: doing.to_owned(), source: error.into() }
}

fn io(doing: &'static str) -> impl Fn(std::io::Error) -> RuntimeError {
    move |source| RuntimeError::Io { doing: doing.to_owned(), source }
}

impl Inner {
    fn running_shim(&self, id: &ContainerId) -> Result<(ShimClient, tokio::sync::watch::Receiver<Phase>), ExecError> {
        let (shim, phase) = self.shim_of(id).map_err(|_| ExecError::NotFound(id.0.clone()))?;
        let state = match &*phase.borrow() {
            Phase::Running(_) => None,
            Phase::Created | Phase::Starting => Some("CONTAINER_CREATED"),
            Phase::Exited(_) | Phase::Ended(..) => Some("CONTAINER_EXITED"),
        };
        match (shim, state) {
            (Some(shim), None) => Ok((shim, phase)),
            (_, Some(state)) => Err(ExecError::NotRunning(state.to_owned())),
            (None, None) => Err(ExecError::NotRunning("CONTAINER_UNKNOWN".to_owned())),
        }
    }

    pub(super) async fn exec(
        self: &Arc<Self>,
        id: &ContainerId,
        request: ExecRequest,
    ) -> Result<ContainerIo, ExecError> {
        self.start_exec(id, request).await.map(|(io, _)| io)
    }

    async fn start_exec(
        self: &Arc<Self>,
        id: &ContainerId,
        request: ExecRequest,
    ) -> Result<(ContainerIo, String), ExecError> {
        if request.command.is_empty() {
            return Err(RuntimeError::InvalidArgument("exec needs a command".to_owned()).into());
        }
        let (shim, _) = self.running_shim(id)?;
        let exec = new_id();
        let process = self.exec_process(id, &request)?;
        let ends = if request.tty { Ends::terminal(self, id, &exec)? } else { Ends::pipes(&request)? };
        let exit = shim.exec_exit(exec.clone());
        let start = ExecStart { container: id.clone(), exec: exec.clone(), process, console: ends.console_path() };
        let (theirs, ours) = ends.split();
        if let Err(error) = shim.call(Request::Exec(start), theirs).await {
            shim.forget_exec(&exec);
            return Err(match error {
                CallError::Failed(Failure::Start(failure)) => ExecError::Start(failure),
                CallError::Failed(Failure::NotRunning) => ExecError::NotRunning("CONTAINER_EXITED".to_owned()),
                CallError::Failed(Failure::Other(message)) => {
                    ExecError::Start(StartFailure::new(StartFailureKind::CannotRun, message))
                }
                CallError::Gone => ExecError::NotRunning("CONTAINER_UNKNOWN".to_owned()),
            });
        }
        let exit = Box::pin(async move {
            exit.await.map_err(|_| ExecError::NotRunning("CONTAINER_UNKNOWN".to_owned())) // the shim is gone
        });
        Ok((ours.finish(&request, exit).await?, exec))
    }

    fn exec_process(&self, id: &ContainerId, request: &ExecRequest) -> Result<Value, RuntimeError> {
        let path = self.container_directory(id).join(SPEC);
        let spec: Option<Value> = read_json(&path).map_err(RuntimeError::io(format!("read {}", path.display())))?;
        let mut process = spec.and_then(|mut spec| spec.get_mut("process").map(Value::take)).unwrap_or_default();
        process["args"] = json!(request.command);
        process["terminal"] = json!(request.tty);
        if request.tty
            && let Some(env) = process["env"].as_array_mut()
            && !env.iter().any(|variable| variable.as_str().is_some_and(|text| text.starts_with("TERM=")))
        {
            env.push(json!("TERM=xterm"));
        }
        Ok(process)
    }

    pub(super) async fn exec_sync(
        self: &Arc<Self>,
        id: &ContainerId,
        command: Vec<String>,
        timeout: Duration,
    ) -> Result<ExecOutput, ExecError> {
        let request = ExecRequest { command, stdout: true, stderr: true, ..ExecRequest::default() };
        let (io, exec) = self.start_exec(id, request).await?;
        let stdout = tokio::spawn(collect(io.stdout));
        let stderr = tokio::spawn(collect(io.stderr));
        let clock = &*self.config.clock;
        let exited =
            if timeout.is_zero() { Some(io.exit.await) } else { clock::timeout(clock, timeout, io.exit).await };
        let Some(exited) = exited else {
            let (shim, _) = self.running_shim(id)?;
            let kill = Request::SignalExec { exec, signal: Signal::SIGKILL as i32 };
            let _ = shim.call(kill, Vec::new()).await; // it may have ended meanwhile
            stdout.abort();
            stderr.abort();
            return Err(ExecError::Timeout(timeout));
        };
        let outcome = exited?;
        let read = async { (stdout.await.unwrap_or_default(), stderr.await.unwrap_or_default()) };
        let (stdout, stderr) = clock::timeout(clock, DRAIN_WAIT, read).await.unwrap_or_default();
        Ok(ExecOutput { stdout, stderr, exit_code: outcome.exit_code })
    }

    pub(super) async fn attach(self: &Arc<Self>, id: &ContainerId, stdin: bool) -> Result<ContainerIo, ExecError> {
        let (shim, mut phase) = self.running_shim(id)?;
        let (tty, has_stdin) = {
            let state = self.lock();
            let config = state.containers.get(id).map(|container| &container.record.config);
            config.map_or((false, false), |config| (config.tty, config.stdin))
        };
        let (out_read, out_write) = pipe2(OFlag::O_CLOEXEC).map_err(os("pipe"))?;
        let (err_read, err_write) = pipe2(OFlag::O_CLOEXEC).map_err(os("pipe"))?;
        let mut fds = vec![out_write, err_write];
        let mut ours = None;
        if stdin && has_stdin {
            let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(os("pipe"))?;
            fds.push(read);
            ours = Some(writer(write)?);
        }
        let request = Request::Attach { container: id.clone(), stdin: ours.is_some() };
        shim.call(request, fds).await.map_err(|error| match error {
            CallError::Failed(Failure::Other(message)) => ExecError::Runtime(RuntimeError::Shim(message)),
            _ => ExecError::NotRunning("CONTAINER_EXITED".to_owned()),
        })?;
        let container = id.clone();
        let resize: ResizeSender = Box::new(move |size| {
            let (shim, request) = (shim.clone(), Request::Resize { container: container.clone(), size });
            tokio::spawn(async move { shim.call(request, Vec::new()).await.is_ok() });
        });
        let exit = Box::pin(async move {
            let over = phase.wait_for(Phase::is_over).await;
            match over.as_deref() {
                Ok(Phase::Exited(run)) => {
                    Ok(run.exit.as_ref().map_or(ExitOutcome { exit_code: 255, signal: None }, |e| e.outcome))
                }
                _ => Err(ExecError::NotRunning("CONTAINER_UNKNOWN".to_owned())),
            }
        });
        let stderr = if tty { None } else { Some(reader(err_read)?) };
        Ok(ContainerIo { stdin: ours, stdout: Some(reader(out_read)?), stderr, resize, exit })
    }

    pub(super) async fn port_forward(
        self: &Arc<Self>,
        id: &SandboxId,
        port: u16,
    ) -> Result<tokio::net::TcpStream, RuntimeError> {
        let netns = {
            let state = self.lock();
            let sandbox = state.sandboxes.get(id).ok_or_else(|| no_sandbox(id))?;
            if sandbox.record.stopped || sandbox.lost {
                return Err(RuntimeError::InvalidState(format!("sandbox {id} is not ready")));
            }
            (sandbox.record.config.network != NamespaceMode::Node)
                .then(|| namespaces::file(&self.sandbox_run(id), "net"))
        };
        let (done, result) = tokio::sync::oneshot::channel();
        // A thread of its own, since it stays in the other namespace; the socket it makes belongs there wherever it is used.
        std::thread::spawn(move || drop(done.send(connect_in(netns.as_deref(), port))));
        let stream = result.await.unwrap_or_else(|_| Err(std::io::Error::other("the connecting thread panicked")));
        let stream = stream.map_err(RuntimeError::io(format!("connect to port {port} in sandbox {id}")))?;
        tokio::net::TcpStream::from_std(stream).map_err(io("register the connection"))
    }
}

fn connect_in(netns: Option<&std::path::Path>, port: u16) -> std::io::Result<std::net::TcpStream> {
    if let Some(path) = netns {
        nix::sched::setns(std::fs::File::open(path)?, nix::sched::CloneFlags::CLONE_NEWNET)?;
    }
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let first = std::net::TcpStream::connect_timeout(&v4, CONNECT_WAIT);
    let stream = first.or_else(|error| std::net::TcpStream::connect_timeout(&v6, CONNECT_WAIT).map_err(|_| error))?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Reads to the end, keeping no more than the limit.
async fn collect(stream: Option<BoxRead>) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(mut stream) = stream {
        let _ = (&mut stream).take(EXEC_SYNC_OUTPUT_MAX_BYTES as u64).read_to_end(&mut out).await; // what came counts
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await; // or the command would block on a full pipe
    }
    out
}

fn reader(fd: OwnedFd) -> Result<BoxRead, RuntimeError> {
    Ok(Box::new(pipe::Receiver::from_owned_fd(fd).map_err(io("register a pipe"))?))
}

fn writer(fd: OwnedFd) -> Result<BoxWrite, RuntimeError> {
    Ok(Box::new(pipe::Sender::from_owned_fd(fd).map_err(io("register a pipe"))?))
}

/// Both ends of a command's streams.
enum Ends {
    Pipes { theirs: Vec<OwnedFd>, ours: [Option<OwnedFd>; 3] },
    Terminal { path: std::path::PathBuf, listener: std::os::unix::net::UnixListener },
}

/// Our ends.
enum Ours {
    Pipes([Option<OwnedFd>; 3]),
    Terminal { path: std::path::PathBuf, listener: std::os::unix::net::UnixListener },
}

impl Ends {
    fn pipes(request: &ExecRequest) -> Result<Self, RuntimeError> {
        let null = || -> Result<OwnedFd, RuntimeError> {
            let file =
                std::fs::File::options().read(true).write(true).open("/dev/null").map_err(io("open /dev/null"))?;
            Ok(file.into())
        };
        let (mut theirs, mut ours) = (Vec::new(), [None, None, None]);
        for (index, wanted) in [request.stdin, request.stdout, request.stderr].into_iter().enumerate() {
            if !wanted {
                theirs.push(null()?);
                continue;
            }
            let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(os("pipe"))?;
            let (their, our) = if index == 0 { (read, write) } else { (write, read) };
            theirs.push(their);
            ours[index] = Some(our);
        }
        Ok(Self::Pipes { theirs, ours })
    }

    fn terminal(inner: &Inner, id: &ContainerId, exec: &str) -> Result<Self, RuntimeError> {
        let state = inner.lock();
        let sandbox = state.containers.get(id).map(|container| container.record.sandbox_id.clone());
        let sandbox = sandbox.ok_or_else(|| super::no_container(id))?;
        let path = inner.sandbox_run(&sandbox).join(format!("tty-{}", &exec[..16]));
        let listener = crate::socket::listen(&path).map_err(io("listen for a terminal"))?;
        Ok(Self::Terminal { path, listener })
    }

    fn console_path(&self) -> Option<std::path::PathBuf> {
        match self {
            Self::Pipes { .. } => None,
            Self::Terminal { path, .. } => Some(path.clone()),
        }
    }

    fn split(self) -> (Vec<OwnedFd>, Ours) {
        match self {
            Self::Pipes { theirs, ours } => (theirs, Ours::Pipes(ours)),
            Self::Terminal { path, listener } => (Vec::new(), Ours::Terminal { path, listener }),
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Self::Terminal { path, .. } = self {
            let _ = std::fs::remove_file(path); // goes with the sandbox otherwise
        }
    }
}

type Exit = futures::future::BoxFuture<'static, Result<ExitOutcome, ExecError>>;

impl Ours {
    async fn finish(mut self, request: &ExecRequest, exit: Exit) -> Result<ContainerIo, RuntimeError> {
        match &mut self {
            Self::Pipes(ours) => Ok(ContainerIo {
                stdin: ours[0].take().map(writer).transpose()?,
                stdout: ours[1].take().map(reader).transpose()?,
                stderr: ours[2].take().map(reader).transpose()?,
                resize: Box::new(|_| ()),
                exit,
            }),
            Self::Terminal { listener, .. } => {
                // The shim has answered, so libcontainer has sent it: this does not wait.
                let (stream, _) = listener.accept().map_err(io("accept a terminal"))?;
                let mut fds = VecDeque::new();
                crate::sys::receive(stream.as_fd(), &mut [0; 256], &mut fds).map_err(os("receive a terminal"))?;
                let master = fds.pop_front().ok_or_else(|| RuntimeError::Shim("no terminal was sent".to_owned()))?;
                let flags = OFlag::from_bits_truncate(
                    nix::fcntl::fcntl(master.as_raw_fd(), nix::fcntl::FcntlArg::F_GETFL).map_err(os("fcntl"))?,
                );
                nix::fcntl::fcntl(master.as_raw_fd(), nix::fcntl::FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))
                    .map_err(os("fcntl"))?;
                let terminal = Terminal(Arc::new(crate::sys::register(master).map_err(io("register a terminal"))?));
                let for_resize = Arc::clone(&terminal.0);
                let input = Terminal(Arc::clone(&terminal.0));
                Ok(ContainerIo {
                    stdin: request.stdin.then(|| Box::new(input) as BoxWrite),
                    stdout: Some(Box::new(terminal)),
                    stderr: None,
                    resize: Box::new(move |size: TerminalSize| {
                        let _ = crate::sys::set_terminal_size(for_resize.get_ref().as_fd(), size); // it may be gone
                    }),
                    exit,
                })
            }
        }
    }
}

/// The master of a terminal as a stream.
struct Terminal(Arc<AsyncFd<OwnedFd>>);

impl AsyncRead for Terminal {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(context))?;
            let read = guard.try_io(|fd| {
                nix::unistd::read(fd.as_raw_fd(), buffer.initialize_unfilled()).map_err(std::io::Error::from)
            });
            match read {
                Ok(Ok(count)) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                // So a terminal says that nobody holds its other end any more.
                Ok(Err(error)) if error.raw_os_error() == Some(nix::libc::EIO) => return Poll::Ready(Ok(())),
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Terminal {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_write_ready(context))?;
            match guard.try_io(|fd| nix::unistd::write(fd.get_ref(), bytes).map_err(std::io::Error::from)) {
                Ok(written) => return Poll::Ready(written),
                Err(_would_block) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(())) // a terminal's input has no end but Ctrl-D, which is the client's to type
    }
}
