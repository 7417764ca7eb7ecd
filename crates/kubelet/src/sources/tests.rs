//! Cases of manifests and directories.

use super::decode::decode_manifest;
use super::*;
use expect_test::expect;

fn decode(text: &str) -> Result<Vec<Pod>, String> {
    decode_manifest(text.as_bytes(), Source::File, "node1", jiff::Timestamp::UNIX_EPOCH).map_err(|e| e.to_string())
}

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: pod01}\nspec:\n  containers: [{name: c, image: nginx}]\n";

#[test]
fn a_manifest_becomes_a_pod_of_the_node() {
    let pods = decode(POD).unwrap();
    let pod = &pods[0];
    let metadata = &pod.metadata;
    assert_eq!(metadata.name.as_deref(), Some("pod01-node1"));
    assert_eq!(metadata.namespace.as_deref(), Some("default"));
    let annotations = metadata.annotations.clone().unwrap();
    assert_eq!(annotations["kubernetes.io/config.hash"].len(), 32);
    assert_eq!(metadata.uid.as_ref(), annotations.get("kubernetes.io/config.hash"));
    assert_eq!(annotations["kubernetes.io/config.source"], "file");
    let spec = pod.spec.clone().unwrap();
    assert_eq!(spec.node_name.as_deref(), Some("node1"));
    assert_eq!(spec.restart_policy.as_deref(), Some("Always"));
    assert_eq!(spec.containers[0].image_pull_policy.as_deref(), Some("Always"));
    let toleration = &spec.tolerations.unwrap()[0];
    assert_eq!((toleration.operator.as_deref(), toleration.effect.as_deref()), (Some("Exists"), Some("NoExecute")));
}

#[test]
fn identity_is_what_the_manifest_says() {
    let uid = |text: &str| decode(text).unwrap()[0].metadata.uid.clone();
    assert_eq!(uid(POD), uid(&format!("# a comment\n{POD}")));
    assert_ne!(uid(POD), uid(&POD.replace("nginx", "centos")));
}

#[test]
fn what_is_no_static_pod() {
    for (text, want) in [
        ("not: [valid", expect!["couldn't parse as pod("]),
        ("apiVersion: v1\nkind: ConfigMap\n", expect!["couldn't parse as pod("]),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: []}\n", expect!["invalid pod: "]),
    ] {
        let error = decode(text).unwrap_err();
        let start = error.find(['(', ':']).map_or(error.len(), |at| at + 1);
        let start = if error.starts_with("invalid") { start + 1 } else { start };
        want.assert_eq(&error[..start]);
    }
    let with_config_map =
        POD.replace("image: nginx", "image: nginx, env: [{name: V, valueFrom: {configMapKeyRef: {name: a, key: b}}}]");
    assert_eq!(decode(&with_config_map).unwrap_err(), "static pods may not reference configmaps");
}

#[test]
fn a_directory_of_good_and_bad() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("b.yaml", POD);
    write("a.txt", &POD.replace("pod01", "pod00"));
    write("c.yaml", &POD.replace("nginx", "centos"));
    write(".hidden", &POD.replace("pod01", "pod02"));
    write("junk", "not: [valid");
    std::fs::create_dir(directory.path().join("sub")).unwrap();
    let update = file::read(directory.path(), "n", jiff::Timestamp::UNIX_EPOCH).unwrap();
    let names: Vec<_> = update.pods.iter().map(|p| p.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["pod00-n", "pod01-n"]);
    assert_eq!(update.pods[1].spec.as_ref().unwrap().containers[0].image.as_deref(), Some("nginx"), "the first counts");
    assert_eq!(update.problems.len(), 2);
    let single = file::read(&directory.path().join("b.yaml"), "n", jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(single.pods.len(), 1);
    let gone = file::read(&directory.path().join("gone"), "n", jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert!(gone.pods.is_empty() && gone.problems.is_empty());
}
