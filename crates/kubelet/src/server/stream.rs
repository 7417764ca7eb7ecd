//! The streams of exec and attach, whatever carries them: what comes from the client, what goes to it.

mod channels;
mod format;
mod joined;
mod session;

pub(super) use channels::{config as websocket_config, serve as serve_channels};
pub(super) use format::Format;
pub(super) use joined::{Ending, join};
pub(super) use session::serve as serve_session;

use bytes::Bytes;
use runtime::service::TerminalSize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Pieces that wait in each direction: enough to keep the other side busy, few enough that a slow reader holds its
/// writer up.
pub(super) const QUEUE_LENGTH: usize = 16;
/// How much is read from a process at once, bytes.
pub(super) const PIECE_BYTES: usize = 32 << 10;

/// Which streams the client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

/// Something for the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    Stdout(Bytes),
    Stderr(Bytes),
    /// The v4 status: how it ended. Nothing comes after it.
    Status(Bytes),
}

/// The client's end of a session. Dropping `output` ends it; a closed `output` means that the client is gone.
pub(super) struct Remote {
    pub stdin: mpsc::Receiver<Bytes>,
    pub resize: mpsc::Receiver<TerminalSize>,
    pub output: mpsc::Sender<Output>,
}

/// The ends that a carrier (WebSocket or SPDY) works on.
pub(super) struct Carrier {
    pub stdin: Option<mpsc::Sender<Bytes>>,
    pub resize: mpsc::Sender<TerminalSize>,
    pub output: mpsc::Receiver<Output>,
}

/// A session's two sides.
pub(super) fn pair() -> (Remote, Carrier) {
    let (stdin_in, stdin) = mpsc::channel(QUEUE_LENGTH);
    let (resize_in, resize) = mpsc::channel(QUEUE_LENGTH);
    let (output, output_out) = mpsc::channel(QUEUE_LENGTH);
    (Remote { stdin, resize, output }, Carrier { stdin: Some(stdin_in), resize: resize_in, output: output_out })
}

/// `{"Width":80,"Height":24}`, as clients send it.
fn terminal_size(bytes: &[u8]) -> Option<TerminalSize> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let side = |name: &str| u16::try_from(value[name].as_u64()?).ok();
    Some(TerminalSize { width: side("Width")?, height: side("Height")? })
}

/// The status of success.
pub(super) fn success() -> Bytes {
    json!({"metadata": {}, "status": "Success"}).to_string().into()
}

/// The status of a command that ended with an exit code (`remotecommand.NonZeroExitCodeReason`).
pub(super) fn exit_status(code: i32) -> Bytes {
    if code == 0 {
        return success();
    }
    let message = format!("command terminated with non-zero exit code: command terminated with exit code {code}");
    let causes = json!([{"reason": "ExitCode", "message": code.to_string()}]);
    json!({
        "metadata": {}, "status": "Failure", "message": message, "reason": "NonZeroExitCode",
        "details": {"causes": causes},
    })
    .to_string()
    .into()
}

/// The status of something that did not work.
pub(super) fn failure(words: &str) -> Bytes {
    json!({
        "metadata": {}, "status": "Failure", "message": format!("Internal error occurred: {words}"),
        "reason": "InternalError", "details": {"causes": [{"message": words}]}, "code": 500,
    })
    .to_string()
    .into()
}

#[cfg(test)]
mod tests;
