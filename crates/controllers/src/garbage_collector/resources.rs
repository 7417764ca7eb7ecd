//! Which resources the server has, by discovery: for acting on all of them.

use client::{ApiResource, Client, Error};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use std::collections::HashSet;

/// A resource with what can be done to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Discovered {
    /// Group, version, kind, plural.
    pub api: ApiResource,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// `get`, `list`, …
    pub verbs: Vec<String>,
}

impl Discovered {
    /// Whether all `verbs` are allowed.
    pub fn can(&self, verbs: &[&str]) -> bool {
        verbs.iter().all(|verb| self.verbs.iter().any(|own| own == verb))
    }
}

/// All resources in their preferred versions, without subresources, and the group-versions that whoever serves them does
/// not tell of now (`GetDeletableResources`): what is known of those still holds, and an owner of a kind that is not
/// known is not taken for gone.
///
/// # Errors
/// When the server does not answer discovery.
pub async fn discover(client: &Client) -> Result<(Vec<Discovered>, HashSet<String>), Error> {
    let kube = client.kube();
    let (mut found, mut failed) = (Vec::new(), HashSet::new());
    let core = kube.list_core_api_resources("v1").await?;
    collect(&mut found, "", "v1", core.resources);
    for group in kube.list_api_groups().await?.groups {
        let preferred = group.preferred_version.iter().chain(&group.versions);
        let mut seen = HashSet::new();
        let mut known: HashSet<String> = HashSet::new();
        for version in preferred.filter(|version| seen.insert(version.version.clone())) {
            let list = match kube.list_api_group_resources(&version.group_version).await {
                Ok(list) => list,
                Err(error) => {
                    tracing::debug!(%error, version = version.group_version, "a group-version cannot be discovered");
                    failed.insert(version.group_version.clone());
                    continue;
                }
            };
            // A resource that the preferred version has is not taken again from another.
            let new: Vec<APIResource> = list.resources.into_iter().filter(|r| !known.contains(&r.name)).collect();
            known.extend(new.iter().map(|resource| resource.name.clone()));
            collect(&mut found, &group.name, &version.version, new);
        }
    }
    Ok((found, failed))
}

fn collect(found: &mut Vec<Discovered>, group: &str, version: &str, resources: Vec<APIResource>) {
    for resource in resources.into_iter().filter(|resource| !resource.name.contains('/')) {
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let (group, version) = (group.to_owned(), version.to_owned());
        let api = ApiResource { group, version, api_version, kind: resource.kind, plural: resource.name };
        found.push(Discovered { api, namespaced: resource.namespaced, verbs: resource.verbs });
    }
}
