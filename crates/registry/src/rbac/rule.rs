//! The notation of a rule: groups, resources, verbs and perhaps names, each a list with commas.
//!
//! `core,events.k8s.io events create,patch,update`; without resources, paths and verbs: `/healthz,/version get`. The
//! verbs `read` and `write` stand for upstream's usual lists.

use serde_json::{Value, json};

/// Reads one rule. The notation is checked by a test over all rules.
pub(super) fn parse(text: &str) -> Value {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let first = word();
    if first.starts_with('/') || first == "*" {
        let paths: Vec<&str> = first.split(',').collect();
        return json!({"nonResourceURLs": paths, "verbs": verbs(word())});
    }
    let groups: Vec<&str> = first.split(',').map(|group| if group == "core" { "" } else { group }).collect();
    // `any` is `*`, which alone would be a path.
    let groups: Vec<&str> = groups.into_iter().map(|group| if group == "any" { "*" } else { group }).collect();
    let resources: Vec<&str> = word().split(',').collect();
    let mut rule = json!({"apiGroups": groups, "resources": resources, "verbs": verbs(word())});
    let names = word();
    if !names.is_empty() {
        rule["resourceNames"] = names.split(',').collect();
    }
    rule
}

fn verbs(list: &str) -> Vec<&str> {
    list.split(',')
        .flat_map(|verb| match verb {
            "read" => vec!["get", "list", "watch"],
            "write" => vec!["create", "delete", "deletecollection", "patch", "update"],
            "own" => vec!["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            verb => vec![verb],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::json;

    #[test]
    fn notation() {
        let rule = json!({"apiGroups": ["", "apps"], "resources": ["pods"], "verbs": ["get", "list", "watch"]});
        assert_eq!(parse("core,apps pods read"), rule);
        assert_eq!(
            parse("/healthz,/version get"),
            json!({"nonResourceURLs": ["/healthz", "/version"], "verbs": ["get"]})
        );
        assert_eq!(parse("* *"), json!({"nonResourceURLs": ["*"], "verbs": ["*"]}));
        assert_eq!(parse("any * *"), json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}));
        assert_eq!(
            parse("core configmaps get a,b"),
            json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["a", "b"]})
        );
    }
}
