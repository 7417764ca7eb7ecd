//! Who may use the kubelet's API: upstream's `nodes/<subresource>` attributes, decided here for the API server and
//! administrators, and by the API (TokenReview, SubjectAccessReview) for everyone else.

use super::ServerConfig;
use super::answer::{Refusal, refuse};
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};

const PRIVILEGED_GROUP: &str = "system:masters";

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// User name.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// What is asked for, as a SubjectAccessReview about this node says it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestAttributes {
    /// `get`, `create`, …
    pub verb: &'static str,
    /// Subresource of `nodes`: `log`, `metrics`, `stats`, `healthz`, `pods`, `proxy`.
    pub subresource: &'static str,
}

/// Asks the API server: `authentication.webhook` and `authorization.mode: Webhook` of upstream's configuration.
pub trait Delegation: Send + Sync + std::fmt::Debug + 'static {
    /// Who holds a bearer token; `None`: nobody.
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<Caller>>;

    /// Whether the caller may do that to this node.
    fn authorize<'a>(&'a self, caller: &'a Caller, request: &'a RequestAttributes) -> BoxFuture<'a, bool>;
}

/// Upstream's `NewNodeAuthorizerAttributesGetter`.
pub(super) fn attributes(method: &Method, path: &str) -> RequestAttributes {
    let verb = match method.as_str() {
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "get",
    };
    let under = |prefix: &str| path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    let subresource = if under("/stats") {
        "stats"
    } else if under("/metrics") {
        "metrics"
    } else if under("/logs") {
        "log"
    } else if under("/healthz") {
        "healthz"
    } else if under("/pods") || under("/runningpods") {
        "pods"
    } else {
        "proxy"
    };
    RequestAttributes { verb, subresource }
}

/// Lets the request pass, or says why not.
pub(super) async fn check(
    config: &ServerConfig,
    peer: Option<certs::PeerIdentity>,
    headers: &HeaderMap,
    method: &Method,
    path: &str,
) -> Result<(), Refusal> {
    let caller = match peer {
        Some(peer) => Some(Caller { name: peer.name, groups: peer.groups }),
        None => by_token(config, headers).await,
    };
    let Some(caller) = caller else {
        return Err(refuse(StatusCode::UNAUTHORIZED, "Unauthorized"));
    };
    let own = config.api_server_users.contains(&caller.name);
    if own || caller.groups.iter().any(|group| group == PRIVILEGED_GROUP) {
        return Ok(());
    }
    let request = attributes(method, path);
    let allowed = match &config.delegation {
        Some(delegation) => delegation.authorize(&caller, &request).await,
        None => false,
    };
    if allowed {
        return Ok(());
    }
    let words = format!(
        "Forbidden (user={}, verb={}, resource=nodes, subresource(s)=[{}])\n",
        caller.name, request.verb, request.subresource
    );
    Err(refuse(StatusCode::FORBIDDEN, words))
}

async fn by_token(config: &ServerConfig, headers: &HeaderMap) -> Option<Caller> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    let delegation = config.delegation.as_ref()?;
    if scheme.eq_ignore_ascii_case("bearer") { delegation.authenticate(token.trim()).await } else { None }
}
