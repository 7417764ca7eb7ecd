//! Volumes and claims.

use super::*;
use expect_test::expect;

const VOLUME: &str = "v1/persistentvolumes";
const CLAIM: &str = "v1/persistentvolumeclaims";

fn volume(spec: Value) -> Value {
    json!({"spec": with(&json!({"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}), spec)})
}

#[test]
fn sources() {
    let wrong = |source: Value| created(VOLUME, &volume(source));
    assert_eq!(wrong(json!({"csi": {"driver": "d.example.com", "volumeHandle": "h"}})), "ok");
    assert_eq!(wrong(json!({"hostPath": {"path": "/x", "type": "Directory"}})), "ok");
    for (source, want) in [
        (json!({}), expect!["spec: Required value: must specify a volume type"]),
        (
            json!({"hostPath": {"path": "/a/../b", "type": "Folder"}}),
            expect![[r#"
            spec.hostPath.path: Invalid value: "/a/../b": must not contain '..'
            spec.hostPath.type: Unsupported value: "Folder": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket""#]],
        ),
        (
            json!({"hostPath": {"path": "/./"}, "persistentVolumeReclaimPolicy": "Recycle"}),
            expect!["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
        ),
        (
            json!({"hostPath": {"path": "/x"}, "cephfs": {}, "flexVolume": {}}),
            expect![[r#"
            spec.cephFS: Forbidden: may not specify more than 1 volume type
            spec.flexVolume.driver: Required value"#]],
        ),
        (
            json!({"csi": {"driver": "d_", "nodeExpandSecretRef": {"name": "A_"}}}),
            expect![[r#"
            spec.csi.driver: Invalid value: "d_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.csi.volumeHandle: Required value
            spec.csi.nodeExpandSecretRef.name: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.csi.nodeExpandSecretRef.namespace: Required value"#]],
        ),
        (
            json!({"glusterfs": {"endpointsNamespace": ""}}),
            expect![[r#"
            spec.glusterfs.endpoints: Required value
            spec.glusterfs.path: Required value
            spec.glusterfs.endpointsNamespace: Invalid value: "": if the endpointnamespace is set, it must be a valid namespace name"#]],
        ),
        (
            json!({"iscsi": {"targetPortal": "p".repeat(63), "iqn": "iqn.2001-04.com.example:a", "lun": 300,
            "initiatorName": "iqn.2001-04.com.example:b", "secretRef": {}}}),
            expect![[r#"
                spec.iscsi.targetportal: Invalid value: "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp": Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.
                spec.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive
                spec.iscsi.secretRef.name: Required value"#]],
        ),
        (
            json!({"cinder": {"secretRef": {}}}),
            expect![[r#"
            spec.cinder.volumeID: Required value
            spec.cinder.secretRef.name: Required value
            spec.cinder.secretRef.namespace: Required value"#]],
        ),
        (
            json!({"azureFile": {"secretNamespace": ""}}),
            expect![[r#"
            spec.azureFile.secretName: Required value
            spec.azureFile.shareName: Required value
            spec.azureFile.secretNamespace: Required value"#]],
        ),
        (
            json!({"gcePersistentDisk": {"partition": 256}}),
            expect![[r#"
            spec.persistentDisk.pdName: Required value
            spec.persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive"#]],
        ),
        (
            json!({"rbd": {}}),
            expect![[r#"
            spec.rbd.monitors: Required value
            spec.rbd.image: Required value"#]],
        ),
        (
            json!({"local": {"path": "../x"}}),
            expect![[r#"
            spec.local.path: Invalid value: "../x": must not contain '..'
            spec.nodeAffinity: Required value: Local volume requires node affinity"#]],
        ),
        (
            json!({"storageos": {"volumeName": "B_", "secretRef": {}}}),
            expect![[r#"
            spec.storageos.volumeName: Invalid value: "B_": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            spec.storageos.secretRef.name: Required value
            spec.storageos.secretRef.namespace: Required value"#]],
        ),
        (
            json!({"fc": {"targetWWNs": ["w"]}}),
            expect!["spec.fc.lun: Required value: lun is required if targetWWNs is specified"],
        ),
        (
            json!({"nfs": {"server": "s", "path": "x"}, "volumeAttributesClassName": ""}),
            expect![[r#"
            spec.nfs.path: Invalid value: "x": must be an absolute path
            spec.volumeAttributesClassName: Required value: an empty string is disallowed
            spec.csi: Required value: has to be specified when using volumeAttributesClassName"#]],
        ),
        (
            json!({"nfs": {"server": "s", "path": "/x"}, "capacity": {"storage": "-1"}, "nodeAffinity": {}}),
            expect![[r#"
            spec.capacity[storage]: Invalid value: -1: must be a valid resource quantity
            spec.capacity[storage]: Invalid value: "-1": must be greater than zero
            spec.nodeAffinity.required: Required value: must specify required node constraints"#]],
        ),
    ] {
        want.assert_eq(&wrong(source));
    }
}

#[test]
fn changes_of_volumes() {
    let zone = |key: &str| {
        let term = json!({"matchExpressions": [{"key": key, "operator": "In", "values": ["a"]}]});
        json!({"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}})
    };
    let csi = json!({"csi": {"driver": "d", "volumeHandle": "h"}, "volumeAttributesClassName": "gold"});
    let old = volume(with(&csi, zone("failure-domain.beta.kubernetes.io/zone")));
    let change = |spec: Value| updated(VOLUME, &old, &json!({"spec": spec}));
    assert_eq!(change(json!({"csi": {"controllerExpandSecretRef": {"name": "n", "namespace": "ns"}}})), "ok");
    assert_eq!(change(zone("topology.kubernetes.io/zone")), "ok");
    expect![[r#"nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"kubernetes.io/hostname","Operator":"In","Values":["a"]}],"MatchFields":null}]}}: field is immutable, except for updating from beta label to GA"#]].assert_eq(&change(zone("kubernetes.io/hostname")));
    expect![[r#"
        volumeMode: Invalid value: "Block": field is immutable
        spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden"#]]
    .assert_eq(&change(json!({"volumeAttributesClassName": null, "volumeMode": "Block"})));
}

#[test]
fn changes_of_claims() {
    let spec = json!({"accessModes": ["ReadWriteOnce"], "volumeAttributesClassName": "gold", "resources": {"requests": {"storage": "2Gi"}}});
    let old = json!({"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "x"}}, "spec": spec,
        "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}});
    let change = |change: Value| updated(CLAIM, &old, &change);
    assert_eq!(
        change(json!({"spec": {"volumeAttributesClassName": "silver", "resources": {"requests": {"storage": "3Gi"}}}})),
        "ok"
    );
    expect!["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"]
        .assert_eq(&change(json!({"spec": {"resources": {"requests": {"storage": "1Gi"}}}})));
    expect!["spec.volumeAttributesClassName: Forbidden: update from non-nil value to an empty string is forbidden"]
        .assert_eq(&change(json!({"spec": {"volumeAttributesClassName": ""}})));
    expect![[
        r#"metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "y": field is immutable"#
    ]]
    .assert_eq(&change(json!({"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "y"}}})));
}

fn claim(spec: Value) -> Value {
    let base = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    json!({"spec": with(&base, spec)})
}

#[test]
fn sources_of_claims() {
    let snapshot = json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"});
    let other = json!({"apiGroup": "x.example.com", "kind": "Thing", "name": "t"});
    let both = |source: &Value, reference: &Value| claim(json!({"dataSource": source, "dataSourceRef": reference}));
    assert_eq!(created(CLAIM, &both(&snapshot, &snapshot)), "ok");
    expect!["spec: Invalid value: {}: must match dataSourceRef"].assert_eq(&created(CLAIM, &both(&snapshot, &other)));
    let bare = created(CLAIM, &claim(json!({"dataSourceRef": {"kind": "Pod", "name": "p"}})));
    expect![[r#"
        spec.dataSource: Invalid value: "Pod": must be 'PersistentVolumeClaim' when referencing the default apiGroup
        spec.dataSourceRef: Invalid value: "Pod": must be 'PersistentVolumeClaim' when referencing the default apiGroup"#]]
    .assert_eq(&bare);
    // Sources of other namespaces are off; what a client of before says of them is not kept.
    let foreign = claim(json!({"dataSourceRef": with(&other, json!({"namespace": "elsewhere"}))}));
    assert_eq!(prepared(CLAIM, &foreign)["spec"].get("dataSourceRef"), None);
    // A source that cannot be is dropped, also when a claim without one gets it later.
    assert_eq!(prepared(CLAIM, &claim(json!({"dataSource": other})))["spec"].get("dataSource"), None);
    assert_eq!(updated(CLAIM, &claim(json!({})), &json!({"spec": {"dataSource": other}})), "ok");
}

#[test]
fn sizes_and_classes_of_claims() {
    let size = |size: &str| {
        claim(
            json!({"resources": {"requests": {"storage": size}}, "volumeMode": "Tape", "volumeAttributesClassName": "A_"}),
        )
    };
    expect![[r#"
        spec.resources[storage]: Invalid value: "-1": must be greater than zero
        spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"
        spec.volumeAttributesClassName: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#]]
    .assert_eq(&created(CLAIM, &size("-1")));
}

#[test]
fn claims_take_the_class_of_their_annotation() {
    const BETA: &str = "volume.beta.kubernetes.io/storage-class";
    let old = with(&claim(json!({})), json!({"metadata": {"annotations": {BETA: "fast"}}}));
    let moved = |class: &str| json!({"metadata": {"annotations": null}, "spec": {"storageClassName": class}});
    assert_eq!(updated(CLAIM, &old, &moved("fast")), "ok");
    assert_eq!(updated(CLAIM, &old, &json!({"spec": {"storageClassName": "fast"}})), "ok");
    let refused = updated(CLAIM, &old, &moved("slow"));
    expect![[r#"metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "": field is immutable"#]]
        .assert_eq(refused.lines().next().unwrap_or_default());
    assert!(refused.contains("spec: Forbidden: spec is immutable after creation"), "{refused}");
}

#[test]
fn statuses_of_claims() {
    let status = |status: Value| status_updated(CLAIM, &claim(json!({})), &json!({"status": status}));
    assert_eq!(
        status(json!({"allocatedResources": {"storage": "2Gi", "example.com/x": "1"},
            "allocatedResourceStatuses": {"storage": "NodeResizePending"}})),
        "ok"
    );
    expect![[r#"
        status.capacity[storage]: Invalid value: -1: must be a valid resource quantity
        status.allocatedResourceStatus: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"
        status.allocatedResources: Unsupported value: "cpu": supported values: "storage"
        status.allocatedResources[storage]: Invalid value: -2: must be a valid resource quantity"#]]
    .assert_eq(&status(json!({"capacity": {"storage": "-1"}, "allocatedResources": {"cpu": "1", "storage": "-2"},
        "allocatedResourceStatuses": {"storage": "Soon"}})));
}

#[test]
fn a_claim_may_keep_the_group_of_its_source() {
    let source = json!({"apiGroup": "A_", "kind": "K", "name": "n"});
    let old = claim(json!({"dataSource": source, "dataSourceRef": source}));
    assert!(created("v1/persistentvolumeclaims", &old).contains("dataSourceRef.apiGroup"));
    assert_eq!(updated("v1/persistentvolumeclaims", &old, &json!({"metadata": {"labels": {"a": "b"}}})), "ok");
}
