//! Getting a page. Redirects are followed to the same host, as upstream's prober does; one that leads elsewhere ends the probe
//! with a warning.

use super::endpoint::{Endpoint, dial, words};
use super::{HandlerError, MAX_BODY_BYTES};
use clock::Clock;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::HTTPGetAction;
use rustls_pki_types::ServerName;
use std::error::Error;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

/// Redirects that are followed: Go's.
const REDIRECTS_MAX: usize = 10;
/// What Go adds where the client's time is over.
const TIME_IS_OVER: &str = "(Client.Timeout exceeded while awaiting headers)";

/// For what a page is asked for: servers see it in the user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A probe.
    Probe,
    /// A lifecycle hook.
    Lifecycle,
}

impl Purpose {
    fn user_agent(self) -> &'static str {
        match self {
            Self::Probe => "kube-probe/1.36",
            Self::Lifecycle => "kube-lifecycle/1.36",
        }
    }
}

/// What there is to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    tls: bool,
    endpoint: Endpoint,
    /// With the query; it begins with a slash.
    path: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.endpoint, self.path)
    }
}

struct Answer {
    status: u16,
    location: Option<String>,
    body: String,
}

/// Gets a page; 200 to 399 is success. What comes back is a warning: a redirect that was not followed.
///
/// # Errors
/// Another status, or no answer within `limit`.
pub(crate) async fn get(
    get: &HTTPGetAction,
    endpoint: Endpoint,
    purpose: Purpose,
    clock: &dyn Clock,
    limit: Option<Duration>,
) -> Result<Option<String>, HandlerError> {
    let path = get.path.as_deref().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let first = Target { tls: get.scheme.as_deref() == Some("HTTPS"), endpoint, path };
    let began = clock.monotonic();
    let mut target = first.clone();
    for _ in 0..=REDIRECTS_MAX {
        let left = limit.map(|limit| limit.saturating_sub(clock.monotonic().saturating_sub(began)));
        let answer = ask(get, &target, purpose, clock, left).await?;
        let next = match answer.status {
            301 | 302 | 303 | 307 | 308 => answer.location.as_deref().and_then(|to| redirect(&target, to)),
            200..300 => return Ok(None),
            304..400 | 300 => None,
            status => return Err(HandlerError::StatusCode(status)),
        };
        match next {
            Some(next) if next.endpoint.host == first.endpoint.host => target = next,
            _ => return Ok(Some(format!("Probe terminated redirects, Response body: {}", answer.body))),
        }
    }
    Err(HandlerError::Server(format!("Get \"{target}\": stopped after {REDIRECTS_MAX} redirects")))
}

/// Where a `Location` leads; `None` where it makes no sense.
fn redirect(from: &Target, location: &str) -> Option<Target> {
    let url = Url::parse(&from.to_string()).ok()?.join(location).ok()?;
    let tls = match url.scheme() {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    Some(Target { tls, endpoint: Endpoint { host, port: url.port_or_known_default()? }, path })
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// Probes verify no certificates: a container's are its own business (upstream's `InsecureSkipVerify`).
async fn over_tls(stream: TcpStream, host: &str) -> Result<Pin<Box<dyn Stream>>, String> {
    let config = certs::unverified_client_config(None, &[b"http/1.1"]).map_err(|error| error.to_string())?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| words(&error))?;
    Ok(Box::pin(stream))
}

async fn ask(
    get: &HTTPGetAction,
    target: &Target,
    purpose: Purpose,
    clock: &dyn Clock,
    limit: Option<Duration>,
) -> Result<Answer, HandlerError> {
    let failed = |reason: String| HandlerError::Server(format!("Get \"{target}\": {reason}"));
    let request = request(get, target, purpose)?;
    let began = clock.monotonic();
    let stream = dial(&target.endpoint, clock, limit).await.map_err(|reason| {
        let late = if reason.ends_with("i/o timeout") { format!(" {TIME_IS_OVER}") } else { String::new() };
        failed(format!("dial tcp {reason}{late}"))
    })?;
    let left = limit.map(|limit| limit.saturating_sub(clock.monotonic().saturating_sub(began)));
    let exchange = exchange(stream, target, request);
    let answer = match left {
        Some(left) => clock::timeout(clock, left, exchange).await,
        None => Some(exchange.await),
    };
    answer.unwrap_or_else(|| Err(format!("context deadline exceeded {TIME_IS_OVER}"))).map_err(failed)
}

fn request(
    get: &HTTPGetAction,
    target: &Target,
    purpose: Purpose,
) -> Result<Request<Empty<bytes::Bytes>>, HandlerError> {
    let uri: Uri =
        target.path.parse().map_err(|_| HandlerError::NotTried(format!("invalid path {:?}", target.path)))?;
    let own = get.http_headers.as_deref().unwrap_or_default();
    let names = |name: &str| own.iter().any(|header| header.name.eq_ignore_ascii_case(name));
    let mut request = Request::get(uri);
    for (name, value) in [("user-agent", purpose.user_agent()), ("accept", "*/*")] {
        if !names(name) {
            request = request.header(name, value);
        }
    }
    // an empty one takes the header away, as in Go
    for header in own.iter().filter(|header| !header.value.is_empty()) {
        request = request.header(&header.name, &header.value);
    }
    if !own.iter().any(|header| header.name.eq_ignore_ascii_case("host") && !header.value.is_empty()) {
        request = request.header(http::header::HOST, target.endpoint.to_string());
    }
    let request = request.header(http::header::CONNECTION, "close").body(Empty::new());
    request.map_err(|error| HandlerError::NotTried(error.to_string()))
}

async fn exchange(stream: TcpStream, target: &Target, request: Request<Empty<bytes::Bytes>>) -> Result<Answer, String> {
    let stream: Pin<Box<dyn Stream>> =
        if target.tls { over_tls(stream, &target.endpoint.host).await? } else { Box::pin(stream) };
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| reason(&error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| reason(&error))?;
        let status = response.status().as_u16();
        let location = response.headers().get(http::header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok()).map(str::to_owned);
        // a long answer is no failure
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
        let body = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
        Ok(Answer { status, location, body })
    };
    let driver = async {
        let _ = connection.await; // its error shows in the exchange
        std::future::pending::<()>().await;
    };
    futures::pin_mut!(exchange, driver);
    match futures::future::select(exchange, driver).await {
        futures::future::Either::Left((result, _)) => result,
        futures::future::Either::Right(((), _)) => Err("EOF".to_owned()),
    }
}

/// Go's words for an exchange that breaks off.
fn reason(error: &hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_closed() {
        return "EOF".to_owned();
    }
    if error.is_parse() {
        return format!("net/http: HTTP/1.x transport connection broken: malformed HTTP response ({error})");
    }
    match error.source().and_then(|source| source.downcast_ref::<std::io::Error>()) {
        Some(error) => words(error),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_redirects_lead() {
        let host = "10.0.0.1".to_owned();
        let from = Target { tls: false, endpoint: Endpoint { host, port: 8080 }, path: "/a/b?c=/d".to_owned() };
        let to = |location: &str| redirect(&from, location).map(|to| to.to_string()).unwrap_or_default();
        assert_eq!(to("/healthz?x=1"), "http://10.0.0.1:8080/healthz?x=1");
        assert_eq!(to("c"), "http://10.0.0.1:8080/a/c");
        assert_eq!(to("../c?d=http://e"), "http://10.0.0.1:8080/c?d=http://e");
        assert_eq!(to("//10.0.0.2/x"), "http://10.0.0.2:80/x");
        assert_eq!(to("http://10.0.0.1/x"), "http://10.0.0.1:80/x");
        assert_eq!(to("https://example.com"), "https://example.com:443/");
        assert_eq!(to("http://[fd00::1]:81/"), "http://[fd00::1]:81/");
        assert_eq!(to("http://["), "");
        assert_eq!(to("mailto:me@example.com"), "");
    }
}
