//! Owners that an object names twice are named once, and the writer is told
//! (`k8s.io/apiserver/pkg/endpoints/handlers/rest.go`).

use api::meta::{ObjectMeta, metadata_mut};
use serde_json::Value;

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
    let is_again = |at: &usize| owners[..*at].contains(&owners[*at]);
    let again: Vec<usize> = (1..owners.len()).filter(is_again).collect();
    if again.is_empty() {
        return None;
    }
    let uids: Vec<&str> = again.iter().map(|at| owners[*at]["uid"].as_str().unwrap_or_default()).collect();
    let when = if moment == Moment::Admitted { " after mutating admission happens" } else { "" };
    let warning = format!(
        ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may \
         reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        uids.join(", ")
    );
    let kept = owners.iter().enumerate().filter(|(at, _)| !again.contains(at)).map(|(_, owner)| owner.clone());
    let kept: Vec<Value> = kept.collect();
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
