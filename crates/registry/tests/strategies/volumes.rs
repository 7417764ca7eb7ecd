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
                spec.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive
                spec.iscsi.secretRef.name: Required value
                spec.iscsi.targetportal: Invalid value: "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp": Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."#]],
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
