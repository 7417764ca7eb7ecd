//! The APIServices of group-versions that CustomResourceDefinitions serve (kube-apiserver's `crdregistration` and the
//! aggregator's `autoregister`): made, kept as they should be, and deleted with the last definition of the version.

use super::{GROUP, PLURAL};
use crate::cache::Interest;
use crate::reader::ObjectReader;
use crate::server::{Api, InProcess};
use crate::user::{SYSTEM_PRIVILEGED_GROUP, UserInfo};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tower::ServiceExt;

const DEFINITIONS: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");
const LABEL: &str = "kube-aggregator.kubernetes.io/automanaged";
/// Custom resources are neither first nor last.
const GROUP_PRIORITY: i64 = 1000;
const VERSION_PRIORITY: i64 = 100;

/// Until the server stops.
pub(crate) async fn run(api: Arc<Api>) {
    let service = InProcess::new(api.clone(), UserInfo::new("system:apiserver", &[SYSTEM_PRIVILEGED_GROUP]));
    let watch = |(group, plural): (&str, &str)| {
        let shelf = api.cache.shelf(group, plural);
        shelf.list_and_watch(|| api.cache.revision(), Interest::default()).1
    };
    let mut definitions = watch(DEFINITIONS);
    let mut services = watch((GROUP, PLURAL));
    loop {
        keep(&api, &service).await;
        tokio::select! {
            changed = definitions.changed() => if !changed { definitions = watch(DEFINITIONS) },
            changed = services.changed() => if !changed { services = watch((GROUP, PLURAL)) },
            () = api.stopping.cancelled() => return,
        }
    }
}

async fn keep(api: &Api, service: &InProcess) {
    let definitions = api.cache.list(DEFINITIONS.0, DEFINITIONS.1, None);
    let wanted = wanted(&definitions, |group| api.rows.has_builtin_group(group));
    let mut there = HashSet::new();
    for object in api.cache.list(GROUP, PLURAL, None) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let is_ours = object["metadata"]["labels"][LABEL] == "true";
        let path = format!("/apis/{GROUP}/v1/{PLURAL}/{name}");
        match wanted.get(&name) {
            // somebody has it served elsewhere
            _ if !is_ours => {}
            None => {
                let preconditions = json!({"preconditions": {"uid": object["metadata"]["uid"]}});
                write(service, Method::DELETE, &path, &preconditions).await;
            }
            Some(spec) if object["spec"] != *spec => {
                let mut object = (*object).clone();
                object["spec"] = spec.clone();
                write(service, Method::PUT, &path, &object).await;
            }
            Some(_) => {}
        }
        there.insert(name);
    }
    for (name, spec) in wanted.into_iter().filter(|(name, _)| !there.contains(name)) {
        let object = json!({"apiVersion": format!("{GROUP}/v1"), "kind": "APIService",
            "metadata": {"name": name, "labels": {LABEL: "true"}}, "spec": spec});
        write(service, Method::POST, &format!("/apis/{GROUP}/v1/{PLURAL}"), &object).await;
    }
}

/// By name, the specs of the group-versions that definitions serve.
fn wanted(definitions: &[Arc<Value>], is_builtin: impl Fn(&str) -> bool) -> BTreeMap<String, Value> {
    let mut wanted = BTreeMap::new();
    for definition in definitions {
        let spec = &definition["spec"];
        let group = spec["group"].as_str().unwrap_or_default();
        if is_builtin(group) {
            continue;
        }
        for version in spec["versions"].as_array().into_iter().flatten().filter(|version| version["served"] == true) {
            let version = version["name"].as_str().unwrap_or_default();
            let spec = json!({"group": group, "version": version, "groupPriorityMinimum": GROUP_PRIORITY,
                "versionPriority": VERSION_PRIORITY});
            wanted.insert(format!("{version}.{group}"), spec);
        }
    }
    wanted
}

async fn write(service: &InProcess, method: Method, path: &str, body: &Value) {
    let request = Request::builder().method(method).uri(format!("{path}?fieldManager=kube-apiserver"));
    let request = request.header("content-type", "application/json");
    let Ok(request) = request.body(Full::new(bytes::Bytes::from(body.to_string()))) else { return };
    let answered = service.clone().oneshot(request).await;
    let code = answered.map(|answer| answer.status().as_u16()).unwrap_or_default();
    // Who was faster has made a change, which we are told.
    if code >= 400 && code != 404 && code != 409 {
        tracing::warn!(path, code, "an API service of a definition could not be written");
    }
}
