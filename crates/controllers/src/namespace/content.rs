//! Finding and deleting everything in a namespace, whatever kinds there are: discovery says.

use super::conditions::{Findings, Remaining};
use client::{Client, Error};
use serde_json::Value;
use std::collections::BTreeMap;

/// A kind of objects that live in namespaces.
#[derive(Debug)]
struct Kind {
    /// `/api/v1` or `/apis/apps/v1`
    prefix: String,
    group: String,
    plural: String,
    can_delete_collection: bool,
    can_list: bool,
}

/// Asks for the deletion of all content, and reports what is still there.
pub async fn delete_all(client: &Client, namespace: &str) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    let kinds = match kinds(client).await {
        Ok((kinds, failed)) => {
            findings.discovery_failure = failure(&failed);
            kinds
        }
        Err(error) => {
            findings.discovery_failure = Some(error.to_string());
            return Ok(findings);
        }
    };
    for kind in kinds {
        match delete_kind(client, namespace, &kind).await {
            Ok(Some(remaining)) => findings.remaining.push(remaining),
            Ok(None) => {}
            // the kind went away between discovery and now (a custom resource)
            Err(error) if error.is_not_found() => {}
            Err(error) => findings.deletion_failures.push(error.to_string()),
        }
    }
    Ok(findings)
}

/// What discovery says of group-versions that others serve and that cannot be reached: the rest is deleted all the same.
fn failure(failed: &[String]) -> Option<String> {
    let stale = failed.iter().map(|version| format!("{version}: stale GroupVersion discovery: {version}"));
    let stale = stale.collect::<Vec<_>>().join(", ");
    let count = failed.len();
    (count > 0).then(|| {
        let error = format!("unable to retrieve the complete list of server APIs: {stale}");
        format!("Discovery failed for some groups, {count} failing: {error}")
    })
}

/// All kinds that can be found, and the group-versions that cannot.
async fn kinds(client: &Client) -> Result<(Vec<Kind>, Vec<String>), Error> {
    let (mut kinds, mut failed) = (Vec::new(), Vec::new());
    let core = get(client, "/api/v1").await?;
    kinds.extend(kinds_of("/api/v1", "", &core));
    let groups = get(client, "/apis").await?;
    for group in groups["groups"].as_array().into_iter().flatten() {
        // the other versions of a group show the same objects
        let Some(version) = group["preferredVersion"]["groupVersion"].as_str() else { continue };
        let prefix = format!("/apis/{version}");
        let Ok(list) = get(client, &prefix).await else {
            failed.push(version.to_owned());
            continue;
        };
        kinds.extend(kinds_of(&prefix, group["name"].as_str().unwrap_or_default(), &list));
    }
    failed.sort();
    Ok((kinds, failed))
}

fn kinds_of(prefix: &str, group: &str, list: &Value) -> Vec<Kind> {
    let resources = list["resources"].as_array().into_iter().flatten();
    let kinds = resources.filter_map(|resource| {
        let plural = resource["name"].as_str()?;
        let verbs: Vec<&str> = resource["verbs"].as_array()?.iter().filter_map(Value::as_str).collect();
        let wanted = resource["namespaced"].as_bool()? && !plural.contains('/') && verbs.contains(&"delete");
        wanted.then(|| Kind {
            prefix: prefix.to_owned(),
            group: group.to_owned(),
            plural: plural.to_owned(),
            can_delete_collection: verbs.contains(&"deletecollection"),
            can_list: verbs.contains(&"list"),
        })
    });
    kinds.collect()
}

async fn delete_kind(client: &Client, namespace: &str, kind: &Kind) -> Result<Option<Remaining>, Error> {
    if !kind.can_list {
        return Ok(None);
    }
    let path = format!("{}/namespaces/{namespace}/{}", kind.prefix, kind.plural);
    let before = get(client, &path).await?;
    if items(&before).is_empty() {
        return Ok(None);
    }
    if kind.can_delete_collection {
        delete(client, &path).await?;
    } else {
        for item in items(&before) {
            let name = item["metadata"]["name"].as_str().unwrap_or_default();
            match delete(client, &format!("{path}/{name}")).await {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
    }
    let after = get(client, &path).await?;
    let left = items(&after);
    if left.is_empty() {
        return Ok(None);
    }
    let mut finalizers: BTreeMap<String, usize> = BTreeMap::new();
    for item in left {
        let of_item = item["metadata"]["finalizers"].as_array().into_iter().flatten();
        of_item.filter_map(Value::as_str).for_each(|name| *finalizers.entry(name.to_owned()).or_default() += 1);
    }
    let resource =
        if kind.group.is_empty() { format!("{}.", kind.plural) } else { format!("{}.{}", kind.plural, kind.group) };
    Ok(Some(Remaining { resource, count: left.len(), finalizers }))
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

async fn get(client: &Client, path: &str) -> Result<Value, Error> {
    let request = http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    Ok(client.kube().request(request).await?)
}

async fn delete(client: &Client, path: &str) -> Result<Value, Error> {
    let body = br#"{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"}"#.to_vec();
    let request = http::Request::delete(path).header("content-type", "application/json").body(body);
    Ok(client.kube().request(request.map_err(kube::Error::HttpError)?).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_discovered_is_named() {
        assert_eq!(failure(&[]), None);
        let failed = ["a.b/v1".to_owned(), "c.d/v2".to_owned()];
        let message = "Discovery failed for some groups, 2 failing: unable to retrieve the complete list of server APIs: \
            a.b/v1: stale GroupVersion discovery: a.b/v1, c.d/v2: stale GroupVersion discovery: c.d/v2";
        assert_eq!(failure(&failed).as_deref(), Some(message));
    }
}
