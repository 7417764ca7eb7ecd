//! Port-forward over WebSocket channels (`v4.channel.k8s.io`), as clients other than kubectl speak it: the ports stand in the
//! query, each is one connection, and has two channels: 2n for data and 2n + 1 for what went wrong. Each channel begins
//! with the port, two bytes, the lower one first.

use super::{Forward, Output, join};
use crate::server::answer::{Refusal, refuse};
use crate::server::route::Query;
use crate::server::stream::{Format, QUEUE_LENGTH, websocket_config};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Ports of one connection: each has two of the 256 channels.
const MAX_PORTS: usize = 128;

/// The ports that a query names (`NewV4Options`).
pub(super) fn ports(query: &Query) -> Result<Vec<u16>, Refusal> {
    let bad = |words: String| refuse(StatusCode::BAD_REQUEST, words);
    let named = query.all("port");
    if named.is_empty() {
        return Err(bad("query parameter \"port\" is required".to_owned()));
    }
    let mut ports = Vec::new();
    for port in named.iter().flat_map(|one| one.split(',')) {
        match port.parse::<u16>() {
            Ok(0) => return Err(bad(format!("port {port:?} must be > 0"))),
            Ok(port) => ports.push(port),
            Err(error) => return Err(bad(format!("unable to parse {port:?} as a port: {error}"))),
        }
    }
    if ports.len() > MAX_PORTS {
        return Err(bad(format!("{} ports are too many, at most {MAX_PORTS} are forwarded at once", ports.len())));
    }
    Ok(ports)
}

/// Carries all ports until each connection has ended, or the client leaves.
pub(super) async fn serve<S>(stream: S, format: Format, ports: Vec<u16>, forward: Forward)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(websocket_config())).await;
    let (mut sink, mut source) = socket.split();
    let (out, mut outgoing) = mpsc::channel(QUEUE_LENGTH);
    let mut inputs = Vec::new();
    let mut connections = Vec::new();
    for (number, port) in (0_u8..).zip(ports) {
        let (input, data) = mpsc::channel(QUEUE_LENGTH);
        inputs.push(Some(input));
        connections.push(connection(forward.clone(), port, number * 2, data, out.clone()));
    }
    drop(out);
    let inward = async {
        while let Some(Ok(message)) = source.next().await {
            if message.is_close() {
                break;
            }
            let Some((channel, data)) = format.parse(message) else { continue };
            let Some(input) = inputs.get_mut(usize::from(channel / 2)).filter(|_| channel % 2 == 0) else { continue };
            let gone = match input {
                Some(input) => input.send(data).await.is_err(),
                None => false,
            };
            // The pod listens no more; the other ports go on.
            if gone {
                *input = None;
            }
        }
    };
    let outward = async {
        while let Some((channel, data)) = outgoing.recv().await {
            let data: Bytes = data;
            if sink.send(format.message(channel, &data)).await.is_err() {
                return;
            }
        }
        // The client may have closed already.
        let _ = sink.send(Message::Close(None)).await;
    };
    let all = futures::future::join_all(connections);
    tokio::select! {
        // The client has left: all that is dropped here ends.
        () = inward => {}
        _ = async { tokio::join!(all, outward) } => {}
    }
}

/// One port: its connection and both its channels.
async fn connection(
    forward: Forward,
    port: u16,
    channel: u8,
    data: mpsc::Receiver<Bytes>,
    out: mpsc::Sender<(u8, Bytes)>,
) {
    let begun = Bytes::copy_from_slice(&port.to_le_bytes());
    for channel in [channel, channel + 1] {
        if out.send((channel, begun.clone())).await.is_err() {
            return;
        }
    }
    match forward.dial(port).await {
        Ok(stream) => join(stream, data, &Output::Channel(channel, out)).await,
        Err(words) => {
            // A client that has left needs no reason.
            let _ = out.send((channel + 1, words.into())).await;
        }
    }
}

#[cfg(test)]
mod tests;
