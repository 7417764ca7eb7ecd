//! WebSocket carrier: every message begins with the number of its channel (`v4.channel.k8s.io`); in `v5` the client can
//! close a single channel, so that the end of input can be told from the end of everything.

use super::format::Format;
use super::{Carrier, Output, Wanted, terminal_size};
use clock::Clock;
use futures::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;
/// A client sends at most 32 KiB at once; ten times that is generous.
const MAX_MESSAGE_BYTES: usize = 512 << 10;
/// How long the client's own close is waited for, so that the last bytes are not lost in a reset.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Limits for all WebSockets of this server.
pub(in crate::server) fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_BYTES)).max_frame_size(Some(MAX_MESSAGE_BYTES))
}

/// Carries a session until both sides are done.
pub(in crate::server) async fn serve<S>(stream: S, protocol: &str, wanted: Wanted, carrier: Carrier, clock: &dyn Clock)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let may_close = protocol.starts_with("v5.");
    let format = Format::of(protocol);
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config())).await;
    let (mut sink, mut source) = socket.split();
    let Carrier { stdin, resize, mut output } = carrier;
    let mut stdin = stdin.filter(|_| wanted.stdin);
    let read = async {
        while let Some(Ok(received)) = source.next().await {
            if received.is_close() {
                break;
            }
            let Some((channel, data)) = format.parse(received) else { continue };
            match channel {
                STDIN if data.is_empty() => {}
                STDIN => {
                    let gone = match &stdin {
                        Some(process) => process.send(data).await.is_err(),
                        None => false,
                    };
                    if gone {
                        stdin = None;
                    }
                }
                RESIZE => {
                    if let Some(size) = terminal_size(&data) {
                        // A full queue of sizes: the next one will do.
                        let _ = resize.try_send(size);
                    }
                }
                CLOSE if may_close && data.first() == Some(&STDIN) => stdin = None,
                _ => {}
            }
        }
        stdin = None;
    };
    let write = async {
        // An empty message tells the client that the connection stands.
        let first = if wanted.stdout {
            STDOUT
        } else if wanted.stderr {
            STDERR
        } else {
            ERROR
        };
        sink.send(format.message(first, &[])).await?;
        while let Some(one) = output.recv().await {
            match one {
                Output::Stdout(data) => sink.send(format.message(STDOUT, &data)).await?,
                Output::Stderr(data) => sink.send(format.message(STDERR, &data)).await?,
                Output::Status(data) => sink.send(format.message(ERROR, &data)).await?,
            }
        }
        let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        sink.send(Message::Close(Some(close))).await
    };
    let written = tokio::select! {
        // The client has left: dropping `output` tells the other side.
        () = read => return,
        written = write => written,
    };
    if written.is_ok()
        && let Ok(socket) = sink.reunite(source)
    {
        let _ = clock::timeout(clock, CLOSE_TIMEOUT, leave(socket)).await;
    }
}

/// Ends our side of the connection, and waits for the client's end. A client that waits for something to read wakes up by
/// that, even where it has not noticed the last messages: the Python client looks at its socket, not at what TLS holds
/// back.
async fn leave<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    if socket.get_mut().shutdown().await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}
