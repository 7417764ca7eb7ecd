//! Streams of exec and attach.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

/// How much of each output stream `exec_sync` keeps (containerd's limit): 16 MiB.
pub const EXEC_SYNC_OUTPUT_MAX_BYTES: usize = 16 << 20;

/// An output stream.
pub type BoxRead = Box<dyn AsyncRead + Send + Unpin>;
/// The input stream; shutting it down is the end of input.
pub type BoxWrite = Box<dyn AsyncWrite + Send + Unpin>;

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// What to run and which streams to connect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecRequest {
    /// Program and arguments; must not be empty.
    pub command: Vec<String>,
    /// Connect its input; else it reads end-of-file.
    pub stdin: bool,
    /// Connect its output; else it is discarded.
    pub stdout: bool,
    /// Connect its error output; else it is discarded. Not with `tty`.
    pub stderr: bool,
    /// Give it a terminal: then all output comes on `stdout`.
    pub tty: bool,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitOutcome {
    /// 0 to 255; 128 + n for signal n.
    pub exit_code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// Tells a terminal its size; does nothing where there is none.
pub type ResizeSender = Box<dyn Fn(TerminalSize) + Send + Sync>;

/// The streams of one exec or attach.
pub struct ContainerIo {
    /// To the process.
    pub stdin: Option<BoxWrite>,
    /// From the process.
    pub stdout: Option<BoxRead>,
    /// From the process.
    pub stderr: Option<BoxRead>,
    /// Sets the terminal's size.
    pub resize: ResizeSender,
    /// Resolves when the process ends; output may still be in the streams: read them to their ends. For attach, it is the
    /// container's process.
    pub exit: BoxFuture<'static, Result<ExitOutcome, super::ExecError>>,
}

impl std::fmt::Debug for ContainerIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContainerIo").field("stdin", &self.stdin.is_some()).finish_non_exhaustive()
    }
}

/// What `exec_sync` returns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecOutput {
    /// At most [`EXEC_SYNC_OUTPUT_MAX_BYTES`].
    pub stdout: Vec<u8>,
    /// At most [`EXEC_SYNC_OUTPUT_MAX_BYTES`].
    pub stderr: Vec<u8>,
    /// 0 to 255; 128 + n for signal n.
    pub exit_code: i32,
}
