//! `additionalPrinterColumns`: a JSONPath for each cell (`k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor`).

use super::json_path::JsonPath;
use super::text;
use crate::columns::{Column, Printer, Row, since};
use jiff::Timestamp;
use serde_json::Value;

/// The printer of one version.
#[derive(Debug)]
pub(super) struct CustomPrinter {
    columns: Vec<Column>,
    /// One for each column after the name.
    paths: Vec<JsonPath>,
}

impl CustomPrinter {
    /// From the entries of `additionalPrinterColumns`; without any there is an age. Definitions may have paths that do
    /// not parse: the first of them is where the columns end.
    pub(super) fn new<'v>(entries: impl Iterator<Item = &'v Value>) -> Self {
        let column = |name: &str, kind: &str, format: &str, description: String, priority: i32| Column {
            name: name.into(),
            kind: kind.into(),
            format: format.into(),
            description,
            priority,
        };
        let mut columns = vec![column("Name", "string", "name", String::new(), 0)];
        let mut paths = Vec::new();
        let mut entries = entries.peekable();
        if entries.peek().is_none() {
            columns.push(column("Age", "date", "", String::new(), 0));
            paths.extend(JsonPath::parse(".metadata.creationTimestamp"));
        }
        for entry in entries {
            let path = text(entry, "jsonPath");
            let Ok(parsed) = JsonPath::parse(path) else { break };
            let description = match text(entry, "description") {
                "" => format!("Custom resource definition column (in JSONPath format): {path}"),
                own => own.to_owned(),
            };
            let priority = entry.get("priority").and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
            let (name, kind, format) = (text(entry, "name"), text(entry, "type"), text(entry, "format"));
            columns.push(column(name, kind, format, description, priority.unwrap_or(0)));
            paths.push(parsed);
        }
        Self { columns, paths }
    }
}

impl Printer for CustomPrinter {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn row(&self, object: &Value, now: Timestamp) -> Row {
        let mut cells = vec![Value::from(text(&object["metadata"], "name"))];
        for (column, path) in self.columns.iter().skip(1).zip(&self.paths) {
            let found = path.find(object).into_iter().next().cloned();
            cells.push(found.map_or(Value::Null, |value| cell(&column.kind, &value, now)));
        }
        cells.into()
    }
}

fn cell(kind: &str, value: &Value, now: Timestamp) -> Value {
    match (kind, value) {
        ("string", Value::Null) => Value::Null,
        ("string", value) => JsonPath::print(value).into(),
        ("integer", Value::Number(number)) => match number.as_i64() {
            Some(n) => n.into(),
            #[expect(clippy::cast_possible_truncation, reason = "as upstream converts")]
            None => number.as_f64().map_or(Value::Null, |n| (n as i64).into()),
        },
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(_) => since(text, now).into(),
            Err(_) => "<invalid>".into(),
        },
        _ => Value::Null,
    }
}
