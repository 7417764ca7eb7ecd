//! The way of a request: panic guard, request info, who, whether, limits, body, generic path.

use crate::accept;
use crate::answer::{self, Answer};
use crate::body::RequestBody;
use crate::call::Call;
use crate::chain::{Authenticated, Decision};
use crate::compress;
use crate::deadline;
use crate::endpoints;
use crate::pretty;
use crate::request::RequestInfo;
use crate::server::Api;
use crate::turns::TooMany;
use crate::turns::flows::Class;
use crate::user::UserInfo;
use api::status::Status;
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, Request, header};
use registry::Resource;
use rustls_pki_types::CertificateDer;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// When to come back to a busy server: upstream begins with as much.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Who is at the other end.
pub enum Identity {
    /// A client on the network, with its verified certificates.
    Peer(Arc<[CertificateDer<'static>]>),
    /// A component in this process.
    User(Arc<UserInfo>),
}

/// Answers a request, whatever happens.
pub async fn handle(api: Arc<Api>, request: Request<RequestBody>, identity: Identity) -> Answer {
    let started = api.clock.monotonic();
    let method = request.method().clone();
    let info = RequestInfo::new(&method, request.uri().path(), request.uri().query().unwrap_or_default());
    let verb = info.verb.clone();
    let resource = info.resource.clone();
    let labels = labels_of(&api, &info, request.headers());
    let (pretty, gzip) = (pretty::asked(request.headers(), &info), compress::asked(request.headers()));
    let guarded = AssertUnwindSafe(in_time(&api, request, info, identity, &verb)).catch_unwind().await;
    let mut response = guarded.unwrap_or_else(|_| {
        tracing::error!(%verb, %resource, "a request panicked");
        endpoints::error(&Status::internal("this request has made the server panic"))
    });
    if pretty {
        response = pretty::print(response);
    }
    if gzip {
        response = compress::compress(response);
    }
    let audit = crate::metadata::uuid();
    if let Ok(value) = audit.parse() {
        response.headers_mut().insert("audit-id", value);
    }
    let uncached = http::HeaderValue::from_static("no-cache, private");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(uncached);
    api.metrics.request(labels, response.status().as_u16(), api.clock.monotonic().saturating_sub(started));
    response
}

/// The labels of a request in the metrics.
pub(crate) fn labels_of(api: &Api, info: &RequestInfo, headers: &http::HeaderMap) -> String {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_known = api.rows.find(&info.api_group, &info.api_version, &info.resource).is_some();
    crate::metrics::labels(info, content_type, is_known)
}

/// Answers, unless the time is over before: also when the body does not come, so that who stops half-way does not keep
/// the place of other writes. The way is boxed, since a connection holds room for what is not, also while it is idle.
async fn in_time(
    api: &Arc<Api>,
    request: Request<RequestBody>,
    info: RequestInfo,
    identity: Identity,
    verb: &str,
) -> Answer {
    if deadline::is_long_running(&info) {
        return Box::pin(respond(api, request, info, identity)).await;
    }
    let limit = match deadline::limit(&info) {
        Ok(limit) => limit,
        Err(status) => return endpoints::error(&status),
    };
    let answering = Box::pin(respond(api, request, info, identity));
    let answered = clock::timeout(&*api.clock, limit, answering).await;
    answered.unwrap_or_else(|| endpoints::error(&deadline::passed(verb)))
}

async fn respond(api: &Arc<Api>, request: Request<RequestBody>, info: RequestInfo, identity: Identity) -> Answer {
    let Authenticated { user, warning } = match authenticate(api, request.headers(), identity, &info) {
        Ok(found) => found,
        Err(status) => return endpoints::error(&status),
    };
    let mut response = classified(api, request, info, user).await;
    if let Some(warning) = warning {
        crate::warning_header::add_first(&mut response, warning);
    }
    response
}

async fn classified(api: &Arc<Api>, request: Request<RequestBody>, info: RequestInfo, user: UserInfo) -> Answer {
    // What has no end is not counted, but for a watch, whose beginning is.
    if deadline::is_long_running(&info) && info.verb != "watch" {
        return authorized(api, request, info, user, None).await;
    }
    let class = api.flows.classify(&user, &info);
    let mut response = authorized(api, request, info, user, Some(&class)).await;
    class.tell(response.headers_mut());
    response
}

async fn authorized(
    api: &Arc<Api>,
    request: Request<RequestBody>,
    info: RequestInfo,
    user: UserInfo,
    class: Option<&Class>,
) -> Answer {
    if let Decision::Deny(why) | Decision::NoOpinion(why) = api.chain.authorizer.authorize(&user, &info) {
        return endpoints::error(&crate::authz::forbidden(&user, &info, &why));
    }
    if let Some(delegate) = api.aggregation.find(&info.path) {
        return Box::pin(crate::aggregation::serve(api, &delegate, request, &user)).await;
    }
    if !info.is_resource_request {
        return Box::pin(crate::nonresource::serve(api, &info, request.method(), request.headers())).await;
    }
    let Some(row) = api.rows.find(&info.api_group, &info.api_version, &info.resource) else {
        let known_group = api.rows.has_builtin_group(&info.api_group);
        let known = known_group && (!info.api_group.is_empty() || info.api_version == "v1");
        return if known { endpoints::error(&answer::no_such_resource()) } else { answer::page_not_found() };
    };
    serve(api, request, info, user, (row, class)).await
}

fn authenticate(
    api: &Api,
    headers: &HeaderMap,
    identity: Identity,
    info: &RequestInfo,
) -> Result<Authenticated, Status> {
    let found = match identity {
        Identity::User(user) => (*user).clone().into(),
        Identity::Peer(certificates) => match api.chain.authenticator.authenticate(headers, &certificates)? {
            Some(found) => found,
            None if api.chain.anonymous => UserInfo::anonymous().into(),
            None => return Err(Status::unauthorized()),
        },
    };
    let impersonated = api.impersonation.impersonate(headers, &found.user, info, &*api.chain.authorizer)?;
    Ok(Authenticated { user: impersonated.unwrap_or(found.user), ..found })
}

/// Whether the request has a life of its own: a connection, not an answer.
pub fn is_connection(info: &RequestInfo) -> bool {
    matches!(info.subresource.as_str(), "log" | "exec" | "attach" | "portforward" | "proxy")
}

/// Whether the answer must show all that was ever answered: every write, since admission and preconditions look at the
/// cache, and reads that do not say how old the answer may be.
pub(crate) fn needs_latest(info: &RequestInfo) -> bool {
    let reads = matches!(info.verb.as_str(), "get" | "list" | "watch");
    let given = |name: &str| info.query.get(name).is_some_and(|value| !value.is_empty());
    !reads || !(given("resourceVersion") || given("continue"))
}

/// The 429 of a busy server, which is no Status.
fn too_many() -> Answer {
    let mut response = answer::text(429, "Too many requests, please try again later.\n");
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
    response
}

async fn serve(
    api: &Arc<Api>,
    request: Request<RequestBody>,
    info: RequestInfo,
    user: UserInfo,
    (row, class): (Arc<Resource>, Option<&Class>),
) -> Answer {
    let (mut parts, body) = request.into_parts();
    let headers = std::mem::take(&mut parts.headers);
    let accepted = accept::negotiate(accept_header(&headers), offer_of(&info, &row));
    let accepted_or_plain = accepted.clone().unwrap_or_else(|_| accept::of_error(accept_header(&headers)));
    let mut call = Call {
        api,
        info: &info,
        user: &user,
        row,
        accept: accepted_or_plain,
        headers: &headers,
        body: Bytes::new(),
        warnings: Vec::new(),
        sisters: None,
    };
    if endpoints::is_outside_scope(&call) {
        return answer::page_not_found();
    }
    let is_asked_for_head = parts.method == http::Method::HEAD;
    let checked = match endpoints::check_route(&call) {
        // Upstream's framework knows the routes of built-in kinds by their methods.
        Ok(()) if is_asked_for_head && call.row.custom.is_none() && info.subresource != "proxy" => {
            Err(answer::method_not_allowed())
        }
        checked => checked,
    };
    if let Err(status) = checked {
        return without_body(endpoints::error(&status), is_asked_for_head);
    }
    if needs_latest(&info)
        && let Err(error) = api.storage.catch_up().await
    {
        return endpoints::error(&endpoints::create::read_error(&error));
    }
    if is_connection(&info) {
        parts.headers = headers.clone();
        return Box::pin(crate::connect::connect(&mut call, Request::from_parts(parts, body))).await;
    }
    if let Err(status) = accepted {
        return answer::status(&status, call.accept.media);
    }
    let reads = matches!(info.verb.as_str(), "get" | "list" | "watch");
    // Watches last; they are bounded by what each costs, not by number.
    let permit = match class.filter(|_| info.verb != "watch") {
        None => None,
        Some(class) => {
            let turns = if reads { &api.reads } else { &api.writes };
            match turns.take(class.level(), class.flow(&user, &info), &*api.clock).await {
                Ok(seat) => Some(seat),
                Err(TooMany) => return too_many(),
            }
        }
    };
    if !reads {
        match crate::body::read(body).await {
            Ok(bytes) => call.body = bytes,
            Err(status) => return endpoints::error(&status),
        }
    }
    if info.verb != "watch" && &*call.row.plural == "endpoints" {
        let warning = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
        call.warnings.push(warning.to_owned());
    }
    if let Some(warning) = call.row.custom.as_ref().and_then(|custom| custom.deprecation_warning.as_ref()) {
        call.warnings.push(warning.clone());
    }
    if endpoints::component_status::serves(&call.row) {
        call.warnings.push(endpoints::component_status::DEPRECATED.to_owned());
    }
    let outcome = endpoints::serve(&mut call).await;
    drop(permit);
    let mut response = outcome.unwrap_or_else(|status| answer::status(&status, call.accept.media));
    crate::warning_header::add(&mut response, &call.warnings);
    without_body(response, is_asked_for_head)
}

/// What `HEAD` is answered.
fn without_body(mut response: Answer, is_asked_for_head: bool) -> Answer {
    if is_asked_for_head {
        *response.body_mut() = crate::body::Body::empty();
    }
    response
}

/// In which forms the answer can be given.
pub(crate) fn offer_of(info: &RequestInfo, row: &Resource) -> accept::Offer {
    let protobuf = crate::protobuf::knows(&row.api_version(), &row.kind);
    accept::Offer { watch: info.verb == "watch", protobuf, custom: row.custom.is_some() }
}

pub(crate) fn accept_header(headers: &HeaderMap) -> &str {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
