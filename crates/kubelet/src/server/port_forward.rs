//! Port-forward: pairs of SPDY streams (data and error) of one request id, each pair a TCP connection into the pod.
//! Newer clients send the same SPDY inside WebSocket messages (KEP-4006).

use super::answer::{Answer, text};
use super::listen::Context;
use super::route::Target;
use super::spdy::{Accepted, Session};
use super::stream::PIECE_BYTES;
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
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

const TUNNEL_PROTOCOL: &str = "SPDY/3.1+portforward.k8s.io";
const SPDY_PROTOCOL: &str = "portforward.k8s.io";
/// Bytes between the WebSocket and the SPDY session in each direction.
const TUNNEL_BYTES: usize = 64 << 10;
/// Request ids of which one stream has come and the other has not.
const MAX_HALF_PAIRS: usize = 1024;

/// `/portForward/NS/POD`
pub(super) async fn serve(context: Context, target: Target, request: Request<Incoming>) -> Answer {
    let Some(sandbox) = context.access.sandbox(&target.namespace, &target.pod) else {
        let words = format!("unable to do port forwarding: pod {}_{} is not running\n", target.pod, target.namespace);
        return text(StatusCode::NOT_FOUND, words);
    };
    let (response, transport, upgraded) = match upgrade(request, &[TUNNEL_PROTOCOL], &[SPDY_PROTOCOL]) {
        Ok(upgraded) => upgraded,
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
            match transport {
                Transport::Spdy(_) => forward.run(Session::start(stream)).await,
                Transport::WebSocket(_) => {
                    let (near, far) = tokio::io::duplex(TUNNEL_BYTES);
                    tokio::join!(tunnel(stream, far), forward.run(Session::start(near)));
                }
            }
        };
        tokio::select! {
            () = context.shutdown.cancelled() => {}
            () = work => {}
        }
    });
    response
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
        let port = data.headers.get("port").and_then(|port| port.parse::<u16>().ok()).filter(|port| *port != 0);
        let failed = match port {
            None => Some(format!("{:?} is not a port", data.headers.get("port"))),
            Some(port) => match self.runtime.port_forward(&self.sandbox, port).await {
                Ok(stream) => {
                    join(stream, data).await;
                    None
                }
                Err(reason) => {
                    data.send.reset().await;
                    Some(format!(
                        "error forwarding port {port} to pod {}_{}: {reason}",
                        self.target.pod, self.target.namespace
                    ))
                }
            },
        };
        if let Some(words) = failed {
            // A client that has left needs no reason.
            let _ = error.send.send(Bytes::from(words)).await;
        }
        error.send.finish().await;
    }
}

/// Copies both ways until both have ended.
async fn join(stream: TcpStream, client: Accepted) {
    let (mut from_pod, mut to_pod) = stream.into_split();
    let Accepted { mut data, send, .. } = client;
    let inward = async {
        while let Some(bytes) = data.recv().await {
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
            if !send.send(Bytes::copy_from_slice(&buffer[..length])).await {
                return;
            }
        }
        send.finish().await;
    };
    // When the pod has sent everything, what the client still says is of no use.
    let mut inward = std::pin::pin!(inward);
    let mut outward = std::pin::pin!(outward);
    tokio::select! {
        () = &mut outward => {}
        () = &mut inward => outward.await,
    }
}
