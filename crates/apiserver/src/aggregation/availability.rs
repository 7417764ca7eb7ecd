//! Whether API services can be reached, and the condition that says so (kube-aggregator's
//! `remote_available_controller.go`); with it, what their servers offer.
//!
//! Each is looked at when its object, its service or the slices of that change, and each half minute; one that failed
//! sooner. Where there are none, nothing but API services is followed.

use super::{Delegate, GROUP, PLURAL, backend, delegate};
use crate::cache::{Interest, Subscription};
use crate::discovery::{AGGREGATED, RemoteVersion};
use crate::reader::ObjectReader;
use crate::server::{Api, InProcess};
use crate::user::{SYSTEM_PRIVILEGED_GROUP, UserInfo};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

/// How often each is looked at when nothing happens: upstream's resync.
const PERIOD: Duration = Duration::from_secs(30);
/// How soon one that could not be reached is tried again: upstream's limiter goes from milliseconds to `PERIOD`.
const RETRY: Duration = Duration::from_secs(2);
/// How long changes are gathered: slices of other services change all the time in a large cluster.
const GATHER: Duration = Duration::from_millis(50);

/// A condition's status, reason and message.
type Finding = (&'static str, &'static str, String);

/// What is remembered of an API service.
struct Seen {
    /// Revisions of what the last look was at.
    revisions: Vec<u64>,
    looked: Duration,
    is_failing: bool,
    offer: RemoteVersion,
}

/// The condition `Available` of an API service.
pub(super) fn condition(object: &Value) -> Option<&Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == "Available")
}

/// Until the server stops.
pub(crate) async fn run(api: Arc<Api>) {
    let service = InProcess::new(api.clone(), UserInfo::new("system:apiserver", &[SYSTEM_PRIVILEGED_GROUP]));
    let watch = |group: &str, plural: &str| {
        let shelf = api.cache.shelf(group, plural);
        shelf.list_and_watch(|| api.cache.revision(), Interest::default()).1
    };
    let mut services = watch(GROUP, PLURAL);
    let mut backends: Option<[Subscription; 2]> = None;
    let mut seen = HashMap::new();
    loop {
        let has_any = !api.aggregation.delegates().is_empty();
        backends = match backends {
            _ if !has_any => None,
            Some(watches) if watches.iter().all(|watch| !watch.changes.is_closed()) => Some(watches),
            _ => Some([watch("", "services"), watch("discovery.k8s.io", "endpointslices")]),
        };
        let is_failing = look(&api, &service, &mut seen).await;
        let pause = match (has_any, is_failing) {
            (false, _) => None,
            (true, true) => Some(RETRY),
            (true, false) => Some(PERIOD),
        };
        tokio::select! {
            changed = services.changed() => if !changed { services = watch(GROUP, PLURAL) },
            () = any(&mut backends) => {}
            () = async { match pause {
                Some(pause) => api.clock.sleep(pause).await,
                None => std::future::pending().await,
            } } => {}
            () = api.stopping.cancelled() => return,
        }
        if has_any {
            api.clock.sleep(GATHER).await;
        }
    }
}

async fn any(backends: &mut Option<[Subscription; 2]>) {
    let Some([services, slices]) = backends else { return std::future::pending().await };
    tokio::select! {
        _ = services.changed() => {}
        _ = slices.changed() => {}
    }
}

/// Looks at those that have changed or not been looked at for long; whether one of them cannot be reached.
async fn look(api: &Api, service: &InProcess, seen: &mut HashMap<String, Seen>) -> bool {
    let objects = api.cache.list(GROUP, PLURAL, None);
    let now = api.clock.monotonic();
    let mut due = Vec::new();
    let mut names = Vec::new();
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        match delegate(object) {
            None => keep_local(service, &name, object, api).await,
            Some(delegate) => {
                let revisions = revisions(api, &delegate, object);
                let is_known = seen.get(&name).is_some_and(|seen| {
                    let pause = if seen.is_failing { RETRY } else { PERIOD };
                    seen.revisions == revisions && now.saturating_sub(seen.looked) < pause
                });
                if !is_known {
                    due.push((name.clone(), delegate, object.clone(), revisions));
                }
                names.push(name);
            }
        }
    }
    let before = seen.len();
    seen.retain(|name, _| names.contains(name));
    let mut is_changed = seen.len() != before;
    let looks = due.into_iter().map(|(name, delegate, object, revisions)| async move {
        let finding = find(api, &delegate).await;
        let offer = if finding.0 == "True" { fetch(api, &delegate).await } else { None };
        (name, delegate, object, revisions, finding, offer)
    });
    let mut findings = Vec::new();
    for (name, delegate, object, revisions, finding, offer) in futures::future::join_all(looks).await {
        let is_failing = finding.1 == "FailedDiscoveryCheck";
        // what was offered last is shown as stale
        let resources = offer.clone().or_else(|| seen.get(&name).map(|seen| seen.offer.resources.clone()));
        let offer = RemoteVersion {
            group: delegate.group,
            version: delegate.version,
            priorities: delegate.priorities,
            resources: resources.unwrap_or_default(),
            is_fresh: offer.is_some(),
        };
        is_changed |= seen.get(&name).is_none_or(|seen| seen.offer != offer);
        seen.insert(name.clone(), Seen { revisions, looked: now, is_failing, offer });
        findings.push((name, object, finding));
    }
    if is_changed {
        let mut offers: Vec<RemoteVersion> = seen.values().map(|seen| seen.offer.clone()).collect();
        offers.sort_by(|a, b| (&a.group, &a.version).cmp(&(&b.group, &b.version)));
        api.documents.describe_remote(&api.rows.all(), offers);
    }
    // whoever reads the condition finds discovery as it says
    for (name, object, finding) in findings {
        write(api, service, &name, &object, finding).await;
    }
    seen.values().any(|seen| seen.is_failing)
}

/// Revisions of the spec (its status is ours), the service and its slices.
fn revisions(api: &Api, delegate: &Delegate, object: &Value) -> Vec<u64> {
    let services = api.cache.shelf("", "services");
    let service = services.get(&crate::cache::key(&delegate.namespace, &delegate.service));
    let mut revisions =
        vec![object["metadata"]["resourceVersion"].as_str().and_then(|at| at.parse().ok()).unwrap_or(0)];
    revisions.push(service.map_or(0, |service| service.revision));
    let snapshot = api.cache.snapshot(&api.cache.shelf("discovery.k8s.io", "endpointslices"));
    let slices = snapshot.range(Some(&delegate.namespace), None);
    let own = slices.filter(|slice| slice.header.label("kubernetes.io/service-name") == Some(&delegate.service));
    revisions.extend(own.map(|slice| slice.revision));
    revisions
}

/// One that we serve ourselves is there.
async fn keep_local(service: &InProcess, name: &str, object: &Value, api: &Api) {
    let is_local = condition(object).is_some_and(|now| now["status"] == "True" && now["reason"] == "Local");
    if !is_local {
        let finding = ("True", "Local", "Local APIServices are always available".to_owned());
        write(api, service, name, object, finding).await;
    }
}

async fn find(api: &Api, delegate: &Delegate) -> Finding {
    let Delegate { namespace, service: name, .. } = delegate;
    let Some(service) = api.cache.get("", "services", namespace, name) else {
        return ("False", "ServiceNotFound", format!("service/{name} in {namespace:?} is not present"));
    };
    if service["spec"]["type"] == "ClusterIP"
        && let Err((reason, message)) = find_endpoints(api, delegate, &service)
    {
        return ("False", reason, message);
    }
    let path = backend::own_path(delegate);
    let url = backend::url(api, delegate, &path);
    let why = match backend::get(api, delegate, &path, "application/json").await {
        Ok((200..=299, _)) => return ("True", "Passed", "all checks passed".to_owned()),
        Ok((code, _)) => format!("failing or missing response from {url}: bad status from {url}: {code}"),
        Err(backend::AskError::Resolve(why) | backend::AskError::Tls(why)) => why,
        Err(backend::AskError::Reach(why)) => {
            let why = why.strip_prefix("error trying to reach service: ").unwrap_or(&why);
            format!("failing or missing response from {url}: Get {url:?}: {why}")
        }
    };
    ("False", "FailedDiscoveryCheck", why)
}

/// A service with an address of the cluster's has a port and somebody behind it.
fn find_endpoints(api: &Api, delegate: &Delegate, service: &Value) -> Result<(), (&'static str, String)> {
    let Delegate { namespace, service: name, port, .. } = delegate;
    let mut ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let Some(found) = ports.find(|one| one["port"] == *port) else {
        return Err(("ServicePortError", format!("service/{name} in {namespace:?} is not listening on port {port}")));
    };
    let port_name = found["name"].as_str().unwrap_or_default();
    let slices = api.cache.list("discovery.k8s.io", "endpointslices", Some(namespace));
    let is_own = |slice: &&Arc<Value>| slice["metadata"]["labels"]["kubernetes.io/service-name"] == name.as_str();
    let mut own = slices.iter().filter(is_own).peekable();
    if own.peek().is_none() {
        let message = format!("cannot find endpointslices for service/{name} in {namespace:?}");
        return Err(("EndpointsNotFound", message));
    }
    let has = |list: &Value, fits: &dyn Fn(&Value) -> bool| list.as_array().into_iter().flatten().any(fits);
    let mut ready = own.filter(|slice| has(&slice["endpoints"], &|one| one["conditions"]["ready"] != false));
    // a port without a name is stored without one
    let is_port = |one: &Value| one["name"].as_str().unwrap_or_default() == port_name && one["port"].is_u64();
    if ready.any(|slice| has(&slice["ports"], &is_port)) {
        return Ok(());
    }
    let message =
        format!("endpointslices for service/{name} in {namespace:?} have no addresses with port name {port_name:?}");
    Err(("MissingEndpoints", message))
}

/// The resources of a group-version in the aggregated form, from a server that has it, or of one that has the older.
async fn fetch(api: &Api, delegate: &Delegate) -> Option<Vec<Value>> {
    if let Ok((200, list)) = backend::get(api, delegate, "/apis", AGGREGATED).await
        && list["kind"] == "APIGroupDiscoveryList"
    {
        let mut groups = list["items"].as_array().into_iter().flatten();
        let group = groups.find(|group| group["metadata"]["name"].as_str().unwrap_or_default() == delegate.group);
        let mut versions = group.and_then(|group| group["versions"].as_array()).into_iter().flatten();
        let version = versions.find(|version| version["version"] == delegate.version.as_str());
        return Some(version.and_then(|version| version["resources"].as_array().cloned()).unwrap_or_default());
    }
    let (code, list) = backend::get(api, delegate, &backend::own_path(delegate), "application/json").await.ok()?;
    (code == 200).then(|| crate::discovery::aggregated_resources(&list))
}

/// Writes the condition, if it is another.
async fn write(api: &Api, service: &InProcess, name: &str, object: &Value, (status, reason, message): Finding) {
    let now = api::time::format_seconds(api.clock.now());
    let old = condition(object);
    let since = old.filter(|old| old["status"] == status).map_or(json!(now), |old| old["lastTransitionTime"].clone());
    let new = json!({"type": "Available", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": since});
    if old == Some(&new) {
        return;
    }
    let mut object = object.clone();
    let others = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let mut conditions: Vec<Value> = others.into_iter().filter(|one| one["type"] != "Available").collect();
    conditions.insert(0, new);
    object["status"] = json!({"conditions": conditions});
    let path = format!("/apis/{GROUP}/v1/{PLURAL}/{name}/status?fieldManager=kube-apiserver");
    let request = Request::builder().method(Method::PUT).uri(&path).header("content-type", "application/json");
    let Ok(request) = request.body(Full::new(bytes::Bytes::from(object.to_string()))) else { return };
    let answered = service.clone().oneshot(request).await;
    let code = answered.map(|answer| answer.status().as_u16()).unwrap_or_default();
    // Who was faster has made a change, which we are told.
    if code >= 400 && code != 404 && code != 409 {
        tracing::warn!(path, code, "the condition of an API service could not be written");
    }
}
