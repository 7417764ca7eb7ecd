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
        OLD_VOLUMES.iter().for_each(|old| warn_of_source(&volume, old, warnings));
        let ephemeral = volume.at("ephemeral");
        let template = ephemeral.at("volumeClaimTemplate");
        warn_of_claim(&template.at("spec"), warnings);
        MORE_OLD_VOLUMES.iter().for_each(|old| warn_of_source(&volume, old, warnings));
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

/// `warningsForOverlappingVirtualPaths`: files of one volume in each other's place.
fn warn_of_overlaps(volume: &At, warnings: &mut Vec<String>) {
    let name = volume.at("name").str();
    for (field, kind, reference) in [("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")] {
        let source = volume.at(field);
        let what = format!("volume {name:?} ({kind} {:?}): overlapping paths", source.at(reference).str());
        warn_of_paths(&paths_of(&source), &what, warnings);
    }
    let what = format!("volume {name:?} (DownwardAPI): overlapping paths");
    warn_of_paths(&paths_of(&volume.at("downwardAPI")), &what, warnings);
    let mut all: BTreeSet<String> = BTreeSet::new();
    // Upstream keeps these from one source to the next when a source lists no paths.
    let (mut paths, mut what) = (Vec::new(), String::new());
    for source in volume.at("projected").at("sources").items() {
        if source.is_empty() {
            warnings.push(format!("volume {name:?} (Projected) has no sources provided"));
            continue;
        }
        if let Some((own, kind)) = projected(&source) {
            paths = own;
            what = format!("volume {name:?} (Projected {kind}): overlapping paths");
        }
        if paths.is_empty() {
            continue;
        }
        warn_of_paths(&paths, &what, warnings);
        let own: BTreeSet<String> = paths.iter().cloned().collect();
        let mut both: Vec<String> = own.iter().chain(&all).cloned().collect();
        both.sort();
        warn_of_paths(&both, &what, warnings);
        all.extend(own);
    }
}

fn paths_of(source: &At) -> Vec<String> {
    source.at("items").items().map(|item| item.at("path").str().to_owned()).collect()
}

/// The paths of a projected source and what upstream calls it.
fn projected(source: &At) -> Option<(Vec<String>, String)> {
    let listed = |field: &str| source.at(field).at("items").exists();
    let name = |field: &str| source.at(field).at("name").str().to_owned();
    if listed("configMap") {
        return Some((paths_of(&source.at("configMap")), format!("ConfigMap {:?}", name("configMap"))));
    }
    if listed("secret") {
        return Some((paths_of(&source.at("secret")), format!("Secret {:?}", name("secret"))));
    }
    if listed("downwardAPI") {
        return Some((paths_of(&source.at("downwardAPI")), "DownwardAPI".to_owned()));
    }
    let path = |field: &str| vec![source.at(field).at("path").str().to_owned()];
    if source.at("serviceAccountToken").exists() {
        return Some((path("serviceAccountToken"), "ServiceAccountToken".to_owned()));
    }
    let bundle = source.at("clusterTrustBundle");
    if bundle.exists() {
        let by = if bundle.at("name").exists() { "name" } else { "signerName" };
        return Some((path("clusterTrustBundle"), format!("ClusterTrustBundle {:?}", bundle.at(by).str())));
    }
    None
}

/// `checkVolumeMappingForOverlap`: a path that is another one, or lies within it.
fn warn_of_paths(paths: &[String], what: &str, warnings: &mut Vec<String>) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for path in paths {
        let path = path.trim_end_matches('/');
        let collides = |item: &&&str| {
            !item.is_empty() && !path.is_empty() && (**item == path || is_within(item, path) || is_within(path, item))
        };
        if let Some(item) = seen.iter().find(collides) {
            warnings.push(format!("{what}: {path:?} with {item:?}"));
        }
        seen.insert(path);
    }
}

/// Whether a file of the path would lie in a directory of the other.
fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}
