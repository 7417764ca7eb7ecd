//! Owners that an object names twice are named once, and the writer is told
//! (`k8s.io/apiserver/pkg/endpoints/handlers/rest.go`).

use api::meta::{ObjectMeta, metadata_mut};
use serde_json::Value;
use std::collections::HashSet;

/// When it is looked at: what a client has sent, or what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// As it was sent; of a patch nobody looks at that.
    Sent,
    /// After mutating admission.
    Admitted,
}

/// Takes equal entries out; the warning, if there were any. Entries that only have the same uid all stay.
pub fn dedup(object: &mut Value, moment: Moment) -> Option<String> {
    let owners = object.metadata().get("ownerReferences")?.as_array()?;
    if owners.len() < 2 {
        return None;
    }
    let mut seen = HashSet::with_capacity(owners.len());
    let (kept, again): (Vec<&Value>, Vec<&Value>) = owners.iter().partition(|owner| seen.insert(*owner));
    if again.is_empty() {
        return None;
    }
    let uids: Vec<&str> = again.iter().map(|owner| owner["uid"].as_str().unwrap_or_default()).collect();
    let when = if moment == Moment::Admitted { " after mutating admission happens" } else { "" };
    let warning = format!(
        ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may \
         reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        uids.join(", ")
    );
    let kept: Vec<Value> = kept.into_iter().cloned().collect();
    metadata_mut(object).insert("ownerReferences".to_owned(), kept.into());
    Some(warning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_owners_are_one() {
        let owner = |name: &str, uid: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid});
        let (a, b, other) = (owner("a", "1"), owner("b", "2"), owner("other", "1"));
        let mut object = json!({"metadata": {"ownerReferences": [a, b, a, other, b]}});
        let warning = dedup(&mut object, Moment::Sent).unwrap();
        assert_eq!(object["metadata"]["ownerReferences"], json!([a, b, other]));
        assert!(warning.starts_with(".metadata.ownerReferences contains duplicate entries; "), "{warning}");
        assert!(warning.ends_with("duplicate UID(s) observed: 1, 2"), "{warning}");
        assert_eq!(dedup(&mut object, Moment::Admitted), None);
    }
}
