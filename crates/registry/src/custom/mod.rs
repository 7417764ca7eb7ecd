//! Custom resources: from a CustomResourceDefinition to rows of the resource table.
//!
//! [`rows`] is all that it takes: one [`Resource`] per served version, of the same type as the built-in ones, so that
//! everything that the API server does for a row it does for custom resources too. What not: the definition's own
//! validation (`kinds::custom_resource_definition`), and when rows come and go (the API server's `extensions`).

mod columns;
mod conversion;
pub(crate) mod declarations;
mod finalizers;
mod json_path;
pub(crate) mod rules;
mod scale;
mod strategy;
#[cfg(test)]
mod tests;
mod version;
mod webhook;

pub use json_path::{JsonPath, JsonPathError};
pub use scale::ScalePaths;
pub use version::compare_versions;
pub use webhook::{ConversionError, ConversionWebhook};

use crate::{Resource, Scope, Storage, Subresource};
use api::schema::Schema;
use api::structural::{CompileError, Node};
use conversion::Versions;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The verbs of custom resources, in upstream's order.
const VERBS: &[&str] = &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// What a row of a custom resource has beyond a built-in one.
#[derive(Debug)]
pub struct Custom {
    /// The name of the CustomResourceDefinition.
    pub definition: Arc<str>,
    /// The shape of objects.
    pub schema: Arc<Schema>,
    /// `openAPIV3Schema`, for OpenAPI documents.
    pub open_api: Value,
    /// `WidgetList`
    pub list_kind: Arc<str>,
    /// The `Warning` of every answer of a deprecated version.
    pub deprecation_warning: Option<String>,
    /// Where `scale` reads and writes.
    pub scale: Option<ScalePaths>,
    /// The same of each version, by `apiVersion`: who owns the replicas may have written them through another one.
    pub scales: Arc<BTreeMap<String, Option<ScalePaths>>>,
    /// Who converts between versions, where names alone do not: strategy `Webhook`.
    pub webhook: Option<ConversionWebhook>,
    /// The definition is being deleted: nothing can be created any more.
    pub terminating: bool,
}

/// Why a definition has no rows. Definitions that have passed validation always have.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// A schema does not compile.
    #[error("version {version}: {source}")]
    Compile {
        /// The version.
        version: String,
        /// Why.
        source: CompileError,
    },
    /// A schema has no shape.
    #[error("version {version}: {source}")]
    Shape {
        /// The version.
        version: String,
        /// Why.
        source: api::schema::StructuralError,
    },
    /// No version is the stored one.
    #[error("no version is stored")]
    NoStorageVersion,
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn words(value: &Value, field: &str) -> Vec<Arc<str>> {
    list(value, field).filter_map(Value::as_str).map(Arc::from).collect()
}

/// The type that Go's decoder makes of a value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The rows of a definition whose names have been accepted: one for each served version, the stored one first.
///
/// # Errors
/// [`RowsError`].
pub fn rows(definition: &Value) -> Result<Vec<Resource>, RowsError> {
    let spec = &definition["spec"];
    let empty = Value::Object(serde_json::Map::new());
    let mut shapes = BTreeMap::new();
    for version in list(spec, "versions") {
        let name = text(version, "name");
        let schema = version["schema"].get("openAPIV3Schema").unwrap_or(&empty);
        let shape =
            api::schema::structural(schema).map_err(|source| RowsError::Shape { version: name.to_owned(), source })?;
        shapes.insert(name.to_owned(), shape);
    }
    let stored = list(spec, "versions").find(|version| version["storage"] == true);
    let stored = text(stored.ok_or(RowsError::NoStorageVersion)?, "name").to_owned();
    let versions = Arc::new(Versions { group: text(spec, "group").into(), stored: stored.as_str().into(), shapes });
    let scale = |version: &Value| version["subresources"].get("scale").map(ScalePaths::of);
    let scales = list(spec, "versions").map(|version| (versions.api_version(text(version, "name")), scale(version)));
    let scales = Arc::new(scales.collect());
    let mut rows = Vec::new();
    for version in list(spec, "versions").filter(|version| version["served"] == true) {
        rows.push(row(definition, version, &versions, &scales)?);
    }
    rows.sort_by_key(|row| *row.version != *stored);
    Ok(rows)
}

fn row(
    definition: &Value,
    version: &Value,
    versions: &Arc<Versions>,
    scales: &Arc<BTreeMap<String, Option<ScalePaths>>>,
) -> Result<Resource, RowsError> {
    let (spec, names) = (&definition["spec"], &definition["status"]["acceptedNames"]);
    let (group, name, kind) = (text(spec, "group"), text(version, "name"), text(names, "kind"));
    let empty = Value::Object(serde_json::Map::new());
    let open_api = version["schema"].get("openAPIV3Schema").unwrap_or(&empty);
    let node = Node::compile(open_api).map_err(|source| RowsError::Compile { version: name.to_owned(), source })?;
    let subresources = &version["subresources"];
    let has_status = subresources.get("status").is_some();
    let scale = subresources.get("scale").map(ScalePaths::of);
    let mut parts = Vec::new();
    parts.extend(has_status.then_some(Subresource::Status));
    parts.extend(scale.is_some().then_some(Subresource::Scale));
    let selectable = list(version, "selectableFields").map(|field| text(field, "jsonPath").to_owned());
    let strategy = strategy::CustomStrategy::new(node, has_status, scale.clone(), selectable.collect());
    let scope = if text(spec, "scope") == "Cluster" { Scope::Cluster } else { Scope::Namespaced };
    let plural: Arc<str> = text(names, "plural").into();
    let conversion = conversion::ByName { versions: versions.clone(), served: name.into() };
    // `rows` has made one for every version.
    let schema = versions.shapes.get(name).cloned().unwrap_or_else(|| Arc::new(Schema::go(api::schema::Kind::Json)));
    Ok(Resource {
        group: group.into(),
        version: name.into(),
        kind: kind.into(),
        plural: plural.clone(),
        singular: text(names, "singular").into(),
        short_names: words(names, "shortNames"),
        categories: words(names, "categories"),
        scope,
        verbs: VERBS.to_vec(),
        subresources: parts,
        definition: definition_name(group, name, kind).into(),
        has_generation: true,
        create_on_update: false,
        unconditional_update: false,
        storage: Storage::Shared {
            group: group.into(),
            version: versions.stored.as_ref().into(),
            plural,
            conversion: Arc::new(conversion),
        },
        strategy: Arc::new(strategy),
        printer: Arc::new(columns::CustomPrinter::new(list(version, "additionalPrinterColumns"))),
        custom: Some(Arc::new(Custom {
            definition: text(&definition["metadata"], "name").into(),
            schema,
            open_api: open_api.clone(),
            list_kind: text(names, "listKind").into(),
            deprecation_warning: version::deprecation_warning(spec, version),
            scale,
            scales: scales.clone(),
            webhook: ConversionWebhook::of(spec, versions),
            terminating: definition["metadata"].get("deletionTimestamp").is_some(),
        })),
    })
}

/// `com.example.v1.Widget`: the name of the type in OpenAPI documents.
fn definition_name(group: &str, version: &str, kind: &str) -> String {
    let reversed: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}
