//! One running container as the shim holds it: its streams, its log, its attached clients.

use super::log::{ContainerLog, Stream};
use super::protocol::{ContainerRun, StartRequest};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{Pid, read, write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Bytes read from a container at once.
const CHUNK_BYTES: usize = 16 << 10;

/// A container.
pub(super) struct Running {
    pub request: StartRequest,
    pub run: ContainerRun,
    pub log: Option<ContainerLog>,
    /// What the container writes; `None` when closed. With a terminal, its master.
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    /// What the container reads; with a terminal, its master again.
    pub stdin: Option<OwnedFd>,
    /// Input that the container has not taken yet; no more is read from clients meanwhile.
    stdin_pending: Vec<u8>,
    pub clients: Vec<Client>,
    /// OOM kills that the cgroup counted when the container started.
    pub oom_kills_before: u64,
}

/// One attached client.
pub(super) struct Client {
    pub stdin: Option<OwnedFd>,
    stdout: Option<Output>,
    stderr: Option<Output>,
}

/// A client's pipe with what it has not taken yet: at most one chunk, since the container is not read meanwhile.
struct Output {
    fd: OwnedFd,
    pending: Vec<u8>,
}

/// Which descriptor of a container became ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    Stdout,
    Stderr,
    Stdin,
    ClientStdin(usize),
    ClientStdout(usize),
    ClientStderr(usize),
}

impl Client {
    pub(super) fn new(stdin: Option<OwnedFd>, stdout: OwnedFd, stderr: OwnedFd) -> nix::Result<Self> {
        for fd in [Some(&stdout), Some(&stderr), stdin.as_ref()].into_iter().flatten() {
            set_nonblocking(fd)?;
        }
        let output = |fd| Some(Output { fd, pending: Vec::new() });
        Ok(Self { stdin, stdout: output(stdout), stderr: output(stderr) })
    }

    fn output(&mut self, stream: Stream) -> &mut Option<Output> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn is_gone(&self) -> bool {
        self.stdin.is_none() && self.stdout.is_none() && self.stderr.is_none()
    }
}

impl Output {
    /// Writes what it can; false when the reader is gone.
    fn flush(&mut self) -> bool {
        while !self.pending.is_empty() {
            match write(&self.fd, &self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

pub(super) fn set_nonblocking(fd: &OwnedFd) -> nix::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(fd.as_raw_fd(), FcntlArg::F_GETFL)?);
    fcntl(fd.as_raw_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

impl Running {
    pub(super) fn new(request: StartRequest, run: ContainerRun, log: Option<ContainerLog>) -> Self {
        Self {
            request,
            run,
            log,
            stdout: None,
            stderr: None,
            stdin: None,
            stdin_pending: Vec::new(),
            clients: Vec::new(),
            oom_kills_before: 0,
        }
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.run.pid)
    }

    pub(super) fn is_running(&self) -> bool {
        self.run.exit.is_none()
    }

    /// The descriptors to wait for: `(descriptor, for writing, what it is)`.
    pub(super) fn interests<'a>(&'a self, out: &mut Vec<(BorrowedFd<'a>, bool, Ready)>) {
        let blocked = |stream: Stream| {
            let busy = |output: &Option<Output>| output.as_ref().is_some_and(|output| !output.pending.is_empty());
            self.clients.iter().any(|c| busy(if stream == Stream::Stdout { &c.stdout } else { &c.stderr }))
        };
        if let Some(fd) = self.stdout.as_ref().filter(|_| !blocked(Stream::Stdout)) {
            out.push((fd.as_fd(), false, Ready::Stdout));
        }
        if let Some(fd) = self.stderr.as_ref().filter(|_| !blocked(Stream::Stderr)) {
            out.push((fd.as_fd(), false, Ready::Stderr));
        }
        if let Some(fd) = self.stdin.as_ref().filter(|_| !self.stdin_pending.is_empty()) {
            out.push((fd.as_fd(), true, Ready::Stdin));
        }
        for (index, client) in self.clients.iter().enumerate() {
            if let Some(fd) = client.stdin.as_ref().filter(|_| self.stdin_pending.is_empty()) {
                out.push((fd.as_fd(), false, Ready::ClientStdin(index)));
            }
            // Without pending bytes the poll still tells when the reader has gone.
            let pairs = [(&client.stdout, Ready::ClientStdout(index)), (&client.stderr, Ready::ClientStderr(index))];
            for (output, ready) in pairs {
                if let Some(output) = output.as_ref().filter(|output| !output.pending.is_empty()) {
                    out.push((output.fd.as_fd(), true, ready));
                }
            }
        }
    }

    /// Does what a ready descriptor allows.
    pub(super) fn handle(&mut self, ready: Ready, now: jiff::Timestamp) {
        match ready {
            Ready::Stdout => drop(self.pump(Stream::Stdout, now)),
            Ready::Stderr => drop(self.pump(Stream::Stderr, now)),
            Ready::Stdin => self.feed(),
            Ready::ClientStdin(index) => self.take_input(index),
            Ready::ClientStdout(index) => self.flush_client(index, Stream::Stdout),
            Ready::ClientStderr(index) => self.flush_client(index, Stream::Stderr),
        }
    }

    /// Forgets clients without any open descriptor; only between rounds of polling, since indices change.
    pub(super) fn sweep_clients(&mut self) {
        self.clients.retain(|client| !client.is_gone());
    }

    /// Reads a chunk and hands it to the log and all clients. False when there was nothing, or the stream has ended.
    fn pump(&mut self, stream: Stream, now: jiff::Timestamp) -> bool {
        let slot = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
        let Some(fd) = slot else { return false };
        let mut chunk = [0; CHUNK_BYTES];
        match read(fd.as_raw_fd(), &mut chunk) {
            Ok(0) | Err(Errno::EIO) => {
                *slot = None; // EIO is how a terminal says that nobody holds its other end
                if let Some(log) = &mut self.log {
                    log.finish(stream, now);
                }
                for client in &mut self.clients {
                    *client.output(stream) = None;
                }
                false
            }
            Ok(count) => {
                self.deliver(stream, &chunk[..count], now);
                true
            }
            Err(_) => false,
        }
    }

    fn deliver(&mut self, stream: Stream, bytes: &[u8], now: jiff::Timestamp) {
        if let Some(log) = &mut self.log {
            log.write(stream, bytes, now);
        }
        for client in &mut self.clients {
            let slot = client.output(stream);
            if let Some(output) = slot {
                output.pending.extend_from_slice(bytes);
                if !output.flush() {
                    *slot = None;
                }
            }
        }
    }

    fn flush_client(&mut self, index: usize, stream: Stream) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let slot = client.output(stream);
        if slot.as_mut().is_some_and(|output| !output.flush()) {
            *slot = None;
        }
    }

    fn take_input(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let Some(fd) = &client.stdin else { return };
        let mut chunk = [0; CHUNK_BYTES];
        match read(fd.as_raw_fd(), &mut chunk) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Ok(0) | Err(_) => {
                client.stdin = None;
                if self.request.stdin_once && !self.request.tty {
                    self.stdin = None;
                }
            }
            Ok(count) => {
                self.stdin_pending.extend_from_slice(&chunk[..count]);
                self.feed();
            }
        }
    }

    fn feed(&mut self) {
        let Some(fd) = &self.stdin else {
            self.stdin_pending.clear();
            return;
        };
        while !self.stdin_pending.is_empty() {
            match write(fd, &self.stdin_pending) {
                Ok(count) => drop(self.stdin_pending.drain(..count)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => {
                    self.stdin_pending.clear();
                    self.stdin = None;
                    return;
                }
            }
        }
    }

    /// After the process's end: takes what is still in the pipes, and closes everything.
    pub(super) fn drain(&mut self, now: jiff::Timestamp) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            while self.pump(stream, now) {}
            if let Some(log) = &mut self.log {
                log.finish(stream, now);
            }
        }
        self.stdout = None;
        self.stderr = None;
        self.stdin = None;
        self.stdin_pending.clear();
        // A client that has not taken its last chunk gets it as far as its pipe goes; then its streams end.
        self.clients.clear();
    }
}
