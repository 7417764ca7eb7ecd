//! Paths outside of the resources: discovery, OpenAPI, version, health, metrics.

use crate::answer::{self, Answer};
use crate::discovery::Document;
use crate::request::RequestInfo;
use crate::server::Api;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::json;

/// What `/version` says: the Kubernetes whose API this is.
pub const GIT_VERSION: &str = "v1.36.2";

fn header_of(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Answers such a path.
pub async fn serve(api: &Api, info: &RequestInfo, method: &Method, headers: &HeaderMap) -> Answer {
    let path = info.path.trim_end_matches('/');
    let accept = header_of(headers, header::ACCEPT);
    if *method != Method::GET && is_service(api, path) {
        // all else takes any method
        let known = path == "/version" || is_document(api, path) || api.documents.now().discovery.has(path);
        let status = if known { answer::method_not_allowed() } else { answer::no_such_resource() };
        return of_method(crate::endpoints::error(&status), method);
    }
    let response = match path {
        "/metrics" if *method == Method::DELETE => {
            api.metrics.reset();
            answer::text(200, "metrics reset\n")
        }
        "/version" => version(),
        "/healthz" | "/livez" | "/readyz" => health(api, info).await,
        "/metrics" => {
            let facts = crate::metrics::Facts {
                revision: api.cache.revision(),
                objects: api.cache.counts(),
                git_version: GIT_VERSION,
            };
            answer::answer(200, "text/plain; version=0.0.4; charset=utf-8", api.metrics.text(&facts))
        }
        "" => paths(api),
        _ if path.starts_with("/openapi/") => openapi(api, info, path, headers),
        _ => match api.documents.now().discovery.respond(path, accept) {
            Some(Some(document)) => document_answer(&document, headers),
            Some(None) => crate::endpoints::error(&not_acceptable()),
            None => more(api, info, headers).await,
        },
    };
    of_method(response, method)
}

/// An answer to `HEAD` has no body.
fn of_method(mut response: Answer, method: &Method) -> Answer {
    if *method == Method::HEAD {
        *response.body_mut() = crate::body::Body::empty();
    }
    response
}

/// Whether the path is that of a web service, or below one: upstream's framework knows them by method, and answers what it
/// does not know with a Status. Lists of groups and what custom resources have are served in another way.
fn is_service(api: &Api, path: &str) -> bool {
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let of_group = path.strip_prefix("/apis/").and_then(|rest| rest.split_once('/'));
    below("/version")
        || below("/api")
        || of_group.is_some_and(|(group, _)| api.rows.has_builtin_group(group))
        || api.chain.documents.iter().any(|document| below(document.path))
}

/// Whether the chain has a document of that path.
fn is_document(api: &Api, path: &str) -> bool {
    api.chain.documents.iter().any(|document| document.path == path)
}

/// The 404 of such a path.
fn unknown(api: &Api, path: &str) -> Answer {
    if is_service(api, path) { crate::endpoints::error(&answer::no_such_resource()) } else { answer::page_not_found() }
}

fn not_acceptable() -> api::status::Status {
    let message = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
    api::status::Status::plain(406, "NotAcceptable", message)
}

/// A finished document, or 304 where the client has it.
fn document_answer(document: &Document, headers: &HeaderMap) -> Answer {
    let seen = header_of(headers, header::IF_NONE_MATCH);
    let mut response = if !seen.is_empty() && document.matches(seen) {
        let mut response = answer::answer(304, document.content_type, "");
        response.headers_mut().remove(header::CONTENT_TYPE);
        response
    } else {
        answer::answer(200, document.content_type, document.body.clone())
    };
    if let Ok(etag) = HeaderValue::from_str(&document.etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// What a client that came by the index may do with a document, which is another as soon as its hash is.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, immutable");
/// How long that is: a year.
const FOR_EVER_SECONDS: i64 = 365 * 24 * 60 * 60;

fn openapi(api: &Api, info: &RequestInfo, path: &str, headers: &HeaderMap) -> Answer {
    let (accept, seen) = (header_of(headers, header::ACCEPT), header_of(headers, header::IF_NONE_MATCH));
    let documents = api.documents.now();
    let asked = info.query.get("hash").unwrap_or_default();
    if let Some(now) = documents.openapi.moved(path, accept, asked) {
        let mut response = answer::answer(301, "application/json", "");
        response.headers_mut().extend(HeaderValue::from_str(&now).map(|now| (header::LOCATION, now)));
        return response;
    }
    let mut response = match documents.openapi.respond(path, accept, seen) {
        crate::openapi::Answer::Document(document) => document_answer(&document, headers),
        crate::openapi::Answer::NotModified(etag) => {
            let mut response = answer::answer(304, "application/json", "");
            if let Ok(etag) = HeaderValue::from_str(&etag) {
                response.headers_mut().insert(header::ETAG, etag);
            }
            response
        }
        crate::openapi::Answer::NotAcceptable => return answer::text(406, ""),
        // the only 404 without a word
        crate::openapi::Answer::NotFound if path.starts_with("/openapi/v3/") => return answer::empty(404),
        crate::openapi::Answer::NotFound => return answer::page_not_found(),
    };
    if !asked.is_empty() && path.starts_with("/openapi/v3/") {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, FOR_EVER);
        let end = api.clock.now() + jiff::SignedDuration::from_secs(FOR_EVER_SECONDS);
        let end = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&end);
        headers.extend(end.ok().and_then(|end| HeaderValue::from_str(&end).ok()).map(|end| (header::EXPIRES, end)));
    }
    response
}

/// Individual health checks; everything else is unknown.
async fn more(api: &Api, info: &RequestInfo, headers: &HeaderMap) -> Answer {
    let path = info.path.trim_end_matches('/');
    let check = ["/healthz/", "/livez/", "/readyz/"].iter().find_map(|prefix| path.strip_prefix(prefix));
    if let Some(check) = check {
        let mut of_endpoint = checks(path.trim_start_matches('/').split('/').next().unwrap_or_default());
        let known = of_endpoint.any(|known| known == check);
        return match if known { check_one(api, check).await } else { None } {
            None => answer::page_not_found(),
            Some(Ok(())) => answer::text(200, "ok"),
            Some(Err(why)) => answer::text(500, format!("internal server error: {why}\n")),
        };
    }
    let Some(document) = api.chain.documents.iter().find(|document| document.path == path) else {
        return unknown(api, path);
    };
    let accept = header_of(headers, header::ACCEPT);
    let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let accepted = |kind: &str| matches!(kind, "*/*" | "application/*" | "") || kind == document.content_type;
    if kinds.into_iter().any(accepted) {
        answer::answer(200, document.content_type, document.body.to_string())
    } else {
        answer::answer(406, "text/plain; charset=utf-8", "")
    }
}

fn version() -> Answer {
    let version = json!({"major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "35", "gitVersion": GIT_VERSION,
        "gitCommit": option_env!("PINTLE_GIT_COMMIT").unwrap_or("unknown"), "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc", "platform": "linux/amd64"});
    answer::json(200, serde_json::to_vec_pretty(&version).unwrap_or_default().into())
}

/// The checks that exist. A server that answers has its cache filled, since it listens only then.
const CHECKS: [&str; 6] =
    ["ping", "log", "etcd", "etcd-readiness", "informer-sync", "poststarthook/start-apiserver-admission-initializer"];
/// Those that say whether to send requests here, not whether to start the server anew.
const READINESS_ONLY: [&str; 2] = ["etcd-readiness", "informer-sync"];
/// Readiness asks the database in its own way, once.
const NOT_READINESS: &str = "etcd";

/// The checks of `healthz`, `livez` or `readyz`.
fn checks(endpoint: &str) -> impl Iterator<Item = &'static str> + Send + use<> {
    let ready = endpoint == "readyz";
    CHECKS
        .into_iter()
        .filter(move |check| if ready { *check != NOT_READINESS } else { !READINESS_ONLY.contains(check) })
}

/// One check; `None`: there is no such.
async fn check_one(api: &Api, check: &str) -> Option<Result<(), String>> {
    CHECKS.contains(&check).then_some(())?;
    Some(match check {
        "etcd" | "etcd-readiness" => {
            api.storage.health().await.map_err(|error| format!("error getting data from etcd: {error}"))
        }
        _ => Ok(()),
    })
}

async fn health(api: &Api, info: &RequestInfo) -> Answer {
    let name = info.path.trim_matches('/');
    let excluded: Vec<&str> = info.query.all("exclude").collect();
    let (mut lines, mut failed) = (String::new(), Vec::new());
    for check in checks(name) {
        if excluded.contains(&check) {
            lines += &format!("[+]{check} excluded: ok\n");
        } else if let Some(Err(why)) = check_one(api, check).await {
            tracing::warn!(check, why, "{name} check failed");
            lines += &format!("[-]{check} failed: reason withheld\n");
            failed.push(check);
        } else {
            lines += &format!("[+]{check} ok\n");
        }
    }
    if name == "readyz" && api.stopping.is_cancelled() {
        lines += "[-]shutdown failed: reason withheld\n";
        failed.push("shutdown");
    }
    let unknown: Vec<String> = excluded
        .iter()
        .filter(|check| !checks(name).any(|known| known == **check))
        .map(|check| format!("{check:?}"))
        .collect();
    if !unknown.is_empty() {
        let list = unknown.join(", ");
        lines += &format!("warn: some health checks cannot be excluded: no matches for {list}\n");
    }
    if !failed.is_empty() {
        return answer::text(500, format!("{lines}{name} check failed\n"));
    }
    if info.query.get("verbose").is_none() {
        return answer::text(200, "ok");
    }
    answer::text(200, format!("{lines}{name} check passed\n"))
}

fn paths(api: &Api) -> Answer {
    let documents = api.documents.now();
    let mut paths: Vec<&str> = documents.discovery.paths().collect();
    paths.extend(["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]);
    paths.sort_unstable();
    answer::json(200, serde_json::to_vec_pretty(&json!({"paths": paths})).unwrap_or_default().into())
}
