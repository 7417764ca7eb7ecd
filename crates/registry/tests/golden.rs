//! Replays the golden corpus through the strategies alone: what was recorded of a real API server against what
//! defaulting, preparation and validation make of the same bodies, without a server, a store or admission plugins.
//!
//! Metadata is the API server's and is not compared. What admission adds to pods is added here by hand. Skipped when
//! the corpus is not on this machine.

use api::field::Error;
use api::patch;
use registry::{Resource, Subresource, Update};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Beside the repository, wherever that is.
const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden/scenarios");

/// Scenarios whose writes of built-in objects are replayed.
const REPLAYED: &[&str] = &[
    "pod-container-full",
    "pod-init-and-sidecars",
    "pod-invalid-basics",
    "pod-invalid-containers",
    "pod-invalid-probes",
    "pod-invalid-resources",
    "pod-invalid-scheduling",
    "pod-invalid-volumes",
    "pod-minimal",
    "pod-scheduling",
    "pod-security-context",
    "pod-status-subresource",
    "pod-subresources",
    "pod-update-immutable",
    "pod-volumes",
    "mirror-pods",
    "nodes",
    "namespaces",
    "configmaps",
    "secrets",
    "services",
    "service-accounts-and-tokens",
    "events-and-leases",
    "deployments",
    "daemonsets-and-revisions",
    "replicasets-and-replicationcontrollers",
    "statefulsets",
    "endpoints-and-slices",
    "rbac-objects",
    "access-reviews",
    "cluster-misc",
    "jobs",
    "cronjobs",
    "ingresses-and-network-policies",
    "autoscalers-and-budgets",
    "storage",
    "resourcequota",
    "limitrange",
    "json-patch",
    "merge-patch",
    "strategic-merge-patch",
];

/// Steps that need more than a strategy, each with the reason. Can only shrink.
const EXPECTED_FAILURES: &[(&str, &str)] = &[
    ("limitrange/defaulted", "admission fills in"),
    ("cluster-misc/rtc-pod", "admission adds what the runtime class says"),
    ("deployments/scale-put", "the body is a Scale"),
    ("service-accounts-and-tokens/review-garbage", "the API server answers reviews"),
    ("services/families", "the allocator refuses"),
    ("services/fixed-ip-taken", "the allocator refuses"),
    ("services/fixed-node-port-taken", "the allocator refuses"),
    ("services/ip-out-of-range", "the allocator refuses"),
    ("services/load-balancer", "the allocator fills in"),
    ("services/node-port", "the allocator fills in"),
    ("services/node-port-out-of-range", "the allocator refuses"),
    ("services/put-without-ip", "the corpus hides the address"),
];

struct Object {
    path: String,
    row: &'static Resource,
    subresource: Option<Subresource>,
}

/// Finds the row of a path, and tells collection from object.
fn route(path: &str) -> Option<(Object, bool)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", "v1", rest @ ..] => (("", "v1"), rest),
        ["apis", group, version, rest @ ..] => ((*group, *version), rest),
        _ => return None,
    };
    let rest = match rest {
        ["namespaces", _, tail @ ..]
            if tail.len() > 1 || tail.first().is_some_and(|t| registry::find(group.0, group.1, t).is_some()) =>
        {
            tail
        }
        other => other,
    };
    let row = registry::find(group.0, group.1, rest.first()?)?;
    let subresource = match rest.get(2) {
        None => None,
        Some(name) => Some(*row.subresources.iter().find(|s| s.name() == *name)?),
    };
    let keep = parts.len() - usize::from(subresource.is_some());
    Some((Object { path: parts[..keep].join("/"), row, subresource }, rest.len() == 1))
}

/// What decoding does to a body. A body that is refused is not compared.
fn decode(row: &Resource, value: &mut Value) -> Option<()> {
    let schema = api::schema::builtin(&row.definition)?;
    api::codec::conform(value, schema).ok()?;
    api::codec::forget_empty(value, schema);
    Some(())
}

/// For comparing, as the corpus leaves out some nulls.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// What is not compared: generic metadata, and in pods what only the corpus' server knows.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Value::Object(map) = &mut object {
        map.remove("metadata");
        map.remove("kind");
        map.remove("apiVersion");
        if map.get("status").is_some_and(|s| s.get("allowed").or(s.get("userInfo")).is_some()) {
            // A review's answer.
            map.remove("status");
        }
        if let Some(Value::Object(spec)) = map.get_mut("spec") {
            // Admission's, or allocated.
            for field in ["priority", "preemptionPolicy", "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                spec.remove(field);
            }
        }
    }
    drop_nulls(&mut object);
    object
}

/// Plays the admission plugins of pods.
fn admit(row: &Resource, object: &mut Value) {
    if &*row.kind == "Node" {
        let taints = &mut object["spec"]["taints"];
        let taint = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
        match taints {
            Value::Array(list) => list.push(taint),
            other => *other = json!([taint]),
        }
    }
    if &*row.kind != "Pod" {
        return;
    }
    let mirror = object["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some();
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let defaulted = |spec: &mut Map<String, Value>, field: &str, value: Value| {
        if spec.get(field).is_none_or(|v| v == "") {
            spec.insert(field.to_owned(), value);
        }
    };
    if !mirror {
        defaulted(spec, "serviceAccountName", json!("default"));
    }
    let mut tolerations = spec.get("tolerations").and_then(Value::as_array).cloned().unwrap_or_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers =
            |t: &Value| (t.get("key").is_none_or(|k| k == key)) && t.get("effect").is_none_or(|e| e == "NoExecute");
        if !tolerations.iter().any(covers) {
            tolerations
                .push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    spec.insert("tolerations".to_owned(), tolerations.into());
}

/// The causes of a recorded 422 that strategies are responsible for.
fn recorded_causes(body: &Value) -> Vec<String> {
    let generic = |field: &str| {
        field == "metadata.name"
            || field == "metadata.labels"
            || field == "metadata.annotations"
            || ["metadata.finalizers", "metadata.ownerReferences", "metadata.generateName", "metadata.uid"]
                .iter()
                .any(|prefix| field.starts_with(prefix))
    };
    let causes = body["details"]["causes"].as_array().cloned().unwrap_or_default();
    let text = |c: &Value, f: &str| c[f].as_str().unwrap_or_default().to_owned();
    causes
        .iter()
        .filter(|c| {
            !generic(&text(c, "field"))
                || text(c, "message").starts_with("Forbidden")
                || text(c, "message").contains("more than 52")
        })
        .map(|c| format!("{} | {} | {}", text(c, "field"), text(c, "reason"), text(c, "message")))
        .collect()
}

fn own_causes(errors: &[Error]) -> Vec<String> {
    let shorten = |message: String| match message.find("\n@@ -") {
        Some(at) => format!("{}\n<diff>", &message[..at]),
        None => message,
    };
    errors.iter().map(|e| format!("{} | {} | {}", e.field, e.kind.reason(), shorten(e.body()))).collect()
}

/// What went differently, if anything.
fn compare(status: u64, body: &Value, errors: &[Error], object: &Value) -> Option<String> {
    let got = own_causes(errors);
    match status {
        422 => {
            let want = recorded_causes(body);
            let equal = got == want || {
                // Upstream walks Go maps in random order.
                let sort = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
                sort(&got) == sort(&want)
            };
            (!equal).then(|| format!("want {want:#?}\ngot {got:#?}"))
        }
        200 | 201 => {
            if !got.is_empty() {
                return Some(format!("refused: {got:#?}"));
            }
            let (want, have) = (comparable(body), comparable(object));
            (want != have).then(|| format!("want {want:#}\ngot  {have:#}"))
        }
        _ => None,
    }
}

fn keep(new: &mut Value, old: &Value, field: &str) {
    match old.get(field) {
        Some(value) => new[field] = value.clone(),
        None => drop(new.as_object_mut().unwrap().remove(field)),
    }
}

struct Replay {
    objects: BTreeMap<String, Value>,
    answers: BTreeMap<String, Value>,
}

impl Replay {
    /// The body of a request; `None` for those that this test does not rebuild.
    fn body(&self, request: &Value) -> Option<Value> {
        if let Some(from) = request.get("bodyFrom") {
            let mut body = self.answers.get(from["step"].as_str()?)?.clone();
            for (path, value) in from["set"].as_object().into_iter().flatten() {
                let pointer = format!("/{}", path.replace("[", ".").replace("]", "").replace('.', "/"));
                let (parent, key) = pointer.rsplit_once('/')?;
                let parent = body.pointer_mut(parent)?;
                match parent {
                    Value::Object(map) => drop(map.insert(key.to_owned(), value.clone())),
                    Value::Array(list) => *list.get_mut(key.parse::<usize>().ok()?)? = value.clone(),
                    _ => return None,
                }
            }
            for path in from["remove"].as_array().into_iter().flatten() {
                let pointer = format!("/{}", path.as_str()?.replace('.', "/"));
                let (parent, key) = pointer.rsplit_once('/')?;
                if let Some(Value::Object(map)) = body.pointer_mut(parent) {
                    map.remove(key);
                }
            }
            return Some(body);
        }
        request.get("body").filter(|body| body.is_object() || body.is_array()).cloned()
    }

    fn create(&self, object: &Object, request: &Value, response: &Value) -> Option<String> {
        if request.get("bodyRepeat").is_some() {
            return None;
        }
        let mut new = self.body(request)?;
        decode(object.row, &mut new)?;
        let strategy = &object.row.strategy;
        strategy.default(&mut new);
        admit(object.row, &mut new);
        strategy.default(&mut new);
        let uid = response["body"]["metadata"]["uid"].as_str();
        // In refusals the corpus shows the uid of one job.
        // Reviews are answered, not stored: theirs stays as it was sent.
        if object.row.verbs.contains(&"get") {
            new["metadata"]["uid"] = uid.unwrap_or("uid-5").into();
            new["metadata"]["creationTimestamp"] = "<time>".into();
        }
        if object.row.scope == registry::Scope::Namespaced {
            new["metadata"]["namespace"] = "ns".into();
        }
        strategy.prepare_for_create(&mut new);
        let errors = strategy.validate(&new);
        strategy.read_back(&mut new);
        compare(response["status"].as_u64()?, &response["body"], &errors, &new)
    }

    fn update(&self, object: &Object, request: &Value, response: &Value) -> Option<String> {
        let old = self.objects.get(&object.path)?;
        let body = self.body(request)?;
        let kind = request["headers"]["Content-Type"].as_str().unwrap_or_default();
        let mut new = match (request["method"].as_str()?, kind) {
            ("PUT", _) => body,
            (_, "application/json-patch+json") => patch::json::apply(old, &body).ok()?,
            (_, "application/merge-patch+json") => patch::merge::apply(old, &body).ok()?,
            (_, "application/strategic-merge-patch+json") => {
                patch::strategic::apply(old, &body, api::schema::builtin(&object.row.definition)?).ok()?
            }
            _ => return None,
        };
        decode(object.row, &mut new)?;
        let strategy = &object.row.strategy;
        strategy.default(&mut new);
        match object.subresource {
            None if object.row.has(Subresource::Status) => keep(&mut new, old, "status"),
            Some(Subresource::Status) => keep(&mut new, old, "spec"),
            _ => {}
        }
        strategy.prepare_for_update(&mut new, old, object.subresource);
        let errors =
            object.row.validate_update(Update { old, new: &new, subresource: object.subresource, text_changed: false });
        compare(response["status"].as_u64()?, &response["body"], &errors, &new)
    }
}

fn replay(name: &str, failures: &mut BTreeMap<String, String>) -> usize {
    let text = std::fs::read_to_string(format!("{SCENARIOS}/{name}.json")).unwrap().replace("{{ns}}", "ns");
    // Label values must stay label values.
    let text = (1..20).fold(text, |text, n| text.replace(&format!("<uid:{n}>"), &format!("uid-{n}")));
    let scenario: Value = serde_json::from_str(&text).unwrap();
    let mut replay = Replay { objects: BTreeMap::new(), answers: BTreeMap::new() };
    let mut compared = 0;
    for step in scenario["steps"].as_array().unwrap() {
        let (request, response) = (&step["request"], &step["response"]);
        let id = step["id"].as_str().unwrap_or_default();
        let Some((object, collection)) = request["path"].as_str().and_then(route) else {
            continue;
        };
        let viewed = step.get("view").is_some();
        let difference = match (request["method"].as_str(), collection) {
            _ if viewed => None,
            (Some("POST"), true) => replay.create(&object, request, response),
            (Some("PUT" | "PATCH"), false) => replay.update(&object, request, response),
            _ => None,
        };
        compared += 1;
        if let Some(difference) = difference {
            failures.insert(format!("{name}/{id}"), difference);
        }
        let body = &response["body"];
        if response["status"].as_u64().is_some_and(|s| s < 300) && body["kind"] == *object.row.kind && !viewed {
            let name = body["metadata"]["name"].as_str().unwrap_or_default();
            let path = if collection { format!("{}/{name}", object.path) } else { object.path.clone() };
            replay.objects.insert(path, body.clone());
            replay.answers.insert(id.to_owned(), body.clone());
        }
    }
    compared
}

#[test]
fn strategies_answer_as_recorded() {
    if !std::path::Path::new(SCENARIOS).is_dir() {
        return;
    }
    let mut failures = BTreeMap::new();
    let compared: usize = REPLAYED.iter().map(|name| replay(name, &mut failures)).sum();
    assert!(compared > 100, "only {compared} steps were compared");
    let expected: BTreeSet<&str> = EXPECTED_FAILURES.iter().map(|(step, _)| *step).collect();
    let mut text = String::new();
    for (step, difference) in failures.iter().filter(|(step, _)| !expected.contains(&***step)) {
        text.push_str(&format!("== {step}\n{difference}\n"));
    }
    let fixed: Vec<_> = expected.iter().filter(|step| !failures.contains_key(**step)).collect();
    assert!(text.is_empty(), "{text}");
    assert!(fixed.is_empty(), "no longer failing, take them off the list: {fixed:?}");
}
