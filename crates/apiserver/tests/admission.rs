//! Admission by configuration: policies with all that they can speak of, and webhooks behind a real HTTPS server.

mod harness;
mod hook;

use apiserver::{InProcess, UserInfo};
use harness::{JSON, MERGE, admin, call, send, start};
use hook::Hook;
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Makes an object of admission; it works at once.
async fn make(admin: &InProcess, plural: &str, object: Value) {
    let (code, body) = send(admin, Method::POST, &format!("{ADMISSION}/{plural}"), JSON, object.to_string()).await;
    assert_eq!(code, 201, "{body}");
}

fn rules(operations: &[&str], resource: &str) -> Value {
    json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": operations, "resources": [resource]}])
}

/// A validating policy with a binding of this name for each.
async fn policy(admin: &InProcess, name: &str, spec: Value, binding: Value) {
    make(admin, "validatingadmissionpolicies", json!({"metadata": {"name": name}, "spec": spec})).await;
    let mut bound = json!({"policyName": name, "validationActions": ["Deny"]});
    bound.as_object_mut().unwrap().extend(binding.as_object().cloned().unwrap_or_default());
    make(admin, "validatingadmissionpolicybindings", json!({"metadata": {"name": name}, "spec": bound})).await;
}

fn map(name: &str, data: Value) -> String {
    json!({"metadata": {"name": name}, "data": data}).to_string()
}

async fn message(client: &InProcess, method: Method, path: &str, body: String) -> String {
    let (_, answer) = send(client, method, path, JSON, body).await;
    let text = answer["message"].as_str().unwrap_or_default();
    text.rsplit("denied request: ").next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_see_all_that_there_is_to_a_request() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let constraints = json!({"resourceRules": rules(&["CREATE", "UPDATE", "DELETE"], "configmaps"),
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}});
    let check = |expression: &str, message: &str| json!({"expression": expression, "messageExpression": message});
    let spec = json!({
    "matchConstraints": constraints,
    "matchConditions": [{"name": "not-free", "expression": "!request.name.startsWith('free')"}],
    "variables": [
        {"name": "broken", "expression": "object.nothing.here"},
        {"name": "keys", "expression": "has(object.data) ? object.data.map(k, k) : []"},
        {"name": "count", "expression": "size(variables.keys)"},
    ],
    "validations": [
        check("request.operation != 'DELETE' || oldObject.metadata.name != 'kept'", "'kept: ' + request.operation"),
        check("request.operation == 'DELETE' || variables.count < 3", "string(variables.count) + ' keys'"),
        check("request.operation == 'DELETE' || !('x' in variables.keys) || variables.broken", "'never said'"),
        check("namespaceObject.metadata.name == request.namespace", "'namespace'"),
        check("request.operation == 'DELETE' || !('secret' in variables.keys) \
             || authorizer.group('').resource('secrets').namespace('default').check('get').allowed()", "'may not'"),
        check("request.operation == 'DELETE' || !('own' in variables.keys) \
             || authorizer.requestResource.check('delete').allowed()", "'own: ' + request.userInfo.username"),
    ]});
    policy(&admin, "all.example.com", spec, Value::Null).await;
    let try_map = |data: Value| message(&admin, Method::POST, MAPS, map("a", data));
    assert_eq!(try_map(json!({"a": "", "b": "", "c": ""})).await, "3 keys");
    let broken = try_map(json!({"x": ""})).await;
    assert!(broken.contains("resulted in error: no such key: nothing"), "{broken}");
    assert_eq!(send(&admin, Method::POST, MAPS, JSON, map("free-1", json!({"x": ""}))).await.0, 201);
    assert_eq!(send(&admin, Method::POST, MAPS, JSON, map("kept", json!({"secret": ""}))).await.0, 201);
    let kept = format!("{MAPS}/kept");
    assert_eq!(message(&admin, Method::DELETE, &kept, String::new()).await, "kept: DELETE");
    let (code, _) = send(&admin, Method::PATCH, &kept, MERGE, json!({"data": {"a": "", "b": ""}}).to_string()).await;
    assert_eq!(code, 422);
    // A writer of config maps who may not read secrets, nor delete.
    let role = json!({"metadata": {"name": "w"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]});
    let rbac = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    assert_eq!(send(&admin, Method::POST, rbac, JSON, role.to_string()).await.0, 201);
    let bound = json!({"metadata": {"name": "w"}, "subjects": [{"kind": "User", "name": "writer"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "w"}});
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    assert_eq!(send(&admin, Method::POST, bindings, JSON, bound.to_string()).await.0, 201);
    let writer = server.service(UserInfo::new("writer", &[]));
    assert_eq!(message(&writer, Method::POST, MAPS, map("s", json!({"secret": ""}))).await, "may not");
    assert_eq!(message(&writer, Method::POST, MAPS, map("s", json!({"own": ""}))).await, "own: writer");
    assert_eq!(send(&writer, Method::POST, MAPS, JSON, map("s", json!({"else": ""}))).await.0, 201);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_take_parameters_by_name_and_by_selector() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let spec = || {
        json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConstraints": {"resourceRules": rules(&["CREATE"], "secrets")},
            "validations": [{"expression": "params != null && object.metadata.name.size() <= int(params.data.most)",
                "messageExpression": "'longer than ' + params.data.most"}]})
    };
    let named = json!({"paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"}});
    policy(&admin, "named", spec(), named).await;
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = |name: &str| json!({"metadata": {"name": name}}).to_string();
    let missing = message(&admin, Method::POST, secrets, secret("abc")).await;
    let words = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction";
    assert_eq!(missing, words);
    assert_eq!(send(&admin, Method::POST, MAPS, JSON, map("limits", json!({"most": "2"}))).await.0, 201);
    assert_eq!(message(&admin, Method::POST, secrets, secret("abc")).await, "longer than 2");
    assert_eq!(send(&admin, Method::POST, secrets, JSON, secret("ab")).await.0, 201);
    let selected =
        json!({"paramRef": {"selector": {"matchLabels": {"limit": "yes"}}, "parameterNotFoundAction": "Allow"}});
    policy(&admin, "selected", spec(), selected).await;
    assert_eq!(send(&admin, Method::POST, secrets, JSON, secret("cd")).await.0, 201);
    let one = json!({"metadata": {"name": "one", "labels": {"limit": "yes"}}, "data": {"most": "1"}}).to_string();
    assert_eq!(send(&admin, Method::POST, MAPS, JSON, one).await.0, 201);
    assert_eq!(message(&admin, Method::POST, secrets, secret("ef")).await, "longer than 1");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutating_policies_merge_patch_and_see_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let mutating = async |name: &str, reinvocation: &str, mutations: Value| {
        let spec = json!({"matchConstraints": {"resourceRules": rules(&["CREATE"], "pods")},
            "reinvocationPolicy": reinvocation, "mutations": mutations});
        make(&admin, "mutatingadmissionpolicies", json!({"metadata": {"name": name}, "spec": spec})).await;
        let bound = json!({"metadata": {"name": name}, "spec": {"policyName": name}});
        make(&admin, "mutatingadmissionpolicybindings", bound).await;
    };
    // Comes first, and again, as the second changes what it looks at.
    let marks = "has(object.metadata.labels) && 'later' in object.metadata.labels
        ? [JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 'seen'}] : []";
    mutating("a", "IfNeeded", json!([{"patchType": "JSONPatch", "jsonPatch": {"expression": marks}}])).await;
    let sidecar = "Object{metadata: Object.metadata{labels: {'later': 'yes'}}, spec: Object.spec{containers: [
        Object.spec.containers{name: 'extra', image: 'i'},
        Object.spec.containers{name: 'app', env: [Object.spec.containers.env{name: 'E', value: '1'}]}]}}";
    let apply = json!([{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": sidecar}}]);
    mutating("b", "Never", apply).await;
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "app", "image": "i"}]}}).to_string();
    let account = json!({"metadata": {"name": "default"}}).to_string();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    assert_eq!(send(&admin, Method::POST, accounts, JSON, account).await.0, 201);
    let (code, pod) = send(&admin, Method::POST, "/api/v1/namespaces/default/pods", JSON, pod).await;
    assert_eq!(code, 201, "{pod}");
    assert_eq!(pod["metadata"]["labels"], json!({"later": "yes", "a/b": "seen"}));
    let containers: Vec<&str> =
        pod["spec"]["containers"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(containers, ["extra", "app"]);
    let app = &pod["spec"]["containers"][1];
    assert_eq!((&app["env"], &app["image"]), (&json!([{"name": "E", "value": "1"}]), &json!("i")));
    // The container that came by policy has its defaults, and its token from the plugins that ran again.
    let extra = &pod["spec"]["containers"][0];
    assert_eq!(extra["terminationMessagePath"], "/dev/termination-log");
    assert_eq!(extra["volumeMounts"][0]["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
    server.shutdown().await;
}

fn webhook(name: &str, hook: &Hook, path: &str, resource: &str, more: Value) -> Value {
    let mut webhook = json!({"name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": hook.url(path), "caBundle": hook.ca_bundle()},
        "rules": rules(&["CREATE", "UPDATE", "DELETE"], resource)});
    webhook.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    json!({"metadata": {"name": name}, "webhooks": [webhook]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_refuse_warn_and_fail_as_they_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let hook = Hook::start(|path, review| {
        let bad = review["request"]["object"]["data"]["bad"].as_str();
        match (path, bad) {
            ("/broken", _) => json!("nonsense"),
            ("/slow", _) => Value::Null,
            (_, Some(why)) => json!({"allowed": false, "status": {"code": 403, "reason": "Forbidden", "message": why}}),
            _ => json!({"allowed": true, "warnings": [format!("seen {}", review["request"]["operation"])]}),
        }
    })
    .await;
    make(&admin, "validatingwebhookconfigurations", webhook("v.example.com", &hook, "/ok", "configmaps", json!({})))
        .await;
    let (code, body) = send(&admin, Method::POST, MAPS, JSON, map("a", json!({"bad": "no good"}))).await;
    let words = "admission webhook \"v.example.com\" denied the request: no good";
    assert_eq!((code, &body["message"], &body["reason"]), (403, &json!(words), &json!("Forbidden")));
    let (code, body) = send(&admin, Method::POST, MAPS, JSON, map("a", json!({"bad": ""}))).await;
    let words = "admission webhook \"v.example.com\" denied the request: Forbidden";
    assert_eq!((code, &body["message"]), (403, &json!(words)));
    let answer = call(&admin, Method::POST, MAPS, JSON, map("a", json!({}))).await;
    let warning = answer.headers()["warning"].to_str().unwrap().to_owned();
    assert_eq!((answer.status().as_u16(), warning.as_str()), (201, "299 - \"seen \\\"CREATE\\\"\""));
    drop(answer.into_body().collect().await);
    // Failures, as the policy says.
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = |name: &str| json!({"metadata": {"name": name}}).to_string();
    let ignored = webhook("i.example.com", &hook, "/broken", "secrets", json!({"failurePolicy": "Ignore"}));
    make(&admin, "validatingwebhookconfigurations", ignored).await;
    assert_eq!(send(&admin, Method::POST, secrets, JSON, secret("one")).await.0, 201);
    make(&admin, "validatingwebhookconfigurations", webhook("f.example.com", &hook, "/broken", "secrets", json!({})))
        .await;
    let (code, body) = send(&admin, Method::POST, secrets, JSON, secret("two")).await;
    let text = body["message"].as_str().unwrap();
    let wanted = "Internal error occurred: failed calling webhook \"f.example.com\": received invalid webhook response";
    assert!(code == 500 && text.starts_with(wanted), "{text}");
    let (code, _) =
        send(&admin, Method::DELETE, &format!("{ADMISSION}/validatingwebhookconfigurations/f.example.com"), JSON, "")
            .await;
    assert_eq!(code, 200, "what configures admission is exempt");
    let slow = webhook("s.example.com", &hook, "/slow", "secrets", json!({"timeoutSeconds": 1}));
    make(&admin, "validatingwebhookconfigurations", slow).await;
    let (code, body) = send(&admin, Method::POST, secrets, JSON, secret("two")).await;
    let url = format!("{}?timeout=1s", hook.url("/slow"));
    let words = format!(
        "Internal error occurred: failed calling webhook \"s.example.com\": failed to call webhook: Post {url:?}: context deadline exceeded"
    );
    assert_eq!((code, body["message"].as_str()), (500, Some(words.as_str())));
    // Who asks for less time than the webhook has gets no more.
    let (code, body) = send(&admin, Method::POST, &format!("{secrets}?timeout=100ms"), JSON, secret("two")).await;
    let words = "Timeout: request did not complete within requested timeout - context deadline exceeded";
    assert_eq!((code, &body["message"], &body["reason"]), (504, &json!(words), &json!("Timeout")));
    assert_eq!(send(&admin, Method::GET, &format!("{secrets}/two"), JSON, "").await.0, 404);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutating_webhooks_patch_in_the_version_that_they_know() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let hook = Hook::start(|path, review| {
        let request = &review["request"];
        match path {
            // Knows v1 of autoscalers only.
            "/scale" => {
                assert_eq!(request["object"]["apiVersion"], "autoscaling/v1");
                assert_eq!(request["requestKind"]["version"], "v2");
                hook::patch(&json!([{"op": "replace", "path": "/spec/targetCPUUtilizationPercentage", "value": 55}]))
            }
            _ => {
                let count = request["object"]["data"].as_object().map_or(0, serde_json::Map::len);
                let patch = json!([{"op": "add", "path": format!("/data/{}{count}", &path[1..]), "value": "x"}]);
                hook::patch(&patch)
            }
        }
    })
    .await;
    let again = json!({"reinvocationPolicy": "IfNeeded"});
    make(&admin, "mutatingwebhookconfigurations", webhook("a.example.com", &hook, "/a", "configmaps", again)).await;
    let conditions = json!({"matchConditions": [{"name": "c", "expression": "object.metadata.name != 'alone'"}]});
    make(&admin, "mutatingwebhookconfigurations", webhook("b.example.com", &hook, "/b", "configmaps", conditions))
        .await;
    let (_, both) = send(&admin, Method::POST, MAPS, JSON, map("both", json!({"own": ""}))).await;
    assert_eq!(both["data"], json!({"own": "", "a1": "x", "b2": "x", "a3": "x"}));
    let (_, alone) = send(&admin, Method::POST, MAPS, JSON, map("alone", json!({"own": ""}))).await;
    assert_eq!(alone["data"], json!({"own": "", "a1": "x"}));
    let rules = json!([{"apiGroups": ["autoscaling"], "apiVersions": ["v1"], "operations": ["CREATE"],
        "resources": ["horizontalpodautoscalers"]}]);
    let scale = webhook("s.example.com", &hook, "/scale", "", json!({"rules": rules}));
    make(&admin, "mutatingwebhookconfigurations", scale).await;
    let scaler = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 10}}}]}});
    let path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    let (code, made) = send(&admin, Method::POST, path, JSON, scaler.to_string()).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 55);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managed_fields_that_admission_has_broken_are_put_back() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let hook = Hook::start(|_, _| {
        let remove = |field: &str| json!({"op": "remove", "path": format!("/metadata/managedFields/0/{field}")});
        hook::patch(&json!([remove("apiVersion"), remove("fieldsV1"), remove("fieldsType")]))
    })
    .await;
    make(&admin, "mutatingwebhookconfigurations", webhook("m.example.com", &hook, "/", "configmaps", json!({}))).await;
    let words = "299 - \".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated \
        mutating admission controller; please fix your requests: apiVersion must not be empty\"";
    let one = format!("{MAPS}/m");
    let change = json!({"data": {"a": "2"}}).to_string();
    for (method, path, kind, body) in
        [(Method::POST, MAPS, JSON, map("m", json!({"a": "1"}))), (Method::PATCH, &*one, MERGE, change)]
    {
        let answer = call(&admin, method, path, kind, body).await;
        assert_eq!(answer.headers()["warning"], words);
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let object: Value = serde_json::from_slice(&text).unwrap();
        let entry = &object["metadata"]["managedFields"][0];
        assert_eq!((&entry["apiVersion"], &entry["fieldsV1"]["f:data"]["f:a"]), (&json!("v1"), &json!({})));
    }
    server.shutdown().await;
}
