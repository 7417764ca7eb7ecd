//! Paths to fields of a schema, as `fieldPath` of rules and `selectableFields` have them: `.spec.a`, `['a.b']`, `.map['k']`.

use serde_json::Value;

/// The words for a path that leads nowhere.
const NO_FIELD: &str = "does not refer to a valid field";

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The name of a field, or the key of a map.
    pub(crate) name: String,
}

/// Splits a path into its steps.
pub(crate) fn parse(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return Err("unexpected end of path".to_owned());
            }
            steps.push(Step { name: after[..end].to_owned() });
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix("['") {
            let end = after.find("']").ok_or("unterminated [' in path")?;
            steps.push(Step { name: after[..end].replace("\\'", "'").replace("\\\\", "\\") });
            rest = &after[end + 2..];
        } else {
            return Err(format!("expected [ or . but got: {}", rest.chars().next().unwrap_or_default()));
        }
    }
    if steps.is_empty() { Err("unexpected end of path".to_owned()) } else { Ok(steps) }
}

/// The schema of the field that a path names.
pub(super) fn resolve<'v>(path: &str, schema: Option<&'v Value>, brackets: bool) -> Result<&'v Value, String> {
    if !brackets && path.contains('[') {
        return Err("must not use array notation".to_owned());
    }
    let mut place = schema.ok_or(NO_FIELD)?;
    for step in parse(path)? {
        let next = place["properties"].get(&step.name);
        let next = next.or_else(|| place.get("additionalProperties").filter(|values| values.is_object()));
        place = next.ok_or(NO_FIELD)?;
    }
    Ok(place)
}
