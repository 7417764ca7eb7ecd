//! The runtime's side of a shim's socket: numbered calls, events as they come.

use crate::service::ContainerId;
use crate::service::ExitOutcome;
use crate::shim::protocol::{Answer, Call, ContainerRun, Event, Failure, Request, Response, decode, encode};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

/// Calls that may wait to be written to one shim.
const OUTGOING_MAX: usize = 64;

/// What a shim tells unasked.
pub(super) enum News {
    /// A container's process has ended.
    Exited(ContainerId, ContainerRun),
    /// The shim is gone.
    Gone,
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// The connection is broken, so the shim is gone.
    Gone,
    /// The shim's own answer.
    Failed(Failure),
}

/// A connection to one shim. Clones share it.
#[derive(Clone)]
pub(super) struct ShimClient {
    outgoing: mpsc::Sender<(Vec<u8>, Vec<OwnedFd>)>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for ShimClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShimClient")
    }
}

#[derive(Default)]
struct Shared {
    next: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    gone: bool,
    calls: HashMap<u64, oneshot::Sender<Result<Response, Failure>>>,
    execs: HashMap<String, oneshot::Sender<ExitOutcome>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShimClient {
    /// Connects and starts to listen; `news` is called from the reading task, in order.
    pub(super) fn connect(path: &Path, news: impl Fn(News) + Send + Sync + 'static) -> std::io::Result<Self> {
        let socket = crate::socket::connect(path)?;
        socket.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(socket)?.into_split();
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        let shared = Arc::new(Shared::default());
        tokio::spawn(write_calls(writer, queue));
        tokio::spawn(read_answers(reader, Arc::clone(&shared), news));
        Ok(Self { outgoing, shared })
    }

    /// Asks and waits for the answer.
    pub(super) async fn call(&self, request: Request, fds: Vec<OwnedFd>) -> Result<Response, CallError> {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let frame = encode(&Call { id, fds: fds.len(), request })
            .map_err(|error| CallError::Failed(Failure::Other(error.to_string())))?;
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.shared.lock();
            if waiting.gone {
                return Err(CallError::Gone);
            }
            waiting.calls.insert(id, answer);
        }
        self.outgoing.send((frame, fds)).await.map_err(|_| CallError::Gone)?;
        answered.await.map_err(|_| CallError::Gone)?.map_err(CallError::Failed)
    }

    /// Resolves when the command with this name ends. Ask before starting it.
    pub(super) fn exec_exit(&self, exec: String) -> oneshot::Receiver<ExitOutcome> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.shared.lock();
        if !waiting.gone {
            waiting.execs.insert(exec, sender);
        }
        receiver
    }

    /// The command did not start after all.
    pub(super) fn forget_exec(&self, exec: &str) {
        self.shared.lock().execs.remove(exec);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.shared.lock().gone
    }
}

async fn write_calls(writer: OwnedWriteHalf, mut queue: mpsc::Receiver<(Vec<u8>, Vec<OwnedFd>)>) {
    let socket: &UnixStream = writer.as_ref();
    while let Some((frame, fds)) = queue.recv().await {
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let mut sent = 0;
        while sent < frame.len() {
            let beside = if sent == 0 { &borrowed[..] } else { &[] };
            let step = || crate::sys::send(socket.as_fd(), &frame[sent..], beside).map_err(std::io::Error::from);
            match socket.async_io(Interest::WRITABLE, step).await {
                Ok(count) => sent += count,
                Err(_) => return, // the reader notices as well, and tells
            }
        }
    }
}

async fn read_answers(mut reader: OwnedReadHalf, shared: Arc<Shared>, news: impl Fn(News)) {
    let mut buffer = Vec::new();
    loop {
        match decode::<Answer>(&mut buffer) {
            Ok(Some(Answer::Reply { id, result })) => {
                if let Some(answer) = shared.lock().calls.remove(&id) {
                    let _ = answer.send(result); // the caller may have given up
                }
            }
            Ok(Some(Answer::Event(Event::ContainerExited { container, run }))) => news(News::Exited(container, run)),
            Ok(Some(Answer::Event(Event::ExecExited { exec, outcome }))) => {
                if let Some(exit) = shared.lock().execs.remove(&exec) {
                    let _ = exit.send(outcome); // nobody waits for a command that runs on its own
                }
            }
            Ok(None) => match reader.read_buf(&mut buffer).await {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => break,
            },
            Err(_) => break,
        }
    }
    {
        let mut waiting = shared.lock();
        waiting.gone = true;
        waiting.calls.clear();
        waiting.execs.clear();
    }
    news(News::Gone);
}
