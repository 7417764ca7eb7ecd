//! Port-forward: pairs of SPDY streams (data and error) of one request id, each pair a TCP connection into the pod.
//! Newer clients send the same SPDY inside WebSocket messages (KEP-4006); others speak the older channels.

mod channels;

use super::answer::{Answer, Refusal, text};
use super::listen::Context;
use super::route::{Query, Target};
use super::spdy::{Accepted, SendStream, Session};
use super::stream::{Format, PIECE_BYTES};
use super::upgrade::{Transport, upgrade};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use runtime::service::{RuntimeService, SandboxId};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

const TUNNEL_PROTOCOL: &str = "SPDY/3.1+portforward.k8s.io";
/// Subprotocols over WebSocket, best first; the last is for who names none.
const WEBSOCKET_PROTOCOLS: [&str; 4] = [TUNNEL_PROTOCOL, "v4.channel.k8s.io", "v4.base64.channel.k8s.io", ""];
const SPDY_PROTOCOL: &str = "portforward.k8s.io";
/// Bytes between the WebSocket and the SPDY session in each direction.
const TUNNEL_BYTES: usize = 64 << 10;
/// Request ids of which one stream has come and the other has not.
const MAX_HALF_PAIRS: usize = 1024;

/// `/portForward/NS/POD`, with `?port=…` for channels
pub(super) async fn serve(context: Context, target: Target, query: Query, request: Request<Incoming>) -> Answer {
    let Some(sandbox) = context.access.sandbox(&target.namespace, &target.pod) else {
        let words = format!("unable to do port forwarding: pod {}_{} is not running\n", target.pod, target.namespace);
        return text(StatusCode::NOT_FOUND, words);
    };
    let (response, transport, upgraded) = match upgrade(request, &WEBSOCKET_PROTOCOLS, &[SPDY_PROTOCOL]) {
        Ok(upgraded) => upgraded,
        Err(refusal) => return refusal.into(),
    };
    let carrier = match carrier(&transport, &query) {
        Ok(carrier) => carrier,
        Err(refusal) => return refusal.into(),
    };
    tokio::spawn(async move {
        let stream = match upgraded.await {
            Ok(stream) => TokioIo::new(stream),
            Err(error) => {
                tracing::debug!(%error, "a stream was not upgraded");
                return;
            }
        };
        let forward = Forward { runtime: context.access.runtime(), sandbox, target: Arc::new(target) };
        let work = async {
            match carrier {
                Carrier::Spdy => forward.run(Session::start(stream)).await,
                Carrier::Tunnel => {
                    let (near, far) = tokio::io::duplex(TUNNEL_BYTES);
                    tokio::join!(tunnel(stream, far), forward.run(Session::start(near)));
                }
                Carrier::Channels(format, ports) => channels::serve(stream, format, ports, forward).await,
            }
        };
        tokio::select! {
            () = context.shutdown.cancelled() => {}
            () = work => {}
        }
    });
    response
}

/// What carries the connections.
enum Carrier {
    Spdy,
    /// SPDY inside of WebSocket messages.
    Tunnel,
    /// WebSocket channels for these ports.
    Channels(Format, Vec<u16>),
}

fn carrier(transport: &Transport, query: &Query) -> Result<Carrier, Refusal> {
    match transport {
        Transport::Spdy(_) => Ok(Carrier::Spdy),
        Transport::WebSocket(protocol) if protocol == TUNNEL_PROTOCOL => Ok(Carrier::Tunnel),
        Transport::WebSocket(protocol) => Ok(Carrier::Channels(Format::of(protocol), channels::ports(query)?)),
    }
}

/// Binary messages are pieces of one byte stream; their borders mean nothing.
async fn tunnel(stream: TokioIo<Upgraded>, far: DuplexStream) {
    let config = super::stream::websocket_config();
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (mut sink, mut source) = socket.split();
    let (mut from_session, mut to_session) = tokio::io::split(far);
    let inward = async {
        while let Some(Ok(message)) = source.next().await {
            let written = match message {
                Message::Binary(bytes) => to_session.write_all(&bytes).await,
                Message::Close(_) => break,
                _ => Ok(()),
            };
            if written.is_err() {
                break;
            }
        }
        // The session sees the end, and ends.
        let _ = to_session.shutdown().await;
    };
    let outward = async {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(length @ 1..) = from_session.read(&mut buffer).await {
            let message = Message::Binary(Bytes::copy_from_slice(&buffer[..length]));
            if sink.send(message).await.is_err() {
                return;
            }
        }
        // The client may have closed already.
        let _ = sink.close().await;
    };
    tokio::join!(inward, outward);
}

#[derive(Clone)]
struct Forward {
    runtime: Arc<dyn RuntimeService>,
    sandbox: SandboxId,
    target: Arc<Target>,
}

/// The two streams of a connection, as they come.
#[derive(Default)]
struct Half {
    data: Option<Accepted>,
    error: Option<Accepted>,
}

impl Forward {
    async fn run(self, mut session: Session) {
        let mut halves: HashMap<String, Half> = HashMap::new();
        while let Some(stream) = session.accept().await {
            let header = |name: &str| stream.headers.get(name).cloned().unwrap_or_default();
            // Old clients send no request id: the port stands for it.
            let id = Some(header("requestid")).filter(|id| !id.is_empty()).unwrap_or_else(|| header("port"));
            let kind = header("streamtype");
            if halves.len() >= MAX_HALF_PAIRS && !halves.contains_key(&id) {
                stream.send.reset().await;
                continue;
            }
            let half = halves.entry(id.clone()).or_default();
            match kind.as_str() {
                "data" => half.data = Some(stream),
                "error" => half.error = Some(stream),
                _ => stream.send.reset().await,
            }
            let complete = half.data.is_some() && half.error.is_some();
            let pair = if complete { halves.remove(&id) } else { None };
            if let Some(Half { data: Some(data), error: Some(error) }) = pair {
                tokio::spawn(self.clone().connect(data, error));
            }
        }
    }

    async fn connect(self, data: Accepted, error: Accepted) {
        let Accepted { headers, data: input, send } = data;
        let port = headers.get("port").and_then(|port| port.parse::<u16>().ok()).filter(|port| *port != 0);
        let dialed = match port {
            None => Err(format!("{:?} is not a port", headers.get("port"))),
            Some(port) => self.dial(port).await,
        };
        match dialed {
            Ok(stream) => {
                let output = Output::Stream(send);
                join(stream, input, &output).await;
                output.finish().await;
            }
            Err(words) => {
                send.reset().await;
                // A client that has left needs no reason.
                let _ = error.send.send(Bytes::from(words)).await;
            }
        }
        error.send.finish().await;
    }

    /// A connection into the pod, or why there is none.
    async fn dial(&self, port: u16) -> Result<TcpStream, String> {
        let Target { pod, namespace, .. } = &*self.target;
        let failed = |reason| format!("error forwarding port {port} to pod {pod}_{namespace}: {reason}");
        self.runtime.port_forward(&self.sandbox, port).await.map_err(failed)
    }
}

/// Where what the pod says goes.
enum Output {
    Stream(SendStream),
    /// A WebSocket channel.
    Channel(u8, mpsc::Sender<(u8, Bytes)>),
}

impl Output {
    /// Whether the client still listens.
    async fn send(&self, data: Bytes) -> bool {
        match self {
            Self::Stream(stream) => stream.send(data).await,
            Self::Channel(channel, out) => out.send((*channel, data)).await.is_ok(),
        }
    }

    /// Channels have no end of their own.
    async fn finish(&self) {
        if let Self::Stream(stream) = self {
            stream.finish().await;
        }
    }
}

/// Copies both ways until both have ended.
async fn join(stream: TcpStream, mut input: mpsc::Receiver<Bytes>, output: &Output) {
    let (mut from_pod, mut to_pod) = stream.into_split();
    let inward = async {
        while let Some(bytes) = input.recv().await {
            if to_pod.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // The pod may have closed already.
        let _ = to_pod.shutdown().await;
    };
    let outward = async {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(length @ 1..) = from_pod.read(&mut buffer).await {
            if !output.send(Bytes::copy_from_slice(&buffer[..length])).await {
                return;
            }
        }
    };
    // When the pod has sent everything, what the client still says is of no use.
    let mut inward = std::pin::pin!(inward);
    let mut outward = std::pin::pin!(outward);
    tokio::select! {
        () = &mut outward => {}
        () = &mut inward => outward.await,
    }
}
