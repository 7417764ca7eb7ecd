//! The golden corpus' writes, as far as they can be checked without a server: who owns which field after a create, an
//! update, a patch or an apply, what a patch makes of an object, and how a bad one is answered. Runs where the corpus is.

use api::apply::{ApplyRequest, Writer, apply, manager_from_user_agent, reset_fields, update_managed_fields};
use api::patch::{self, PatchType};
use api::schema::{Schema, builtin, definition_for};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

const NOW: &str = "2026-11-23T20:00:00Z";

/// What admission and storage set after the fields were tracked: taken off before tracking is checked, where the
/// request did not have it.
const SET_LATER: &[(&str, &str, &[&str])] = &[
    ("Pod", "spec", &["serviceAccountName", "serviceAccount", "tolerations", "priority", "preemptionPolicy"]),
    ("Service", "spec", &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"]),
    ("Node", "spec", &["taints"]),
];

/// Steps that say nothing about this crate: what the answer shows was set or refused by the server around it.
const SERVER_ONLY: &[&str] = &[
    // Parameters are checked before the patch is looked at.
    "apply-basics/name-mismatch",
    "apply-basics/no-manager",
    "apply-basics/empty-manager",
    // Admission changed the new object.
    "admission-policies/mutated",
    "cluster-misc/rtc-pod",
    "limitrange/defaulted",
    "node-identity/pod-with-token",
    "node-identity/csi-node",
    "pod-service-account/pod",
    "pod-service-account/opt-out",
    "pod-service-account/old-field",
    "pod-service-account/opt-in",
    "field-selectors-per-kind/p2",
    // The strategy or the storage changed or dropped fields after they were tracked.
    "certificate-requests/spec-ignored",
    "daemonsets-and-revisions/template-change",
    "delete-collection/release",
    "delete-options/release",
    "endpoints-and-slices/fqdn",
    "field-validation/smp-warn",
    "jobs/create",
    "jobs/indexed",
    "jobs/failure-policy",
    "jobs/indexed-defaults-completions",
    "namespaces/create",
    "namespaces/generate",
    "namespaces/name-label-kept",
    "namespaces/spec-ignored",
    "pod-status-subresource/bad-status-ip",
    "rbac-objects/aggregate",
    "secrets/string-data-patch",
    "service-port-merge-keys/session-affinity-off",
    "services/node-port",
    "services/load-balancer",
    "services/to-node-port",
    "services/back-to-cluster-ip",
    "services/to-external-name",
    "services/put-without-ip",
    "storage/pv",
    "storage/pvc",
    "storage/pvc-no-class",
    "storage/pvc-data-source",
    "storage/pvc-data-source-core-dropped",
    "storage/pv-local",
];

struct Endpoint {
    object: String,
    group: String,
    plural: String,
    subresource: String,
}

/// Splits `/apis/apps/v1/namespaces/ns/deployments/d/status`; a collection gets the name of the created object later.
fn endpoint(path: &str) -> Option<Endpoint> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, plural, rest @ ..] if !matches!(*plural, "status" | "finalize") => {
            (*namespace, [&[*plural], rest].concat())
        }
        rest => ("", rest.to_vec()),
    };
    let (plural, name, subresource) = match rest.as_slice() {
        [plural] => (*plural, "", ""),
        [plural, name] => (*plural, *name, ""),
        [plural, name, subresource] => (*plural, *name, *subresource),
        _ => return None,
    };
    Some(Endpoint {
        object: format!("{group}/{plural}/{namespace}/{name}"),
        group: group.to_owned(),
        plural: plural.to_owned(),
        subresource: subresource.to_owned(),
    })
}

fn schema_of(object: &Value) -> Option<(&'static Schema, String, String)> {
    let api_version = object.get("apiVersion")?.as_str()?;
    let kind = object.get("kind")?.as_str().filter(|kind| *kind != "Status")?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Some((builtin(definition_for(group, version, kind)?)?, api_version.to_owned(), kind.to_owned()))
}

/// `managedFields` without times, sorted.
fn managed(object: &Value) -> Vec<Value> {
    let list = object.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut list: Vec<Value> = list
        .into_iter()
        .map(|mut entry| {
            entry.as_object_mut().unwrap().remove("time");
            entry
        })
        .collect();
    list.sort_by_key(Value::to_string);
    list
}

fn without_set_later(object: &mut Value, kind: &str, request: &Value) {
    for (_, section, fields) in SET_LATER.iter().filter(|(of, ..)| *of == kind) {
        for field in *fields {
            if request.get(*section).and_then(|section| section.get(*field)).is_none()
                && let Some(Value::Object(section)) = object.get_mut(*section)
            {
                section.remove(*field);
            }
        }
    }
}

struct Run {
    checked: usize,
    failures: Vec<String>,
}

impl Run {
    fn same(&mut self, what: &str, actual: &Value, expected: &Value) {
        self.checked += 1;
        if actual != expected {
            self.failures.push(format!("{what}\n    expected {expected}\n    actual   {actual}"));
        }
    }
}

fn query(request: &Value, name: &str) -> String {
    request.pointer(&format!("/query/{name}")).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn header(request: &Value, name: &str) -> String {
    request.pointer(&format!("/headers/{name}")).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn scenario(run: &mut Run, name: &str, steps: &[Value]) {
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    for step in steps {
        let (request, response) = (&step["request"], &step["response"]);
        let Some(mut at) = request["path"].as_str().and_then(endpoint) else {
            continue;
        };
        let method = request["method"].as_str().unwrap_or_default();
        let answer = &response["body"];
        let whole = step.get("view").is_none() && response["format"] == "json";
        let what = format!("{name}/{}", step["id"].as_str().unwrap_or_default());
        if SERVER_ONLY.contains(&what.as_str()) {
            known.remove(&at.object);
            if method == "POST" {
                at.object.push_str(answer.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default());
            }
            if schema_of(answer).is_some() {
                known.insert(at.object, answer.clone());
            }
            continue;
        }
        if whole && response["status"].as_u64() >= Some(400) && method == "PATCH" {
            failed_patch(run, &what, request, &at, known.get(&at.object), answer);
        }
        if response["status"].as_u64() >= Some(400) {
            continue;
        }
        if method == "POST" && at.subresource.is_empty() && !at.object.ends_with('/') {
            continue;
        }
        if at.object.ends_with('/') {
            at.object.push_str(answer.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default());
        }
        if !whole || answer.get("metadata").is_none() || answer["kind"] == "Status" || request.get("auth").is_some() {
            // What the step did cannot be seen: forget the object.
            let writes = !matches!(method, "GET" | "HEAD");
            if writes && query(request, "dryRun").is_empty() {
                known.remove(&at.object);
            }
            continue;
        }
        if matches!(at.subresource.as_str(), "" | "status" | "finalize" | "ephemeralcontainers" | "resize") {
            let live = known.get(&at.object).cloned();
            if matches!(method, "POST" | "PUT" | "PATCH") {
                written(run, &what, method, request, &at, live.as_ref(), answer);
            }
            if query(request, "dryRun").is_empty() && schema_of(answer).is_some() {
                known.insert(at.object.clone(), answer.clone());
            }
        } else if method != "GET" {
            known.remove(&at.object);
        }
    }
}

/// A write that succeeded.
fn written(
    run: &mut Run,
    what: &str,
    method: &str,
    request: &Value,
    at: &Endpoint,
    live: Option<&Value>,
    answer: &Value,
) {
    let Some((schema, api_version, kind)) = schema_of(answer) else {
        return;
    };
    let patch_type = PatchType::from_content_type(&header(request, "Content-Type")).filter(|_| method == "PATCH");
    if live.is_none() && (method == "PUT" || (method == "PATCH" && patch_type != Some(PatchType::Apply))) {
        return;
    }
    if live.is_none() && patch_type == Some(PatchType::Apply) && answer["metadata"]["resourceVersion"] != "<rv:1>" {
        return;
    }
    let mut manager = query(request, "fieldManager");
    if manager.is_empty() {
        let agent = header(request, "User-Agent");
        manager = if agent.is_empty() { "golden".to_owned() } else { manager_from_user_agent(&agent) };
    }
    let has_status = schema.field("status").is_some();
    let reset = reset_fields(&at.group, &at.plural, &at.subresource, has_status);
    let writer = Writer {
        schema,
        manager: &manager,
        api_version: &api_version,
        subresource: &at.subresource,
        reset: &reset,
        now: NOW,
        versions: None,
    };
    let sent = request.get("body").cloned().unwrap_or(Value::Null);
    if patch_type == Some(PatchType::Apply) {
        if !sent.is_object() {
            return;
        }
        let force = query(request, "force") == "true";
        match apply(live, ApplyRequest { config: &sent, kind: &kind, force }, &writer) {
            Ok(object) => run.same(what, &managed(&object).into(), &managed(answer).into()),
            Err(error) => run.failures.push(format!("{what}: {error}")),
        }
        return;
    }
    let mut new = answer.clone();
    new["metadata"].as_object_mut().unwrap().remove("managedFields");
    if live.is_none() {
        without_set_later(&mut new, &kind, &sent);
    }
    // What clients send in managedFields matters; the answer shows what became of it.
    let mut patched = None;
    if let (Some(live), Some(patch_type)) = (live, patch_type) {
        let result = match patch_type {
            PatchType::Json => patch::json::apply(live, &sent),
            PatchType::Merge => patch::merge::apply(live, &sent),
            _ => patch::strategic::apply(live, &sent, schema),
        };
        match result {
            Ok(result) => patched = Some(result),
            Err(error) => run.failures.push(format!("{what}: {error}")),
        }
    }
    if let Some(patched) = &patched
        && let Some(sent) = patched.pointer("/metadata/managedFields")
    {
        new["metadata"]["managedFields"] = sent.clone();
    }
    update_managed_fields(live, &mut new, &writer);
    run.same(what, &managed(&new).into(), &managed(answer).into());
    if let Some(patched) = patched {
        let writes = if at.subresource.is_empty() { "spec" } else { "status" };
        let part = |object: &Value| -> Value {
            let mut part = Map::new();
            for field in [writes, "data", "stringData", "type"] {
                part.insert(field.to_owned(), object.get(field).cloned().unwrap_or(Value::Null));
            }
            for field in ["labels", "annotations", "finalizers"] {
                let value = object["metadata"].get(field).cloned().unwrap_or(Value::Null);
                part.insert(
                    field.to_owned(),
                    if value.as_object().is_some_and(Map::is_empty) { Value::Null } else { value },
                );
            }
            part.into()
        };
        run.checked += 1;
        if let Some(difference) = not_within(&part(&patched), &part(answer), "") {
            run.failures.push(format!("{what}: patched {difference}"));
        }
    }
}

/// Whether all of `part` is in `whole`, which defaults may have added to; lists must have the same items.
fn not_within(part: &Value, whole: &Value, path: &str) -> Option<String> {
    match (part, whole) {
        (Value::Null, _) => None,
        (Value::Object(part), Value::Object(whole)) => part.iter().find_map(|(key, value)| {
            not_within(value, whole.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"))
        }),
        (Value::Array(part), Value::Array(whole)) if part.len() == whole.len() => part
            .iter()
            .zip(whole)
            .enumerate()
            .find_map(|(at, (part, whole))| not_within(part, whole, &format!("{path}[{at}]"))),
        (part, whole) => (part != whole).then(|| format!("{path} is {part}, not {whole}")),
    }
}

/// A patch that was refused: those that the patch itself spoils must be refused here in the same words.
fn failed_patch(run: &mut Run, what: &str, request: &Value, at: &Endpoint, live: Option<&Value>, answer: &Value) {
    let Some(live) = live else { return };
    let Some((schema, api_version, kind)) = schema_of(live) else {
        return;
    };
    let Some(sent) = request.get("body") else { return };
    let error = match PatchType::from_content_type(&header(request, "Content-Type")) {
        Some(PatchType::Json) => patch::json::apply(live, sent).err().map(|error| error.to_status()),
        Some(PatchType::Merge) => patch::merge::apply(live, sent).err().map(|error| error.to_status()),
        Some(PatchType::StrategicMerge) => {
            patch::strategic::apply(live, sent, schema).err().map(|error| error.to_status())
        }
        Some(PatchType::Apply) => {
            let manager = query(request, "fieldManager");
            let reset = reset_fields(&at.group, &at.plural, &at.subresource, schema.field("status").is_some());
            let subresource = &at.subresource;
            let writer = Writer {
                schema,
                manager: &manager,
                api_version: &api_version,
                subresource,
                reset: &reset,
                now: NOW,
                versions: None,
            };
            let force = query(request, "force") == "true";
            apply(Some(live), ApplyRequest { config: sent, kind: &kind, force }, &writer)
                .err()
                .map(|error| error.to_status())
        }
        None => None,
    };
    let own = ["the server rejected our request", "Apply failed", "failed to create typed", "error decoding patch"];
    let message = answer["message"].as_str().unwrap_or_default();
    match error {
        Some(status) => run.same(what, &status.to_value(), answer),
        None if answer["code"] == 500 || own.iter().any(|own| message.starts_with(own)) => {
            run.failures.push(format!("{what}: not refused: {message}"));
        }
        None => {}
    }
}

#[test]
fn writes_of_the_corpus() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/scenarios");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("no corpus at {}: skipped", folder.display());
        return;
    };
    let mut run = Run { checked: 0, failures: Vec::new() };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        scenario(&mut run, &name, document["steps"].as_array().unwrap());
    }
    println!("{} checked, {} differ", run.checked, run.failures.len());
    println!("{}", run.failures.join("\n"));
    assert!(run.checked > 550, "the corpus holds hundreds of writes");
    assert!(run.failures.is_empty());
}
