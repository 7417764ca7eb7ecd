//! Volumes that no longer do anything, and files that hide each other.

use super::warn_of_fraction;
use crate::At;
use std::collections::BTreeSet;

/// A volume source that no longer does anything: the field, its name in the warning, and the warning.
type Old = (&'static str, &'static str, &'static str);

const OLD_VOLUMES: [Old; 7] = [
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
];
/// Those that upstream looks at after the claims of ephemeral volumes.
const MORE_OLD_VOLUMES: [Old; 2] = [
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

pub(super) fn warn(spec: &At, warnings: &mut Vec<String>) {
    let volumes = spec.at("volumes");
    for volume in volumes.items() {
        // A volume has one source, and hardly ever one of these.
        let is_old = |key: &str| OLD_VOLUMES.iter().chain(&MORE_OLD_VOLUMES).any(|(field, ..)| *field == key);
        let has_old = volume.map().is_some_and(|volume| volume.keys().any(|key| is_old(key)));
        if has_old {
            OLD_VOLUMES.iter().for_each(|old| warn_of_source(&volume, old, warnings));
        }
        let ephemeral = volume.at("ephemeral");
        let template = ephemeral.at("volumeClaimTemplate");
        warn_of_claim(&template.at("spec"), warnings);
        if has_old {
            MORE_OLD_VOLUMES.iter().for_each(|old| warn_of_source(&volume, old, warnings));
        }
    }
    volumes.items().for_each(|volume| warn_of_overlaps(&volume, warnings));
}

fn warn_of_source(volume: &At, (field, shown, why): &Old, warnings: &mut Vec<String>) {
    if volume.at(field).exists() {
        warnings.push(format!("{}: {why}", volume.at_as(field, shown).path()));
    }
}

/// `GetWarningsForPersistentVolumeClaimSpec`
pub(crate) fn warn_of_claim(spec: &At, warnings: &mut Vec<String>) {
    let resources = spec.at("resources");
    for list in ["requests", "limits"] {
        warn_of_fraction(&resources.at(list).key("storage"), warnings);
    }
}

/// Where paths stand, as the warning has it: what upstream calls the source, and the name of what it refers to.
#[derive(Clone, Copy)]
struct Place<'v> {
    volume: &'v str,
    kind: &'static str,
    name: Option<&'v str>,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { volume, kind, .. } = self;
        match self.name {
            Some(name) => write!(f, "volume {volume:?} ({kind} {name:?}): overlapping paths"),
            None => write!(f, "volume {volume:?} ({kind}): overlapping paths"),
        }
    }
}

/// `warningsForOverlappingVirtualPaths`: files of one volume in each other's place.
fn warn_of_overlaps(volume: &At, warnings: &mut Vec<String>) {
    let name = volume.at("name").str();
    for (field, kind, reference) in [("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")] {
        let source = volume.at(field);
        let place = Place { volume: name, kind, name: Some(source.at(reference).str()) };
        warn_of_paths(&paths_of(&source), place, warnings);
    }
    let place = Place { volume: name, kind: "DownwardAPI", name: None };
    warn_of_paths(&paths_of(&volume.at("downwardAPI")), place, warnings);
    let mut all: BTreeSet<&str> = BTreeSet::new();
    // Upstream keeps these from one source to the next when a source lists no paths.
    let mut last: Option<(Vec<&str>, Place<'_>)> = None;
    for source in volume.at("projected").at("sources").items() {
        if source.is_empty() {
            warnings.push(format!("volume {name:?} (Projected) has no sources provided"));
            continue;
        }
        if let Some((paths, kind, reference)) = projected(&source) {
            last = Some((paths, Place { volume: name, kind, name: reference }));
        }
        let Some((paths, place)) = last.as_ref().filter(|(paths, _)| !paths.is_empty()) else { continue };
        warn_of_paths(paths, *place, warnings);
        let own: BTreeSet<&str> = paths.iter().copied().collect();
        let mut both: Vec<&str> = own.iter().chain(&all).copied().collect();
        both.sort_unstable();
        warn_of_paths(&both, *place, warnings);
        all.extend(own);
    }
}

fn paths_of<'v>(source: &At<'_, 'v>) -> Vec<&'v str> {
    source.at("items").items().map(|item| item.at("path").str()).collect()
}

/// The paths of a projected source, what upstream calls it, and the name of what it refers to.
fn projected<'v>(source: &At<'_, 'v>) -> Option<(Vec<&'v str>, &'static str, Option<&'v str>)> {
    let listed = |field: &str| source.at(field).at("items").exists();
    let name = |field: &str| Some(source.at(field).at("name").str());
    if listed("configMap") {
        return Some((paths_of(&source.at("configMap")), "Projected ConfigMap", name("configMap")));
    }
    if listed("secret") {
        return Some((paths_of(&source.at("secret")), "Projected Secret", name("secret")));
    }
    if listed("downwardAPI") {
        return Some((paths_of(&source.at("downwardAPI")), "Projected DownwardAPI", None));
    }
    let path = |field: &str| vec![source.at(field).at("path").str()];
    if source.at("serviceAccountToken").exists() {
        return Some((path("serviceAccountToken"), "Projected ServiceAccountToken", None));
    }
    let bundle = source.at("clusterTrustBundle");
    if bundle.exists() {
        let by = if bundle.at("name").exists() { "name" } else { "signerName" };
        return Some((path("clusterTrustBundle"), "Projected ClusterTrustBundle", Some(bundle.at(by).str())));
    }
    None
}

/// `checkVolumeMappingForOverlap`: a path that is another one, or lies within it.
fn warn_of_paths(paths: &[&str], place: Place<'_>, warnings: &mut Vec<String>) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for path in paths {
        let path = path.trim_end_matches('/');
        let collides = |item: &&&str| {
            !item.is_empty() && !path.is_empty() && (**item == path || is_within(item, path) || is_within(path, item))
        };
        if let Some(item) = seen.iter().find(collides) {
            warnings.push(format!("{place}: {path:?} with {item:?}"));
        }
        seen.insert(path);
    }
}

/// Whether a file of the path would lie in a directory of the other.
fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}
