//! Go structs of the internal form as messages quote them.

use super::internal::Part;
use crate::At;
use crate::at::go_struct;
use serde_json::Value;

/// `spec.versions`, without what all versions have in common.
pub(super) fn versions(spec: &At<'_, '_>) -> String {
    let parts = [Part::Schema, Part::Subresources, Part::Columns, Part::SelectableFields];
    let common = parts.map(|part| part.is_common(spec));
    let list = spec.at("versions");
    let printed: Vec<String> = list
        .items()
        .map(|version| {
            let value = |field: &str| version.at(field).value().cloned().unwrap_or_default();
            let flag = |field: &str| Value::from(version.at(field).bool());
            let part = |at: usize| if common[at] { Value::Null } else { value(parts[at].field()) };
            go_struct(&[
                ("Name", version.at("name").str().into()),
                ("Served", flag("served")),
                ("Storage", flag("storage")),
                ("Deprecated", flag("deprecated")),
                ("DeprecationWarning", value("deprecationWarning")),
                ("Schema", part(0)),
                ("Subresources", part(1)),
                ("AdditionalPrinterColumns", part(2)),
                ("SelectableFields", part(3)),
            ])
        })
        .collect();
    format!("[{}]", printed.join(","))
}

/// One entry of `x-kubernetes-validations`, as JSON that keeps HTML safe.
pub(super) fn rule(rule: &Value) -> String {
    let text = |field: &str| rule.get(field).and_then(Value::as_str).unwrap_or_default().into();
    let value = |field: &str| rule.get(field).cloned().unwrap_or_default();
    go_struct(&[
        ("Rule", text("rule")),
        ("Message", text("message")),
        ("MessageExpression", text("messageExpression")),
        ("Reason", value("reason")),
        ("FieldPath", text("fieldPath")),
        ("OptionalOldSelf", value("optionalOldSelf")),
    ])
    .replace('&', "\\u0026")
    .replace('<', "\\u003c")
    .replace('>', "\\u003e")
}
