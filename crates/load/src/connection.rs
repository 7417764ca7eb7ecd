//! One HTTP/1.1 connection, used for one request at a time: as thin as it can be, since whatever it costs is measured
//! along with the server.

use crate::error::LoadError;
use crate::target::Target;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// An open connection.
pub struct Connection {
    target: Arc<Target>,
    sender: SendRequest<Full<Bytes>>,
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// `GET`, `POST`, …
    pub method: http::Method,
    /// Path and query.
    pub path: String,
    /// JSON, or nothing.
    pub body: Bytes,
    /// `application/json` unless it is a patch.
    pub content_type: &'static str,
}

impl Sent {
    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(http::Method::GET, path, Bytes::new())
    }

    /// A `POST` of JSON.
    pub fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::new(http::Method::POST, path, body)
    }

    /// A `PUT` of JSON.
    pub fn put(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::new(http::Method::PUT, path, body)
    }

    /// A `DELETE` with options.
    pub fn delete(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::new(http::Method::DELETE, path, body)
    }

    /// Any method with JSON.
    pub fn new(method: http::Method, path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method, path: path.into(), body: body.into(), content_type: "application/json" }
    }

    fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// The length of an answer, and its code.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The status code.
    pub code: u16,
    /// `Retry-After` was among the headers.
    pub retry_after: bool,
    /// Bytes of the body.
    pub bytes: usize,
}

impl Connection {
    /// Speaks HTTP on a stream.
    ///
    /// # Errors
    /// The handshake.
    pub async fn open<S>(target: Arc<Target>, stream: S) -> Result<Self, LoadError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let what = || target.address.clone();
        let (sender, driver) =
            handshake(TokioIo::new(stream)).await.map_err(|source| LoadError::Http { what: what(), source })?;
        tokio::spawn(driver); // its error comes back from the request under way
        Ok(Self { target, sender })
    }

    /// Sends, and gives the answer as its body arrives.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn start(&mut self, sent: &Sent) -> Result<Response<Incoming>, LoadError> {
        let failed = |source| LoadError::Http { what: sent.what(), source };
        self.sender.ready().await.map_err(failed)?;
        let mut request = Request::new(Full::new(sent.body.clone()));
        *request.method_mut() = sent.method.clone();
        *request.uri_mut() = sent.path.parse().map_err(|_| LoadError::Text(format!("bad path {}", sent.path)))?;
        let host = HeaderValue::from_str(&self.target.address);
        headers(request.headers_mut(), sent, host.ok(), &self.target.headers);
        self.sender.send_request(request).await.map_err(failed)
    }

    /// Sends and reads the answer to its end, without keeping it.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn count(&mut self, sent: &Sent) -> Result<Counted, LoadError> {
        let response = self.start(sent).await?;
        let code = response.status().as_u16();
        let retry_after = response.headers().contains_key(header::RETRY_AFTER);
        let mut body = response.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|source| LoadError::Http { what: sent.what(), source })?;
            bytes += frame.data_ref().map_or(0, Bytes::len);
        }
        Ok(Counted { code, retry_after, bytes })
    }

    /// Sends and gives the whole answer.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn read(&mut self, sent: &Sent) -> Result<(u16, Bytes), LoadError> {
        let response = self.start(sent).await?;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await;
        Ok((code, body.map_err(|source| LoadError::Http { what: sent.what(), source })?.to_bytes()))
    }

    /// Sends and gives the answer; codes in `also` are as good as 2xx.
    ///
    /// # Errors
    /// Any other code.
    pub async fn expect(&mut self, sent: &Sent, also: &[u16]) -> Result<(u16, Bytes), LoadError> {
        const SHOWN_BYTES: usize = 400;
        let (code, body) = self.read(sent).await?;
        if (200..300).contains(&code) || also.contains(&code) {
            return Ok((code, body));
        }
        let body = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]).into_owned();
        Err(LoadError::Refused { what: sent.what(), code, body })
    }
}

fn headers(headers: &mut HeaderMap, sent: &Sent, host: Option<HeaderValue>, own: &[(HeaderName, HeaderValue)]) {
    headers.extend(host.map(|host| (header::HOST, host)));
    for (name, value) in own {
        headers.append(name, value.clone());
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("pintle-load/1"));
    if !sent.body.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sent.content_type));
    }
}
