//! Which operations a row has: paths, methods, names, bodies, parameters. Both dialects are printed from this.

use super::parameters::{
    ATTACH, DELETE, DELETE_COLLECTION, EXEC, LIST, LOG, PATCH_PARAMETERS, PORT_FORWARD, PROXY, READ, WRITE,
};
use crate::discovery::group_version;
use registry::{Resource, Scope, Subresource};
use std::collections::BTreeMap;

const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const WATCH_EVENT: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent";
/// What `DELETE` takes.
pub(super) const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
/// What `PATCH` takes: anything.
pub(super) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

/// Kinds whose `DELETE` answers with the object, not with a Status, beside all of the resource.k8s.io group and most of
/// storage.k8s.io.
const DELETED_IS_RETURNED: &[&str] = &[
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodTemplate",
    "ResourceQuota",
    "Service",
    "ServiceAccount",
    "CSIDriver",
    "CSINode",
    "StorageClass",
    "VolumeAttachment",
    "VolumeAttributesClass",
];

/// Group, version and kind.
pub(super) type Gvk = (String, String, String);

/// One method of one path.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// `get`
    pub(super) method: &'static str,
    /// `listCoreV1NamespacedPod`
    pub(super) id: String,
    /// `x-kubernetes-action`
    pub(super) action: &'static str,
    /// `x-kubernetes-group-version-kind`
    pub(super) kind: Gvk,
    /// Definition of the body, where there is one.
    pub(super) body: Option<String>,
    /// Query parameters.
    pub(super) parameters: &'static [&'static str],
    /// Definition of the answer; `string` for connections and logs.
    pub(super) answer: String,
    /// Which good status codes it has.
    pub(super) codes: &'static [&'static str],
}

/// The operations of one path, with its path parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct PathItem {
    pub(super) path_parameters: Vec<&'static str>,
    pub(super) operations: Vec<Operation>,
}

/// All paths of a row.
pub(super) fn paths(row: &Resource) -> BTreeMap<String, PathItem> {
    let mut paths = Paths { row, items: BTreeMap::new() };
    paths.collection();
    paths.object();
    for subresource in &row.subresources {
        paths.subresource(*subresource);
    }
    paths.items
}

/// `Core`, `Apps`, `RbacAuthorization`: the group in the names of operations.
pub(super) fn camel_group(group: &str) -> String {
    if group.is_empty() {
        return "Core".to_owned();
    }
    group.trim_end_matches(".k8s.io").split('.').map(capitalized).collect()
}

/// The word with a capital at its front.
pub(super) fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

struct Paths<'a> {
    row: &'a Resource,
    items: BTreeMap<String, PathItem>,
}

impl Paths<'_> {
    fn root(&self, watch: bool) -> String {
        let base = if self.row.group.is_empty() { "/api" } else { "/apis" };
        let watch = if watch { "/watch" } else { "" };
        format!("{base}/{}{watch}", group_version(&self.row.group, &self.row.version))
    }

    fn namespaced(&self) -> bool {
        self.row.scope == Scope::Namespaced
    }

    fn collection_path(&self, watch: bool) -> String {
        let namespace = if self.namespaced() { "/namespaces/{namespace}" } else { "" };
        format!("{}{namespace}/{}", self.root(watch), self.row.plural)
    }

    fn has(&self, verb: &str) -> bool {
        self.row.verbs.contains(&verb)
    }

    fn kind(&self) -> Gvk {
        (self.row.group.to_string(), self.row.version.to_string(), self.row.kind.to_string())
    }

    /// `<verb>CoreV1<extra>NamespacedPod<suffix>`
    fn id(&self, verb: &str, extra: &str, suffix: &str) -> String {
        let namespaced = if self.namespaced() { "Namespaced" } else { "" };
        let version = capitalized(&self.row.version);
        format!("{verb}{}{version}{extra}{namespaced}{}{suffix}", camel_group(&self.row.group), self.row.kind)
    }

    fn add(&mut self, path: &str, operation: Operation) {
        let item = self.items.entry(path.to_owned()).or_default();
        for (parameter, marker) in [("path:name", "{name}"), ("path:namespace", "{namespace}"), ("path:path", "{path}")]
        {
            if path.contains(marker) && !item.path_parameters.contains(&parameter) {
                item.path_parameters.push(parameter);
            }
        }
        item.operations.push(operation);
    }

    fn operation(&self, method: &'static str, action: &'static str, id: String) -> Operation {
        Operation {
            method,
            id,
            action,
            kind: self.kind(),
            body: None,
            parameters: READ,
            answer: self.row.definition.to_string(),
            codes: &["200"],
        }
    }

    fn collection(&mut self) {
        let path = self.collection_path(false);
        let list = format!("{}List", self.row.definition);
        if self.has("list") {
            let operation = self.operation("get", "list", self.id("list", "", ""));
            self.add(&path, Operation { parameters: LIST, answer: list.clone(), ..operation });
        }
        if self.has("create") {
            let operation = self.operation("post", "post", self.id("create", "", ""));
            let body = Some(self.row.definition.to_string());
            self.add(&path, Operation { parameters: WRITE, body, codes: &["200", "201", "202"], ..operation });
        }
        if self.has("deletecollection") {
            let operation = self.operation("delete", "deletecollection", self.id("delete", "Collection", ""));
            let (body, answer) = (Some(DELETE_OPTIONS.to_owned()), STATUS.to_owned());
            self.add(&path, Operation { parameters: DELETE_COLLECTION, body, answer, ..operation });
        }
        if self.has("watch") {
            let path = self.collection_path(true);
            let operation = self.operation("get", "watchlist", self.id("watch", "", "List"));
            self.add(&path, Operation { parameters: LIST, answer: WATCH_EVENT.to_owned(), ..operation });
        }
        if !self.namespaced() {
            return;
        }
        let everywhere = |verb: &str, suffix: &str| {
            let version = capitalized(&self.row.version);
            format!("{verb}{}{version}{}{suffix}", camel_group(&self.row.group), self.row.kind)
        };
        let (list_id, watch_id) = (everywhere("list", "ForAllNamespaces"), everywhere("watch", "ListForAllNamespaces"));
        if self.has("list") {
            let path = format!("{}/{}", self.root(false), self.row.plural);
            let operation = self.operation("get", "list", list_id);
            self.add(&path, Operation { parameters: LIST, answer: list, ..operation });
        }
        if self.has("watch") {
            let path = format!("{}/{}", self.root(true), self.row.plural);
            let operation = self.operation("get", "watchlist", watch_id);
            self.add(&path, Operation { parameters: LIST, answer: WATCH_EVENT.to_owned(), ..operation });
        }
    }

    fn object(&mut self) {
        let path = format!("{}/{{name}}", self.collection_path(false));
        let definition = self.row.definition.to_string();
        if self.has("get") {
            let operation = self.operation("get", "get", self.id("read", "", ""));
            self.add(&path, operation);
        }
        if self.has("update") {
            self.write(&path, "", &definition, self.kind());
        }
        if self.has("patch") {
            self.patch(&path, "", &definition, self.kind());
        }
        if self.has("delete") {
            let returned = DELETED_IS_RETURNED.contains(&&*self.row.kind) || &*self.row.group == "resource.k8s.io";
            let operation = self.operation("delete", "delete", self.id("delete", "", ""));
            let answer = if returned { definition } else { STATUS.to_owned() };
            let body = Some(DELETE_OPTIONS.to_owned());
            self.add(&path, Operation { parameters: DELETE, body, answer, codes: &["200", "202"], ..operation });
        }
        if self.has("watch") && self.has("get") {
            let path = format!("{}/{{name}}", self.collection_path(true));
            let operation = self.operation("get", "watch", self.id("watch", "", ""));
            self.add(&path, Operation { parameters: LIST, answer: WATCH_EVENT.to_owned(), ..operation });
        }
    }

    fn write(&mut self, path: &str, suffix: &str, definition: &str, kind: Gvk) {
        let operation = self.operation("put", "put", self.id("replace", "", suffix));
        let (body, answer) = (Some(definition.to_owned()), definition.to_owned());
        self.add(path, Operation { parameters: WRITE, body, answer, kind, codes: &["200", "201"], ..operation });
    }

    fn patch(&mut self, path: &str, suffix: &str, definition: &str, kind: Gvk) {
        let operation = self.operation("patch", "patch", self.id("patch", "", suffix));
        let (body, answer) = (Some(PATCH.to_owned()), definition.to_owned());
        self.add(
            path,
            Operation { parameters: PATCH_PARAMETERS, body, answer, kind, codes: &["200", "201"], ..operation },
        );
    }

    fn subresource(&mut self, subresource: Subresource) {
        let path = format!("{}/{{name}}/{}", self.collection_path(false), subresource.name());
        let suffix = capitalized(subresource.name());
        let (group, version, name) = self.row.subresource_kind(subresource);
        let kind: Gvk = (group.to_owned(), version.to_owned(), name.into_owned());
        let definition = if kind == self.kind() {
            self.row.definition.to_string()
        } else {
            api::schema::definition_for(&kind.0, &kind.1, &kind.2).unwrap_or("string").to_owned()
        };
        match subresource {
            Subresource::Status
            | Subresource::Scale
            | Subresource::Approval
            | Subresource::EphemeralContainers
            | Subresource::Resize => {
                let operation = self.operation("get", "get", self.id("read", "", &suffix));
                self.add(&path, Operation { answer: definition.clone(), kind: kind.clone(), ..operation });
                self.write(&path, &suffix, &definition, kind.clone());
                self.patch(&path, &suffix, &definition, kind);
            }
            Subresource::Finalize => self.write(&path, &suffix, &definition, kind),
            Subresource::Binding | Subresource::Eviction | Subresource::Token => {
                let operation = self.operation("post", "post", self.id("create", "", &suffix));
                let (body, answer, codes) = (Some(definition.clone()), definition, &["200", "201", "202"]);
                self.add(&path, Operation { parameters: WRITE, body, answer, kind, codes, ..operation });
            }
            Subresource::Log => {
                let operation = self.operation("get", "get", self.id("read", "", &suffix));
                self.add(&path, Operation { parameters: LOG, answer: "string".to_owned(), ..operation });
            }
            Subresource::Exec => self.connect(&path, &suffix, kind, EXEC, &["get", "post"]),
            Subresource::Attach => self.connect(&path, &suffix, kind, ATTACH, &["get", "post"]),
            Subresource::PortForward => self.connect(&path, &suffix, kind, PORT_FORWARD, &["get", "post"]),
            Subresource::Proxy => {
                let methods = &["delete", "get", "head", "options", "patch", "post", "put"];
                self.connect(&path, &suffix, kind.clone(), PROXY, methods);
                self.connect(&format!("{path}/{{path}}"), &format!("{suffix}WithPath"), kind, PROXY, methods);
            }
        }
    }

    fn connect(
        &mut self,
        path: &str,
        suffix: &str,
        kind: Gvk,
        parameters: &'static [&'static str],
        methods: &[&'static str],
    ) {
        for method in methods {
            let namespaced = if self.namespaced() { "Namespaced" } else { "" };
            let (group, version) = (camel_group(&self.row.group), capitalized(&self.row.version));
            let id = format!("connect{group}{version}{}{namespaced}{}{suffix}", capitalized(method), self.row.kind);
            let operation = self.operation(method, "connect", id);
            let answer = "string".to_owned();
            self.add(path, Operation { parameters, answer, kind: kind.clone(), ..operation });
        }
    }
}
