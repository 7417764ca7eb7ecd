//! WebSocket carrier: every message begins with the number of its channel (`v4.channel.k8s.io`); in `v5` the client can
//! close a single channel, so that the end of input can be told from the end of everything.

use super::{Carrier, Output, Wanted, terminal_size};
use bytes::{BufMut, Bytes, BytesMut};
use clock::Clock;
use futures::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
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

fn message(channel: u8, data: &[u8]) -> Message {
    let mut bytes = BytesMut::with_capacity(data.len() + 1);
    bytes.put_u8(channel);
    bytes.extend_from_slice(data);
    Message::Binary(bytes.freeze())
}

/// Carries a session until both sides are done.
pub(in crate::server) async fn serve<S>(stream: S, protocol: &str, wanted: Wanted, carrier: Carrier, clock: &dyn Clock)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let may_close = protocol.starts_with("v5.");
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config())).await;
    let (mut sink, mut source) = socket.split();
    let Carrier { stdin, resize, mut output } = carrier;
    let mut stdin = stdin.filter(|_| wanted.stdin);
    let read = async {
        while let Some(Ok(received)) = source.next().await {
            let bytes = match received {
                Message::Binary(bytes) => bytes,
                Message::Text(text) => Bytes::from(text),
                Message::Close(_) => break,
                _ => continue,
            };
            match bytes.split_first() {
                Some((&STDIN, [])) | None => {}
                Some((&STDIN, _)) => {
                    let gone = match &stdin {
                        Some(process) => process.send(bytes.slice(1..)).await.is_err(),
                        None => false,
                    };
                    if gone {
                        stdin = None;
                    }
                }
                Some((&RESIZE, size)) => {
                    if let Some(size) = terminal_size(size) {
                        // A full queue of sizes: the next one will do.
                        let _ = resize.try_send(size);
                    }
                }
                Some((&CLOSE, [STDIN, ..])) if may_close => stdin = None,
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
        sink.send(message(first, &[])).await?;
        while let Some(one) = output.recv().await {
            match one {
                Output::Stdout(data) => sink.send(message(STDOUT, &data)).await?,
                Output::Stderr(data) => sink.send(message(STDERR, &data)).await?,
                Output::Status(data) => sink.send(message(ERROR, &data)).await?,
            }
        }
        let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        sink.send(Message::Close(Some(close))).await
    };
    let mut read = std::pin::pin!(read);
    let written = tokio::select! {
        // The client has left: dropping `output` tells the other side.
        () = &mut read => return,
        written = write => written,
    };
    if written.is_ok() {
        let _ = clock::timeout(clock, CLOSE_TIMEOUT, read).await;
    }
}
