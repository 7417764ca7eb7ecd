//! From a path to its handler.

use super::answer::{Answer, Refusal, json, refuse, text};
use super::listen::Context;
use super::{exec, logs, port_forward, stats};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use std::sync::Arc;

/// The query of a request, decoded, in order.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        });
        Self(pairs.collect())
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    pub fn all(&self, key: &str) -> Vec<String> {
        self.0.iter().filter(|(k, _)| k == key).map(|(_, v)| v.clone()).collect()
    }

    /// `1` and `true` are true, as in upstream's exec and attach options.
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some("1" | "true"))
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Which pod and container a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub namespace: String,
    pub pod: String,
    pub container: String,
}

/// `NS/POD/CONTAINER` or, with a uid that is looked at no further than the pod's, `NS/POD/UID/CONTAINER`.
fn target(context: &Context, rest: &[&str], with_container: bool) -> Result<(Target, Arc<Pod>), Refusal> {
    let (namespace, pod, uid, container) = match (rest, with_container) {
        ([namespace, pod, container], true) => (namespace, pod, None, *container),
        ([namespace, pod, uid, container], true) => (namespace, pod, Some(*uid), *container),
        ([namespace, pod], false) => (namespace, pod, None, ""),
        ([namespace, pod, uid], false) => (namespace, pod, Some(*uid), ""),
        _ => return Err(refuse(StatusCode::NOT_FOUND, "404 page not found\n")),
    };
    let found = context.access.pod(namespace, pod);
    let found = found.filter(|pod| uid.is_none_or(|uid| pod.metadata.uid.as_deref() == Some(uid)));
    let Some(found) = found else {
        return Err(refuse(StatusCode::NOT_FOUND, "pod does not exist\n"));
    };
    let own = |text: &str| text.to_owned();
    Ok((Target { namespace: own(namespace), pod: own(pod), container: own(container) }, found))
}

/// Serves one authorized request.
pub(super) async fn route(context: Context, request: Request<Incoming>) -> Answer {
    let path = decode(&request.uri().path().replace('+', "%2B"));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let stream = matches!(*request.method(), Method::GET | Method::POST);
    let get = request.method() == Method::GET;
    match parts.as_slice() {
        ["healthz" | "livez", ..] if get => text(StatusCode::OK, "ok"),
        ["pods"] if get => pods(context.access.pods()),
        ["runningpods"] if get => pods(running(context.access.pods())),
        ["stats", "summary"] if get => stats::summary(&context).await,
        ["metrics"] if get => stats::metrics(&context),
        ["metrics", "resource"] if get => stats::resource_metrics(&context).await,
        ["containerLogs", rest @ ..] if get => match target(&context, rest, true) {
            Ok((target, pod)) => logs::serve(&context, &target, &pod, &query).await,
            Err(refusal) => refusal.into(),
        },
        ["exec", rest @ ..] if stream => match target(&context, rest, true) {
            Ok((target, _)) => exec::exec(context, target, query, request).await,
            Err(refusal) => refusal.into(),
        },
        ["attach", rest @ ..] if stream => match target(&context, rest, true) {
            Ok((target, pod)) => exec::attach(context, target, &pod, query, request).await,
            Err(refusal) => refusal.into(),
        },
        ["run", rest @ ..] if request.method() == Method::POST => match target(&context, rest, true) {
            Ok((target, _)) => exec::run(context, target, query).await,
            Err(refusal) => refusal.into(),
        },
        ["portForward", rest @ ..] if stream => match target(&context, rest, false) {
            Ok((target, _)) => port_forward::serve(context, target, query, request).await,
            Err(refusal) => refusal.into(),
        },
        _ => text(StatusCode::NOT_FOUND, "404 page not found\n"),
    }
}

fn pods(pods: Vec<Arc<Pod>>) -> Answer {
    let items: Vec<serde_json::Value> = pods.iter().filter_map(|pod| serde_json::to_value(&**pod).ok()).collect();
    json(&json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}))
}

fn running(pods: Vec<Arc<Pod>>) -> Vec<Arc<Pod>> {
    let runs = |pod: &Arc<Pod>| {
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        let mut states = statuses.into_iter().flatten().filter_map(|status| status.state.as_ref());
        states.any(|state| state.running.is_some())
    };
    pods.into_iter().filter(runs).collect()
}
