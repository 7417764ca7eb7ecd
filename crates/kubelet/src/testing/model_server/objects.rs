//! What the model server keeps: objects, the log of their changes, and the verbs. No transport, no faults.

use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Value,
}

/// Collection (`api/v1/pods`), namespace, name.
type Key = (String, String, String);

#[derive(Debug)]
struct Event {
    revision: u64,
    key: Key,
    kind: &'static str,
    object: Value,
}

#[derive(Debug, Default)]
pub(crate) struct Objects {
    revision: u64,
    compacted: u64,
    objects: BTreeMap<Key, Value>,
    log: Vec<Event>,
}

pub(super) fn status(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code});
    (code, status)
}

/// Collection, namespace, and where they are given name and subresource.
fn parse(path: &str) -> Option<(String, String, Option<String>, Option<String>)> {
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let version = if parts.first() == Some(&"api") { 2 } else { 3 };
    let rest = parts.split_off(version.min(parts.len()));
    let (namespace, rest) = match rest.as_slice() {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let collection = format!("{}/{}", parts.join("/"), rest.first()?);
    let text = |at: usize| rest.get(at).map(|text| (*text).to_owned());
    Some((collection, namespace.to_owned(), text(1), text(2)))
}

impl Objects {
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn compact(&mut self) {
        self.compacted = self.revision;
    }

    pub(super) fn is_compacted(&self, revision: u64) -> bool {
        revision < self.compacted
    }

    /// All pods.
    pub(crate) fn pods(&self) -> Vec<Value> {
        self.objects
            .iter()
            .filter(|((collection, ..), _)| collection == "api/v1/pods")
            .map(|(_, pod)| pod.clone())
            .collect()
    }

    /// The first event of a collection after one revision and up to another, as a watch tells of it.
    pub(super) fn event_after(&self, path: &str, after: u64, until: u64) -> Option<(u64, Value)> {
        let collection = parse(path)?.0;
        let shown = |event: &&Event| event.revision > after && event.revision <= until && event.key.0 == collection;
        let event = self.log.iter().find(shown)?;
        Some((event.revision, json!({"type": event.kind, "object": event.object})))
    }

    pub(super) fn serve(&mut self, asked: &Asked) -> (u16, Value) {
        let Some((collection, namespace, name, subresource)) = parse(&asked.path) else {
            return status(404, "NotFound");
        };
        if collection.ends_with("/events") {
            return (201, asked.body.clone());
        }
        let Some(name) = name else {
            return match asked.method {
                Method::POST => self.create(collection, namespace, asked.body.clone()),
                _ => self.list(&collection),
            };
        };
        let key = (collection, namespace, name);
        let Some(object) = self.objects.get(&key).cloned() else { return status(404, "NotFound") };
        match asked.method {
            Method::PATCH => self.patch(key, &object, subresource.as_deref(), &asked.body),
            Method::PUT => (200, self.write(key, "MODIFIED", asked.body.clone())),
            Method::DELETE => match asked.body["preconditions"]["uid"].as_str() {
                Some(uid) if object["metadata"]["uid"] != uid => status(409, "Conflict"),
                _ => (200, self.delete(key, object)),
            },
            _ => (200, object),
        }
    }

    fn list(&self, collection: &str) -> (u16, Value) {
        let items: Vec<&Value> = self.objects.iter().filter(|(key, _)| key.0 == collection).map(|(_, o)| o).collect();
        let version = self.revision.to_string();
        (200, json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}))
    }

    fn create(&mut self, collection: String, namespace: String, mut object: Value) -> (u16, Value) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let is_pod = collection == "api/v1/pods";
        let key = (collection, namespace, name);
        if self.objects.contains_key(&key) {
            return status(409, "AlreadyExists");
        }
        object["metadata"]["uid"] = json!(format!("object-{}", self.revision + 1));
        if is_pod {
            object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"});
        }
        (201, self.write(key, "ADDED", object))
    }

    fn patch(&mut self, key: Key, object: &Value, subresource: Option<&str>, patch: &Value) -> (u16, Value) {
        let uid = patch["metadata"]["uid"].as_str();
        if uid.is_some_and(|uid| object["metadata"]["uid"] != uid) {
            return status(409, "Conflict");
        }
        let plural = key.0.rsplit('/').next().unwrap_or_default();
        let schema = registry::find("", "v1", plural).and_then(registry::Resource::schema).unwrap();
        let mut patched = api::patch::strategic::apply(object, patch, schema).unwrap();
        if subresource == Some("status") {
            let status = patched["status"].take();
            patched = object.clone();
            patched["status"] = status;
        }
        if patched == *object {
            return (200, patched);
        }
        (200, self.write(key, "MODIFIED", patched))
    }

    fn delete(&mut self, key: Key, object: Value) -> Value {
        let last = self.write(key.clone(), "DELETED", object);
        self.objects.remove(&key);
        last
    }

    fn write(&mut self, key: Key, kind: &'static str, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.objects.insert(key.clone(), object.clone());
        self.log.push(Event { revision: self.revision, key, kind, object: object.clone() });
        object
    }

    /// Somebody asks for the end of a pod: at once, or in good order, which is up to the kubelet.
    pub(crate) fn user_deletes(&mut self, name: &str, at_once: bool) {
        let key = pod_key(name);
        let Some(mut pod) = self.objects.get(&key).cloned() else { return };
        if at_once {
            self.delete(key, pod);
        } else {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            pod["metadata"]["deletionGracePeriodSeconds"] = json!(1);
            self.write(key, "MODIFIED", pod);
        }
    }

    /// The scheduler binds a new pod to the node.
    pub(crate) fn pod_is_bound(&mut self, pod: Value) {
        self.create("api/v1/pods".to_owned(), "default".to_owned(), pod);
    }

    /// `kubectl label node`, also before its kubelet has come up for the first time.
    pub(crate) fn user_labels_node(&mut self, name: &str, label: (&str, &str)) {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
        let key = ("api/v1/nodes".to_owned(), String::new(), name.to_owned());
        self.create(key.0.clone(), String::new(), node); // it may be there
        let node = self.objects[&key].clone();
        self.patch(key, &node, None, &json!({"metadata": {"labels": {label.0: label.1}}}));
    }

    /// Somebody else writes a pod's status.
    pub(crate) fn other_writes(&mut self, name: &str, status: &Value) {
        let key = pod_key(name);
        if let Some(pod) = self.objects.get(&key).cloned() {
            self.patch(key, &pod, Some("status"), &json!({"status": status}));
        }
    }
}

fn pod_key(name: &str) -> Key {
    ("api/v1/pods".to_owned(), "default".to_owned(), name.to_owned())
}
