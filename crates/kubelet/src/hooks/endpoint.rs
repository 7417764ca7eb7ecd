//! Where a handler's server is, and connecting to it, in Go's words where that fails.

use super::HandlerError;
use clock::Clock;
use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// A name or an address.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Endpoint {
    /// The handler's host, or else the pod's address; its port by number or by the name that the container gives it.
    ///
    /// # Errors
    /// [`HandlerError::NotTried`] where there is no such port, or no address.
    pub(crate) fn new(
        container: &Container,
        host: Option<&str>,
        port: &IntOrString,
        addresses: &[IpAddr],
    ) -> Result<Self, HandlerError> {
        let host = match host.filter(|host| !host.is_empty()) {
            Some(host) => host.trim_matches(['[', ']']).to_owned(),
            None => match addresses.first() {
                Some(address) => address.to_string(),
                None => return Err(HandlerError::NotTried("the pod has no address".to_owned())),
            },
        };
        Ok(Self { host, port: number(container, port)? })
    }
}

/// `net.JoinHostPort`
impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Upstream's `ResolveContainerPort`.
fn number(container: &Container, port: &IntOrString) -> Result<u16, HandlerError> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => {
            let named = container.ports.iter().flatten().find(|p| p.name.as_deref() == Some(text));
            match named.map(|p| p.container_port).or_else(|| text.parse().ok()) {
                Some(number) => number,
                None => return Err(HandlerError::NotTried(format!("port {text} not found"))),
            }
        }
    };
    let usable = u16::try_from(number).ok().filter(|number| *number > 0);
    usable.ok_or_else(|| HandlerError::NotTried(format!("invalid port number: {number}")))
}

/// Connects; the error is Go's, as it stands after `dial tcp `.
pub(super) async fn dial(endpoint: &Endpoint, clock: &dyn Clock, limit: Option<Duration>) -> Result<TcpStream, String> {
    let connecting = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
    let connected = match limit {
        Some(limit) => clock::timeout(clock, limit, connecting).await,
        None => Some(connecting.await),
    };
    match connected {
        Some(Ok(stream)) => Ok(stream),
        Some(Err(error)) => Err(format!("{endpoint}: {}", words(&error))),
        None => Err(format!("{endpoint}: i/o timeout")),
    }
}

/// Go's words for the ways in which a connection fails.
pub(super) fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        std::io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        std::io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        std::io::ErrorKind::ConnectionReset => "read: connection reset by peer".to_owned(),
        std::io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        _ => error.to_string(),
    }
}

/// Connects to a port, no more.
///
/// # Errors
/// Nobody listens.
pub(crate) async fn tcp(endpoint: &Endpoint, clock: &dyn Clock, limit: Duration) -> Result<(), HandlerError> {
    let connected = dial(endpoint, clock, Some(limit)).await;
    connected.map(drop).map_err(|reason| HandlerError::Server(format!("dial tcp {reason}")))
}
