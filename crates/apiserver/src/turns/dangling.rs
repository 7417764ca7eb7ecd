//! The condition `Dangling` of flow schemas: whether the level that they name is there
//! (`presyncFlowSchemaStatus` in `k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go`), applied to their status under
//! upstream's name.

use super::flows::{GROUP, RESOURCES};
use super::rules::{list, text};
use crate::cache::Interest;
use crate::reader::ObjectReader;
use crate::server::{Api, InProcess};
use crate::user::{SYSTEM_PRIVILEGED_GROUP, UserInfo};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

const MANAGER: &str = "api-priority-and-fairness-config-consumer-v1";
/// How soon a write that failed is tried again: upstream's limiter begins a little lower and ends far above.
const RETRY: Duration = Duration::from_secs(5);

/// Until the server stops.
pub(crate) async fn run(api: Arc<Api>) {
    let user = UserInfo::new("system:apiserver", &[SYSTEM_PRIVILEGED_GROUP]);
    let service = InProcess::new(api.clone(), user);
    let watch = |plural: &str| {
        let shelf = api.cache.shelf(GROUP, plural);
        shelf.list_and_watch(|| api.cache.revision(), Interest::default()).1
    };
    let mut changes = RESOURCES.map(watch);
    loop {
        let wait = if keep(&api, &service).await { None } else { Some(RETRY) };
        let [schemas, levels] = &mut changes;
        let retry = async {
            match wait {
                Some(wait) => api.clock.sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = schemas.changed() => if !changed { *schemas = watch(RESOURCES[0]) },
            changed = levels.changed() => if !changed { *levels = watch(RESOURCES[1]) },
            () = retry => {}
            () = api.stopping.cancelled() => return,
        }
    }
}

/// Writes the conditions that are not as they should be; false when one could not be written.
async fn keep(api: &Api, service: &InProcess) -> bool {
    let levels = api.cache.list(GROUP, RESOURCES[1], None);
    let levels: HashSet<String> = levels.iter().map(|level| text(&level["metadata"]["name"])).collect();
    let now = api::time::format_seconds(api.clock.now());
    let mut is_done = true;
    for schema in api.cache.list(GROUP, RESOURCES[0], None) {
        if let Some(condition) = wanted(&schema, |name| levels.contains(name), &now) {
            is_done &= write(service, &text(&schema["metadata"]["name"]), &condition).await;
        }
    }
    is_done
}

/// The condition that a schema lacks.
fn wanted(schema: &Value, exists: impl Fn(&str) -> bool, now: &str) -> Option<Value> {
    let level = text(&schema["spec"]["priorityLevelConfiguration"]["name"]);
    let (status, reason, end) = match exists(&level) {
        true => ("False", "Found", "it exists"),
        false => ("True", "NotFound", "there is no such object"),
    };
    let but = if status == "True" { "but" } else { "and" };
    let name = api::field::go_quote(&level);
    let message = format!("This FlowSchema references the PriorityLevelConfiguration object named {name} {but} {end}");
    let is_there = list(&schema["status"]["conditions"]).any(|condition| {
        condition["type"] == "Dangling"
            && condition["status"] == status
            && condition["reason"] == reason
            && condition["message"] == *message
    });
    let condition = json!({"type": "Dangling", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": now});
    (!is_there).then_some(condition)
}

async fn write(service: &InProcess, name: &str, condition: &Value) -> bool {
    let path = format!("/apis/{GROUP}/v1/flowschemas/{name}/status?fieldManager={MANAGER}&force=true");
    let body = json!({"apiVersion": format!("{GROUP}/v1"), "kind": "FlowSchema", "metadata": {"name": name},
        "status": {"conditions": [condition]}});
    let request =
        Request::builder().method(Method::PATCH).uri(&path).header("content-type", "application/apply-patch+yaml");
    let Ok(request) = request.body(Full::new(bytes::Bytes::from(body.to_string()))) else { return true };
    let answered = service.clone().oneshot(request).await;
    let code = answered.map(|answer| answer.status().as_u16()).unwrap_or_default();
    // 404: it is gone meanwhile, which we are told
    let is_done = code < 400 || code == 404;
    if !is_done {
        tracing::warn!(path, code, "the condition of a flow schema could not be written");
    }
    is_done
}
