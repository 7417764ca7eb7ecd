//! Handlers: what probes and lifecycle hooks do. exec, httpGet, tcpSocket, sleep.

use crate::shared::Shared;
use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, LifecycleHandler};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use runtime::service::{ContainerId, ExecError};
use rustls_pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why a handler failed, in upstream's words for the Unhealthy event.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The command said no.
    #[error("{output}")]
    ExitCode {
        /// What it printed.
        output: String,
        /// Its exit code.
        code: i32,
    },
    /// The command could not be run.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The server said no.
    #[error("HTTP probe failed with statuscode: {0}")]
    StatusCode(u16),
    /// The server was not reached, or broke off.
    #[error("{0}")]
    Http(String),
    /// Nobody listens.
    #[error("dial tcp {address}: {reason}")]
    Dial {
        /// Where.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// The handler names a port that the container has not, or nothing at all.
    #[error("{0}")]
    Invalid(String),
}

/// Bytes of an HTTP answer that are looked at (`maxRespBodyLength`).
const MAX_BODY_BYTES: usize = 10 << 10;

/// Runs a lifecycle hook.
///
/// # Errors
/// The handler failed.
pub async fn run(
    shared: &Shared,
    id: &ContainerId,
    container: &Container,
    handler: &LifecycleHandler,
    addresses: &[IpAddr],
) -> Result<(), HandlerError> {
    if let Some(exec) = &handler.exec {
        return self::exec(shared, id, exec.command.clone().unwrap_or_default(), Duration::ZERO).await;
    }
    if let Some(get) = &handler.http_get {
        return http_get(container, get, addresses).await;
    }
    if let Some(socket) = &handler.tcp_socket {
        return tcp(container, socket.host.as_deref(), &socket.port, addresses).await;
    }
    if let Some(sleep) = &handler.sleep {
        shared.clock.sleep(Duration::from_secs(sleep.seconds.unsigned_abs())).await;
        return Ok(());
    }
    Err(HandlerError::Invalid("invalid handler: nothing to do".to_owned()))
}

/// Runs a command in the container. A `timeout` of zero means none.
///
/// # Errors
/// An exit code other than 0; it could not be run.
pub async fn exec(
    shared: &Shared,
    id: &ContainerId,
    command: Vec<String>,
    timeout: Duration,
) -> Result<(), HandlerError> {
    let output = shared.runtime.exec_sync(id, command, timeout).await?;
    if output.exit_code == 0 {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text.truncate(text.floor_char_boundary(MAX_BODY_BYTES));
    Err(HandlerError::ExitCode { output: text.trim_end().to_owned(), code: output.exit_code })
}

fn port(container: &Container, port: &IntOrString) -> Result<u16, HandlerError> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(text) => text.parse().ok().or_else(|| {
            let named = container.ports.iter().flatten().find(|p| p.name.as_deref() == Some(text));
            named.map(|p| p.container_port)
        }),
    };
    number
        .and_then(|n| u16::try_from(n).ok())
        .ok_or_else(|| HandlerError::Invalid(format!("couldn't find port: {port:?}")))
}

fn host(named: Option<&str>, addresses: &[IpAddr]) -> Result<IpAddr, HandlerError> {
    let named = named.filter(|h| !h.is_empty()).and_then(|h| h.parse().ok());
    let address = named.or_else(|| addresses.first().copied());
    address.ok_or_else(|| HandlerError::Invalid("the pod has no address".to_owned()))
}

/// Connects to a port.
///
/// # Errors
/// Nobody listens.
pub async fn tcp(
    container: &Container,
    named: Option<&str>,
    named_port: &IntOrString,
    addresses: &[IpAddr],
) -> Result<(), HandlerError> {
    let address = SocketAddr::new(host(named, addresses)?, port(container, named_port)?);
    TcpStream::connect(address).await.map(drop).map_err(|error| HandlerError::Dial { address, reason: words(&error) })
}

/// Go's words for the ways in which a connection fails.
fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        std::io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        std::io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        _ => error.to_string(),
    }
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// Probes verify no certificates: a container's are its own business (upstream's `InsecureSkipVerify`).
async fn over_tls(stream: TcpStream, address: IpAddr) -> Result<TlsStream<TcpStream>, String> {
    let config = certs::unverified_client_config(None, &[b"http/1.1"]).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(config);
    connector.connect(ServerName::from(address), stream).await.map_err(|error| error.to_string())
}

/// Gets a page; 200 to 399 is success.
///
/// # Errors
/// Another status, or no answer.
pub async fn http_get(container: &Container, get: &HTTPGetAction, addresses: &[IpAddr]) -> Result<(), HandlerError> {
    let tls = get.scheme.as_deref() == Some("HTTPS");
    let address = SocketAddr::new(host(get.host.as_deref(), addresses)?, port(container, &get.port)?);
    let path = get.path.as_deref().filter(|p| !p.is_empty()).unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let url = format!("{}://{address}{path}", if tls { "https" } else { "http" });
    let failed = |reason: String| HandlerError::Http(format!("Get \"{url}\": {reason}"));
    let stream =
        TcpStream::connect(address).await.map_err(|error| failed(format!("dial tcp {address}: {}", words(&error))))?;
    let stream: Pin<Box<dyn Stream>> =
        if tls { Box::pin(over_tls(stream, address.ip()).await.map_err(failed)?) } else { Box::pin(stream) };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(error.to_string()))?;
    let uri: Uri = path.parse().map_err(|_| HandlerError::Invalid(format!("invalid path {path:?}")))?;
    let mut request = http::Request::get(uri).header(http::header::USER_AGENT, "kube-probe/1.36");
    let mut has_host = false;
    for header in get.http_headers.iter().flatten() {
        has_host |= header.name.eq_ignore_ascii_case("host");
        request = request.header(&header.name, &header.value);
    }
    if !has_host {
        request = request.header(http::header::HOST, address.to_string());
    }
    let request = request
        .header(http::header::ACCEPT, "*/*")
        .header(http::header::CONNECTION, "close")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| HandlerError::Invalid(error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| failed(error.to_string()))?;
        let status = response.status().as_u16();
        // what the server has to say is read, but a long answer is no failure
        let _ = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
        if (200..400).contains(&status) { Ok(()) } else { Err(HandlerError::StatusCode(status)) }
    };
    let driver = async {
        let _ = connection.await; // its error shows in the exchange
        std::future::pending::<()>().await;
    };
    futures::pin_mut!(exchange, driver);
    match futures::future::select(exchange, driver).await {
        futures::future::Either::Left((result, _)) => result,
        futures::future::Either::Right(((), _)) => Err(failed("EOF".to_owned())),
    }
}
