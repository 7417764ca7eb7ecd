//! What the runtime and a shim say to each other: length-prefixed JSON over a unix socket, descriptors beside it.
//!
//! The runtime sends [`Call`]s, the shim answers each with a [`Answer::Reply`] and sends [`Answer::Event`]s in between. A
//! runtime that connects anew says [`Request::Hello`] and learns everything that it missed.

use crate::service::{ContainerId, ExitOutcome, StartFailure, TerminalSize};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Largest frame. The largest real one is an exec with a long command line (ARG_MAX is 2 MiB, escaped).
pub(crate) const FRAME_MAX_BYTES: usize = 8 << 20;

/// A request with its number and the count of descriptors that come with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub id: u64,
    pub fds: usize,
    pub request: Request,
}

/// What a shim can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// All containers of this shim.
    Hello,
    /// Start a container.
    Start(StartRequest),
    /// Send a signal to the container's first process or, with `all`, to every one.
    Signal { container: ContainerId, signal: i32, all: bool },
    /// Run a command in a container. With three descriptors, or none and a console path.
    Exec(ExecStart),
    /// Send a signal to a command.
    SignalExec { exec: String, signal: i32 },
    /// Tell the container's terminal its size.
    Resize { container: ContainerId, size: TerminalSize },
    /// Connect descriptors to the container's streams: stdout, stderr and, if `stdin`, stdin.
    Attach { container: ContainerId, stdin: bool },
    /// Open the log anew.
    ReopenLog { container: ContainerId },
    /// Forget an exited container.
    Forget { container: ContainerId },
    /// End, when nothing runs any more.
    Shutdown,
}

/// How to start a container whose bundle is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StartRequest {
    pub container: ContainerId,
    /// Holds `config.json`; `status.json` is written here.
    pub bundle: PathBuf,
    /// The mounted root, unmounted at the end.
    pub rootfs: PathBuf,
    pub log: Option<PathBuf>,
    pub tty: bool,
    pub stdin: bool,
    pub stdin_once: bool,
    pub oom_score_adj: Option<i32>,
    /// The container's cgroup below each hierarchy.
    pub cgroup: String,
    pub systemd_cgroup: bool,
}

/// How to run a command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ExecStart {
    pub container: ContainerId,
    /// Chosen by the caller, unique for ever.
    pub exec: String,
    /// The OCI process, as JSON.
    pub process: serde_json::Value,
    /// Where to send the terminal's master; none: no terminal.
    pub console: Option<PathBuf>,
}

/// What a shim says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Reply { id: u64, result: Result<Response, Failure> },
    Event(Event),
}

/// Success.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Response {
    Done,
    Containers(Vec<(ContainerId, ContainerRun)>),
    Started(ContainerRun),
}

/// Failure.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Failure {
    /// No such container or command, or it has ended.
    NotRunning,
    Start(StartFailure),
    Other(String),
}

/// What happened unasked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Event {
    ContainerExited { container: ContainerId, run: ContainerRun },
    ExecExited { exec: String, outcome: ExitOutcome },
}

/// One run of a container's process; also the content of `status.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainerRun {
    pub pid: i32,
    pub started_at: jiff::Timestamp,
    pub exit: Option<ContainerExit>,
}

/// Its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainerExit {
    pub at: jiff::Timestamp,
    pub outcome: ExitOutcome,
    pub oom_killed: bool,
}

/// The frame of a message.
pub(crate) fn encode(message: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    if length > FRAME_MAX_BYTES {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "message too large for a frame"));
    }
    frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(frame)
}

/// Takes the first whole message from `buffer`, if one is there.
pub(crate) fn decode<T: DeserializeOwned>(buffer: &mut Vec<u8>) -> std::io::Result<Option<T>> {
    let Some(head) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*head) as usize;
    if length > FRAME_MAX_BYTES {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "frame too large"));
    }
    let Some(body) = buffer.get(4..4 + length) else { return Ok(None) };
    let message = serde_json::from_slice(body)?;
    buffer.drain(..4 + length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_however_they_were_cut() {
        let first = encode(&Call { id: 1, fds: 0, request: Request::Hello }).unwrap();
        let second = encode(&Call { id: 2, fds: 3, request: Request::Shutdown }).unwrap();
        let all = [first, second].concat();
        for cut in 0..all.len() {
            let mut buffer = Vec::new();
            let mut ids = Vec::new();
            for part in [&all[..cut], &all[cut..]] {
                buffer.extend_from_slice(part);
                while let Some(call) = decode::<Call>(&mut buffer).unwrap() {
                    ids.push(call.id);
                }
            }
            assert_eq!((ids, buffer.len()), (vec![1, 2], 0), "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_that_claims_to_be_huge_is_refused_before_it_is_read() {
        let mut buffer = u32::MAX.to_le_bytes().to_vec();
        assert!(decode::<Call>(&mut buffer).is_err());
    }
}
