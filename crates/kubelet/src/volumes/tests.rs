//! Cases of files in volumes.

use super::*;
use crate::env::References;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

fn context_of<'a>(pod: &'a Pod, paths: &'a Paths, objects: &'a VolumeObjects, none: &'a Amounts) -> VolumeContext<'a> {
    VolumeContext {
        pod,
        paths,
        objects,
        addresses: Addresses::default(),
        allocatable: none,
        node_memory_bytes: 1 << 30,
        now: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn objects(data: serde_json::Value) -> VolumeObjects {
    let config_map = serde_json::from_value(json!({"data": data})).unwrap();
    let config_maps = BTreeMap::from([("m".to_owned(), Some(Arc::new(config_map)))]);
    VolumeObjects { references: References { config_maps, secrets: BTreeMap::new() }, ..VolumeObjects::default() }
}

#[test]
fn a_config_map_is_written_changed_and_unchanged() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths { root: root.path().into(), pod_logs: root.path().into(), container_logs: root.path().into() };
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"uid": "u"},
        "spec": {"containers": [], "volumes": [{"name": "v", "configMap": {"name": "m", "defaultMode": 0o440}}]}}))
    .unwrap();
    let none = Amounts::new();
    let first = objects(json!({"a": "1", "b": "2"}));
    let mounted = set_up(&context_of(&pod, &paths, &first, &none)).unwrap();
    let volume = mounted["v"].path.clone();
    assert_eq!(fs::read_to_string(volume.join("a")).unwrap(), "1");
    assert_eq!(fs::read_link(volume.join("a")).unwrap(), std::path::Path::new("..data/a"));
    assert_eq!(fs::metadata(volume.join("a")).unwrap().permissions().mode() & 0o777, 0o440);
    let before = fs::read_link(volume.join("..data")).unwrap();
    set_up(&context_of(&pod, &paths, &first, &none)).unwrap();
    assert_eq!(fs::read_link(volume.join("..data")).unwrap(), before, "nothing has changed, nothing is written");
    let second = objects(json!({"a": "3"}));
    set_up(&context_of(&pod, &paths, &second, &none)).unwrap();
    assert_ne!(fs::read_link(volume.join("..data")).unwrap(), before);
    assert_eq!(fs::read_to_string(volume.join("a")).unwrap(), "3");
    assert!(!volume.join("b").exists() && !volume.join(before).exists());
    tear_down(&paths, "u").unwrap();
    assert!(!paths.pod("u").exists());
}

#[test]
fn what_is_missing_is_named() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths { root: root.path().into(), pod_logs: root.path().into(), container_logs: root.path().into() };
    let none = Amounts::new();
    for (volume, want) in [
        (
            json!({"secret": {"secretName": "nosecret"}}),
            "MountVolume.SetUp failed for volume \"s\" : secret \"nosecret\" not found",
        ),
        (
            json!({"configMap": {"name": "m", "items": [{"key": "x", "path": "y"}]}}),
            "MountVolume.SetUp failed for volume \"s\" : configmap references non-existent config key: x",
        ),
        (
            json!({"hostPath": {"path": "/nowhere/at/all", "type": "Directory"}}),
            "MountVolume.SetUp failed for volume \"s\" : hostPath type check failed: /nowhere/at/all is not a directory",
        ),
    ] {
        let mut volume = volume;
        volume["name"] = json!("s");
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"uid": "u"}, "spec": {"containers": [], "volumes": [volume]}}))
                .unwrap();
        let errors = set_up(&context_of(&pod, &paths, &objects(json!({})), &none)).unwrap_err();
        assert_eq!(errors[0].to_string(), want);
    }
}

#[test]
fn sub_paths_stay_in_their_volume() {
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc", root.path().join("out")).unwrap();
    let volumes =
        MountedVolumes::from([("v".to_owned(), MountedVolume { path: root.path().into(), read_only: false })]);
    let container =
        |mount: serde_json::Value| serde_json::from_value(json!({"name": "c", "volumeMounts": [mount]})).unwrap();
    let env = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
    let mounts = container_mounts(
        &container(json!({"name": "v", "mountPath": "/m", "subPathExpr": "$(A)/y", "readOnly": true})),
        &volumes,
        &BTreeMap::new(),
        &env,
    )
    .unwrap();
    assert!(mounts[0].readonly && mounts[0].host_path.ends_with("x/y") && mounts[0].host_path.is_dir());
    for (expression, words) in [("$(B)/$(A)/$(C)", "missing value for B, C"), ("$(EMPTY)", "missing value for EMPTY")] {
        let env = BTreeMap::from([("A".to_owned(), "x".to_owned()), ("EMPTY".to_owned(), String::new())]);
        let mount = json!({"name": "v", "mountPath": "/m", "subPathExpr": expression});
        assert_eq!(
            container_mounts(&container(mount), &volumes, &BTreeMap::new(), &env).unwrap_err().to_string(),
            words
        );
    }
    for bad in ["out", "../x", "/x"] {
        let refused = container_mounts(
            &container(json!({"name": "v", "mountPath": "/m", "subPath": bad})),
            &volumes,
            &BTreeMap::new(),
            &env,
        );
        assert!(refused.is_err(), "{bad}");
    }
}
