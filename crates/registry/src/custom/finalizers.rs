//! What custom resources are warned of where built-in ones are refused: finalizers without a domain.

use api::meta::ObjectMeta;
use serde_json::Value;

/// Finalizers of the server's own.
const STANDARD: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];

/// Of finalizers that are new.
pub(super) fn warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    let known = old.map(ObjectMeta::finalizers).unwrap_or_default();
    let mut added: Vec<&str> = new.finalizers().into_iter().filter(|name| !known.contains(name)).collect();
    added.sort_unstable();
    added.dedup();
    let mut warnings = Vec::new();
    for name in added {
        let place = format!("metadata.finalizers: {}", api::field::go_quote(name));
        warnings.extend(crate::names::qualified_name(name).into_iter().map(|words| format!("{place}: {words}")));
        if name.contains('/') || STANDARD.contains(&name) {
            continue;
        }
        let path = if name.contains('.') { " including a path (/)" } else { "" };
        warnings.push(format!(
            "{place}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"
        ));
    }
    warnings
}
