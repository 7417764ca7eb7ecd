//! Paths and operations as OpenAPI has them, in both dialects.

use super::operations::{DELETE_OPTIONS, Operation, PATCH, PathItem, camel_group, capitalized, paths};
use super::parameters::parameter;
use super::schemas::{definitions, reference};
use super::{Dialect, Subject};
use registry::Resource;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// In which forms objects can be sent and asked for.
const FORMS: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
/// The forms of watches, which lists and watches may be asked for in.
const STREAMS: &[&str] = &["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
/// Where a definition says which kinds it is.
const GROUP_VERSION_KIND: &str = "x-kubernetes-group-version-kind";
/// The forms of patches.
const PATCHES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// Collects the paths of one document, and which definitions they need.
pub(super) struct Renderer {
    dialect: Dialect,
    paths: Map<String, Value>,
    wanted: BTreeSet<String>,
    /// Definitions of custom resources.
    custom: Map<String, Value>,
    /// What objects of a definition are called: most definitions say so themselves, but one may serve several rows.
    kinds: Vec<(String, Value)>,
}

impl Renderer {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, paths: Map::new(), wanted: BTreeSet::new(), custom: Map::new(), kinds: Vec::new() }
    }

    /// Adds the paths of one subject, which is found at `path`.
    pub(super) fn add(&mut self, path: &str, subject: &Subject) {
        const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
        match subject {
            Subject::Fixed(operation, answer) => self.document(path, operation, answer),
            Subject::Group(group) => {
                let operation = format!("get{}APIGroup", camel_group(group));
                self.document(path, &operation, &format!("{META}.APIGroup"));
            }
            Subject::Rows(rows) => {
                if let Some(row) = rows.first() {
                    let (group, version) = (camel_group(&row.group), capitalized(&row.version));
                    let operation = format!("get{group}{version}APIResources");
                    self.document(path, &operation, &format!("{META}.APIResourceList"));
                }
                for row in rows {
                    self.custom.extend(super::custom::definitions(row, self.dialect));
                    self.kinds.extend(kinds(row));
                    for (path, item) in paths(row) {
                        let item = self.item(&item, &camel_tag(&row.group, &row.version));
                        self.paths.insert(path, item);
                    }
                }
            }
        }
    }

    /// The paths, and all definitions that they need.
    pub(super) fn finish(self) -> (Map<String, Value>, Map<String, Value>) {
        let mut wanted = self.wanted;
        if !self.custom.is_empty() {
            wanted.extend(super::custom::REFERRED.iter().map(|name| (*name).to_owned()));
        }
        let mut definitions = definitions(wanted, self.custom, self.dialect);
        for (name, kind) in self.kinds {
            let listed = definitions.get_mut(&name).and_then(|definition| definition.get_mut(GROUP_VERSION_KIND));
            if let Some(Value::Array(listed)) = listed
                && !listed.contains(&kind)
            {
                listed.push(kind);
            }
        }
        (self.paths, definitions)
    }

    /// A path that answers with one document.
    fn document(&mut self, path: &str, id: &str, answer: &str) {
        let mut operation = json!({"operationId": id, "responses": {"401": {"description": "Unauthorized"}}});
        operation["responses"]["200"] = self.answer("OK", answer, FORMS);
        self.paths.insert(format!("/{path}/"), json!({"get": operation}));
    }

    fn item(&mut self, item: &PathItem, tag: &str) -> Value {
        // Parameters that all operations have stand at the path, as do those of the path itself.
        let common: Vec<&str> = match item.operations.split_first() {
            Some((first, rest)) => {
                let in_all = |name: &&&str| rest.iter().all(|operation| operation.parameters.contains(*name));
                first.parameters.iter().filter(in_all).copied().collect()
            }
            None => Vec::new(),
        };
        let mut value = Map::new();
        let shared = item.path_parameters.iter().chain(&common);
        let shared: Vec<Value> = shared.filter_map(|name| parameter(name, self.dialect)).collect();
        value.insert("parameters".to_owned(), shared.into());
        for operation in &item.operations {
            value.insert(operation.method.to_owned(), self.operation(operation, &common, tag));
        }
        value.into()
    }

    fn operation(&mut self, operation: &Operation, common: &[&str], tag: &str) -> Value {
        let (group, version, kind) = &operation.kind;
        let mut value = json!({
            "operationId": operation.id,
            "tags": [tag],
            "x-kubernetes-action": operation.action,
            "x-kubernetes-group-version-kind": {"group": group, "kind": kind, "version": version},
        });
        let own = operation.parameters.iter().filter(|name| !common.contains(*name));
        let mut parameters: Vec<Value> = own.filter_map(|name| parameter(name, self.dialect)).collect();
        if let Some(body) = &operation.body {
            self.wanted.insert(body.clone());
            let schema = reference(body, self.dialect);
            let required = body != DELETE_OPTIONS;
            let forms: &[&str] = if body == PATCH { PATCHES } else { &["*/*"] };
            match self.dialect {
                Dialect::V2 => {
                    parameters.push(json!({"name": "body", "in": "body", "required": required, "schema": schema}));
                    value["consumes"] = forms.into();
                }
                Dialect::V3 => {
                    let content: Map<String, Value> =
                        forms.iter().map(|form| ((*form).to_owned(), json!({"schema": schema}))).collect();
                    value["requestBody"] = json!({"content": content, "required": required});
                }
            }
        }
        if !parameters.is_empty() {
            value["parameters"] = parameters.into();
        }
        let streams = matches!(operation.action, "list" | "watch" | "watchlist");
        let forms = if streams { [FORMS, STREAMS].concat() } else { FORMS.to_vec() };
        if self.dialect == Dialect::V2 {
            value["produces"] = forms.as_slice().into();
        }
        let mut responses = Map::new();
        for code in operation.codes {
            let words = match *code {
                "201" => "Created",
                "202" => "Accepted",
                _ => "OK",
            };
            responses.insert((*code).to_owned(), self.answer(words, &operation.answer, &forms));
        }
        responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
        value["responses"] = responses.into();
        value
    }

    fn answer(&mut self, words: &str, definition: &str, forms: &[&str]) -> Value {
        let schema = if definition == "string" {
            json!({"type": "string"})
        } else {
            self.wanted.insert(definition.to_owned());
            reference(definition, self.dialect)
        };
        match self.dialect {
            Dialect::V2 => json!({"description": words, "schema": schema}),
            Dialect::V3 => {
                let content: Map<String, Value> =
                    forms.iter().map(|form| ((*form).to_owned(), json!({"schema": schema}))).collect();
                json!({"description": words, "content": content})
            }
        }
    }
}

/// A row's definition and that of its lists, each with the kind that the row calls it.
fn kinds(row: &Resource) -> [(String, Value); 2] {
    let kind = |kind: &str| json!({"group": &*row.group, "kind": kind, "version": &*row.version});
    [(row.definition.to_string(), kind(&row.kind)), (format!("{}List", row.definition), kind(&row.list_kind()))]
}

/// `core_v1`, `apps_v1`: the tag of a version's operations, which generated clients name their classes by.
fn camel_tag(group: &str, version: &str) -> String {
    let group = camel_group(group);
    let mut characters = group.chars();
    let first: String = characters.next().map(|first| first.to_lowercase().collect()).unwrap_or_default();
    format!("{first}{}_{version}", characters.as_str())
}
