//! Since when the uses of secrets' tokens are tracked (a ConfigMap says it), and when each was last used (a label of its
//! secret), as upstream's `legacytokentracking` and `legacyValidator` write them: under the name of the server itself.
//!
//! What not: secrets whose tokens nobody uses any more; a controller marks those.

use crate::reader::ObjectReader;
use crate::server::{Api, InProcess};
use crate::tokens::{LAST_USED, date};
use crate::user::{SYSTEM_PRIVILEGED_GROUP, UserInfo};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

const NAMESPACE: &str = "kube-system";
const CONFIG_MAP: &str = "kube-apiserver-legacy-service-account-token-tracking";
const SINCE: &str = "since";
/// How soon a ConfigMap that somebody deleted is made again: upstream's limit, so that servers with and without tracking
/// do not quarrel.
const PERIOD: Duration = Duration::from_secs(30 * 60);

/// Until the server stops.
pub async fn run(api: Arc<Api>) {
    let user = UserInfo::new("system:apiserver", &[SYSTEM_PRIVILEGED_GROUP]);
    let service = InProcess::new(api.clone(), user);
    say_since_when(&api, &service).await;
    loop {
        tokio::select! {
            uses = api.chain.legacy_uses.next() => {
                let today = date(api.clock.now());
                for ((namespace, name), uid) in uses {
                    let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
                    let patch = json!({"metadata": {"uid": uid, "labels": {LAST_USED: today}}});
                    write(&service, Method::PATCH, &path, "application/merge-patch+json", &patch).await;
                }
            }
            () = api.clock.sleep(PERIOD) => say_since_when(&api, &service).await,
            () = api.stopping.cancelled() => return,
        }
    }
}

/// Makes the ConfigMap, or mends it where it says no day.
async fn say_since_when(api: &Api, service: &InProcess) {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let today = date(api.clock.now());
    match api.cache.get("", "configmaps", NAMESPACE, CONFIG_MAP) {
        None => {
            let map = json!({"metadata": {"namespace": NAMESPACE, "name": CONFIG_MAP}, "data": {SINCE: today}});
            write(service, Method::POST, &path, "application/json", &map).await;
        }
        Some(map) if map["data"][SINCE].as_str().is_none_or(|day| day.parse::<jiff::civil::Date>().is_err()) => {
            let patch = json!({"data": {SINCE: today}});
            let path = format!("{path}/{CONFIG_MAP}");
            write(service, Method::PATCH, &path, "application/merge-patch+json", &patch).await;
        }
        Some(_) => {}
    }
}

async fn write(service: &InProcess, method: Method, path: &str, content_type: &str, body: &Value) {
    let request = Request::builder().method(method).uri(format!("{path}?fieldManager=kube-apiserver"));
    let request = request.header("content-type", content_type).body(Full::new(bytes::Bytes::from(body.to_string())));
    let Ok(request) = request else { return };
    // Of names that the store has given; nothing else can fail here.
    let answered = service.clone().oneshot(request).await;
    let code = answered.map(|answer| answer.status().as_u16()).unwrap_or_default();
    if code >= 400 && code != 404 && code != 409 {
        tracing::warn!(path, code, "the use of a service account's token could not be noted");
    }
}
