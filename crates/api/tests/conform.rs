//! What `conform` does to values: Go's zero values, nulls, canonical forms, pruning, errors.

use api::codec::{apply_defaults, conform, conform_document, decode_json, strict_errors};
use api::schema::{Schema, builtin, structural};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

fn schema(kind: &str) -> &'static Schema {
    builtin(&format!("io.k8s.api.{kind}")).unwrap()
}

fn check(kind: &str, mut value: Value, expected: Expect) {
    let shown = match conform(&mut value, schema(kind)) {
        Ok(found) if found.unknown.is_empty() => value.to_string(),
        Ok(found) => format!("{value} unknown {:?}", found.unknown),
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn zero_values_as_go_writes_them() {
    check("core.v1.Pod", json!({}), expect![[r#"{"metadata":{},"spec":{"containers":null},"status":{}}"#]]);
    check(
        "core.v1.Container",
        json!({"image": "", "stdin": false, "args": [], "env": null, "securityContext": {}}),
        expect![[r#"{"name":"","resources":{},"securityContext":{}}"#]],
    );
    check(
        "core.v1.SecurityContext",
        json!({"privileged": false, "runAsUser": 0, "procMount": ""}),
        expect![[r#"{"privileged":false,"procMount":"","runAsUser":0}"#]],
    );
    check(
        "core.v1.Container",
        json!({"name": "c", "args": ["a", null]}),
        expect![[r#"{"args":["a",""],"name":"c","resources":{}}"#]],
    );
    check(
        "core.v1.ConfigMap",
        json!({"data": {"a": null, "b": ""}, "immutable": false}),
        expect![[r#"{"data":{"a":"","b":""},"immutable":false,"metadata":{}}"#]],
    );
    check(
        "core.v1.PodCondition",
        json!({"type": "Ready", "status": "True", "lastProbeTime": null}),
        expect![[r#"{"lastProbeTime":null,"lastTransitionTime":null,"status":"True","type":"Ready"}"#]],
    );
    check("core.v1.Volume", json!({"name": "v", "emptyDir": {}}), expect![[r#"{"emptyDir":{},"name":"v"}"#]]);
    check(
        "core.v1.ResourceFieldSelector",
        json!({"resource": "limits.cpu"}),
        expect![[r#"{"divisor":"0","resource":"limits.cpu"}"#]],
    );
    check("rbac.v1.ClusterRole", json!({"rules": []}), expect![[r#"{"metadata":{},"rules":[]}"#]]);
}

#[test]
fn storage_forgets_empty_lists() {
    let stored = |name: &str, mut value: Value| {
        let schema = schema(name);
        conform(&mut value, schema).unwrap();
        api::codec::forget_empty(&mut value, schema);
        value.to_string()
    };
    let role = stored("rbac.v1.ClusterRole", json!({"rules": []}));
    assert_eq!(role, r#"{"metadata":{},"rules":null}"#);
    let pod = stored(
        "core.v1.PodTemplateSpec",
        json!({"spec": {"containers": [], "volumes": [{"name": "v", "rbd": {"monitors": [], "image": "i"}}]}}),
    );
    assert_eq!(
        pod,
        r#"{"metadata":{},"spec":{"containers":null,"volumes":[{"name":"v","rbd":{"image":"i","monitors":null}}]}}"#
    );
    let list = stored("core.v1.PodList", json!({"items": []}));
    assert_eq!(list, r#"{"items":[],"metadata":{}}"#);
}

#[test]
fn canonical_forms() {
    check(
        "core.v1.ResourceRequirements",
        json!({"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"cpu": 2}}),
        expect![[r#"{"limits":{"cpu":"500m","memory":"1Gi"},"requests":{"cpu":"2"}}"#]],
    );
    check(
        "core.v1.ContainerStateRunning",
        json!({"startedAt": "2026-01-02T03:04:05.6+02:00"}),
        expect![[r#"{"startedAt":"2026-01-02T01:04:05Z"}"#]],
    );
    check(
        "coordination.v1.LeaseSpec",
        json!({"renewTime": "2026-01-02T03:04:05.000001Z"}),
        expect![[r#"{"renewTime":"2026-01-02T03:04:05.000001Z"}"#]],
    );
    check(
        "coordination.v1.LeaseSpec",
        json!({"renewTime": "2026-01-02T03:04:05Z"}),
        expect![[
            r#"error: parsing time "2026-01-02T03:04:05Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000""#
        ]],
    );
    check(
        "core.v1.Secret",
        json!({"data": {"a": "AA\n==", "b": "aGk="}}),
        expect![[r#"{"data":{"a":"AA==","b":"aGk="},"metadata":{}}"#]],
    );
    check("core.v1.Secret", json!({"data": {"a": "AAA"}}), expect!["error: illegal base64 data at input byte 0"]);
    let mut long = json!({"data": {"a": "A".repeat(4094) + "=="}, "metadata": {}});
    let before = long.clone();
    assert!(conform(&mut long, schema("core.v1.Secret")).is_ok() && long == before);
    for (text, at) in [("=AAA", 0), ("AA==AAAA", 4), ("A*AA", 1)] {
        let mut value = json!({"data": {"a": "AAAA".repeat(300) + text}});
        let error = conform(&mut value, schema("core.v1.Secret")).unwrap_err().to_string();
        assert_eq!(error, format!("illegal base64 data at input byte {}", 1200 + at), "{text}");
    }
}

#[test]
fn wrong_types_in_gos_words() {
    check(
        "core.v1.Pod",
        json!({"spec": {"containers": {}}}),
        expect![
            "error: json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"
        ],
    );
    check(
        "core.v1.Pod",
        json!({"spec": {"containers": [{"args": [1]}]}}),
        expect![
            "error: json: cannot unmarshal number into Go struct field Container.spec.containers.args of type string"
        ],
    );
    check(
        "core.v1.Pod",
        json!({"spec": {"containers": [{"imagePullPolicy": true}]}}),
        expect![
            "error: json: cannot unmarshal bool into Go struct field Container.spec.containers.imagePullPolicy of type v1.PullPolicy"
        ],
    );
    check(
        "core.v1.Pod",
        json!({"spec": {"terminationGracePeriodSeconds": 1.5}}),
        expect![
            "error: json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64"
        ],
    );
    check(
        "apps.v1.Deployment",
        json!({"spec": {"replicas": 3_000_000_000u32}}),
        expect![
            "error: json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32"
        ],
    );
    check(
        "core.v1.ServicePort",
        json!({"targetPort": true}),
        expect!["error: json: cannot unmarshal bool into Go struct field ServicePort.targetPort of type int32"],
    );
    check(
        "core.v1.Pod",
        json!({"spec": {"volumes": [{"emptyDir": true}]}}),
        expect![
            "error: json: cannot unmarshal bool into Go struct field Volume.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource"
        ],
    );
    check("core.v1.Pod", json!([]), expect!["error: json: cannot unmarshal array into Go value of type v1.Pod"]);
    check(
        "core.v1.ResourceRequirements",
        json!({"limits": {"cpu": true}}),
        expect!["error: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
    );
}

#[test]
fn unknown_fields_are_dropped_and_named() {
    check(
        "core.v1.Pod",
        json!({"spec": {"containers": [{"name": "c", "immage": 1}], "x": {}}, "metadata": {"nmae": ""}}),
        expect![[
            r#"{"metadata":{},"spec":{"containers":[{"name":"c","resources":{}}]},"status":{}} unknown ["metadata.nmae", "spec.containers[0].immage", "spec.x"]"#
        ]],
    );
}

#[test]
fn custom_resources_are_only_pruned() {
    let schema = structural(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "a": {"type": "integer", "default": 5}, "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "list": {"type": "array", "items": {"type": "object", "properties": {"b": {"type": "string", "default": "x"}}}}}}}}))
    .unwrap();
    let mut value = json!({"metadata": {"labels": {}, "foo": 1}, "spec": {"a": "text", "z": 1, "open": {"y": null}, "list": [{"b": null, "c": 1}, {}]}});
    let found = conform(&mut value, &schema).unwrap();
    assert_eq!(found.unknown, ["metadata.foo", "spec.list[0].c", "spec.z"]);
    // a null that may not be is gone before defaults come, one that nothing is said of stays
    assert_eq!(value, json!({"metadata": {}, "spec": {"a": "text", "open": {"y": null}, "list": [{}, {}]}}));
    value["spec"].as_object_mut().unwrap().remove("a");
    apply_defaults(&mut value, &schema);
    assert_eq!(value["spec"], json!({"a": 5, "open": {"y": null}, "list": [{"b": "x"}, {"b": "x"}]}));
}

#[test]
fn schemas_within_schemas_lose_unknown_fields_silently() {
    let schema = builtin("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps").unwrap();
    let mut value = json!({"items": {"type": "string", "foo": 1, "title": ""}, "additionalProperties": true, "x": 1,
        "dependencies": {"a": ["b"], "c": {"type": "object", "foo": 1}}, "default": {"foo": null}});
    assert_eq!(conform(&mut value, schema).unwrap().unknown, ["x"]);
    assert_eq!(
        value,
        json!({"items": {"type": "string"}, "additionalProperties": true,
        "dependencies": {"a": ["b"], "c": {"type": "object"}}, "default": {"foo": null}})
    );
}

#[test]
fn marked_defaults_of_built_in_types() {
    let mut value = json!({"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 1}, {"containerPort": 2, "protocol": "UDP"}]}]}});
    apply_defaults(&mut value, schema("core.v1.Pod"));
    assert_eq!(
        value["spec"]["containers"][0]["ports"],
        json!([{"containerPort": 1, "protocol": "TCP"}, {"containerPort": 2, "protocol": "UDP"}])
    );
}

/// Values that look like pods, more or less.
fn podlike() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "metadata",
        "spec",
        "containers",
        "name",
        "env",
        "value",
        "resources",
        "limits",
        "cpu",
        "ports",
        "x",
        "labels",
        "creationTimestamp",
        "hostPort",
        "volumes",
        "emptyDir",
        "sizeLimit",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9.]{0,4}(m|Mi|k)?".prop_map(Value::from),
        Just(json!("2026-02-03T04:05:06Z")),
        Just(json!(""))
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        ]
    })
}

/// Values that look like JSON schemas, more or less.
fn schemalike(depth: u32) -> impl Strategy<Value = Value> {
    let keys = [
        "type",
        "properties",
        "items",
        "additionalProperties",
        "default",
        "nullable",
        "required",
        "enum",
        "metadata",
        "a",
        "b",
    ];
    let flags =
        ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string"];
    let key = prop::sample::select([&keys[..], &flags[..]].concat());
    let types = ["object", "array", "string", "integer", "number", "boolean"];
    let leaf = prop_oneof![
        4 => prop::sample::select(types.to_vec()).prop_map(Value::from),
        2 => any::<bool>().prop_map(Value::from),
        1 => any::<f32>().prop_map(Value::from),
        1 => Just(Value::Null)
    ];
    leaf.prop_recursive(depth, 40, 4, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            4 => prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn conforming_twice_is_conforming_once(mut value in podlike(), kind in prop::sample::select(vec!["core.v1.Pod", "core.v1.Container", "core.v1.PodSpec", "apps.v1.Deployment"])) {
        if conform(&mut value, schema(kind)).is_ok() {
            let once = value.clone();
            let again = conform(&mut value, schema(kind));
            prop_assert!(again.is_ok_and(|found| found.unknown.is_empty()));
            prop_assert_eq!(value, once);
        }
    }

    #[test]
    fn any_structural_schema_is_survived(mut value in schemalike(4), schema in schemalike(6)) {
        if let Ok(schema) = structural(&schema) {
            apply_defaults(&mut value, &schema);
            if conform(&mut value, &schema).is_ok() {
                let once = value.clone();
                prop_assert!(conform(&mut value, &schema).is_ok_and(|found| found.unknown.is_empty()));
                prop_assert_eq!(value, once);
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..100), text in "[\\[\\]{}:,\"a-c0-9. tfn\\\\-]{0,60}") {
        let _ = decode_json(&bytes);
        let _ = decode_json(text.as_bytes());
    }
}

#[test]
fn base64_as_go_reads_it() {
    for (text, expected) in [
        ("", Ok("")),
        ("AB==", Ok("AA==")),
        ("AAB=", Ok("AAA=")),
        ("A", Err(0)),
        ("AAA", Err(0)),
        ("AAAAA", Err(4)),
        ("A===", Err(1)),
        ("AA=", Err(3)),
        ("AA=A", Err(3)),
        ("AA==A", Err(4)),
        ("AAA=A", Err(4)),
        ("A A=", Err(1)),
        ("=", Err(0)),
    ] {
        let mut value = json!({"data": {"a": text}, "metadata": {}});
        match (conform(&mut value, schema("core.v1.Secret")), expected) {
            (Ok(_), Ok(canonical)) => assert_eq!(value["data"]["a"], canonical, "{text}"),
            (Err(error), Err(at)) => {
                assert_eq!(error.to_string(), format!("illegal base64 data at input byte {at}"), "{text}")
            }
            (got, _) => panic!("{text}: {got:?}"),
        }
    }
}

#[test]
fn wrong_types_after_a_strategic_merge_in_the_converters_words() {
    let check = |kind: &str, mut value: Value, expected: Expect| {
        let error = conform(&mut value, schema(kind)).unwrap_err();
        expected.assert_eq(&error.converter_words());
    };
    check("apps.v1.Deployment", json!({"spec": {"replicas": "x"}}), expect!["unrecognized type: int32"]);
    check("apps.v1.Deployment", json!({"spec": {"replicas": 1.5}}), expect!["cannot convert float64 to int32"]);
    check("apps.v1.Deployment", json!({"spec": {"paused": "true"}}), expect!["unrecognized type: bool"]);
    check("apps.v1.Deployment", json!({"spec": 1}), expect!["cannot restore struct from: int64"]);
    check("core.v1.Pod", json!({"spec": {"containers": "c"}}), expect!["cannot restore slice from string"]);
    check("core.v1.Pod", json!({"spec": {"nodeName": 5}}), expect!["cannot convert int64 to string"]);
    check("core.v1.Pod", json!({"spec": {"dnsPolicy": 5}}), expect!["cannot convert int64 to v1.DNSPolicy"]);
    check("core.v1.Pod", json!({"spec": {"nodeName": true}}), expect!["unrecognized type: string"]);
    check("core.v1.ConfigMap", json!({"data": ["a"]}), expect!["cannot restore map from slice"]);
    check("core.v1.ConfigMap", json!({"data": {"a": 1}}), expect!["cannot convert int64 to string"]);
    check(
        "core.v1.Secret",
        json!({"data": {"a": "%"}}),
        expect!["error decoding from json: illegal base64 data at input byte 0"],
    );
    check(
        "core.v1.ServicePort",
        json!({"targetPort": true}),
        expect!["json: cannot unmarshal bool into Go value of type int32"],
    );
    check(
        "core.v1.Pod",
        json!({"metadata": {"deletionTimestamp": 1}}),
        expect!["json: cannot unmarshal number into Go value of type string"],
    );
}

/// As an apiextensions-apiserver 1.36.4 answered: Go's decoder goes on after a wrong type, but not where a type decodes itself.
#[test]
fn the_first_error_is_that_of_the_document() {
    let told = |body: &str| {
        let mut decoded = decode_json(body.as_bytes()).unwrap();
        conform_document(body.as_bytes(), &mut decoded.value, schema("core.v1.Pod")).unwrap_err().to_string()
    };
    let (node, uid) = (
        "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeName of type string",
        "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.uid of type types.UID",
    );
    assert_eq!(told(r#"{"spec":{"nodeName":1},"metadata":{"uid":true}}"#), node);
    assert_eq!(told(r#"{"metadata":{"uid":true},"spec":{"nodeName":1}}"#), uid);
    // of equal places the first item
    let names = r#"{"spec":{"containers":[{"name":"a"},{"name":{},"image":[]},{"image":1}]}}"#;
    assert_eq!(
        told(names),
        "json: cannot unmarshal object into Go struct field Container.spec.containers.name of type string"
    );
    let quantity = r#"{"spec":{"nodeName":1,"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}"#;
    assert!(told(quantity).starts_with("quantities must match the regular expression"), "{}", told(quantity));
}

#[test]
fn fields_where_the_schema_has_none_are_pruned() {
    let schema = structural(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "l": {"type": "array", "items": {"type": "string"}}, "s": {"type": "string"},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "any": {"x-kubernetes-preserve-unknown-fields": true}}}}}))
    .unwrap();
    let mut value = json!({"spec": {"l": {"0": "z"}, "s": [{"a": 1}, 2],
        "free": {"x": 1.0, "y": [1e2, 1.5]}, "any": {"z": [{"w": 3.0}]}}});
    let found = conform(&mut value, &schema).unwrap();
    assert_eq!(found.unknown, ["spec.l.0", "spec.s[0].a"]);
    let expected = r#"{"spec":{"any":{"z":[{"w":3}]},"free":{"x":1,"y":[100,1.5]},"l":{},"s":[{},2]}}"#;
    assert_eq!(value.to_string(), expected);
}

/// A body may have a million fields that nobody knows below one long key.
#[test]
fn paths_of_unknown_fields_take_little_room() {
    let schema = structural(&json!({"type": "object", "properties": {"spec": {"type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "object"}}}}}))
    .unwrap();
    let (key, items) = ("k".repeat(100_000), vec![r#"{"a":1,"a":1}"#; 2000].join(","));
    let body = format!(r#"{{"spec":{{"{key}":[{items}]}}}}"#);
    let mut decoded = decode_json(body.as_bytes()).unwrap();
    let found = conform(&mut decoded.value, &schema).unwrap();
    let told = strict_errors(body.as_bytes(), &decoded, &found);
    assert!(!told.is_empty() && told.iter().map(String::len).sum::<usize>() < 4 << 20);
    assert!(found.unknown.iter().map(String::len).sum::<usize>() < 2 << 20);
}

/// As an apiextensions-apiserver 1.36.4 answered.
#[test]
fn errors_of_embedded_resources_name_their_place() {
    let embedded =
        json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true});
    let schema = structural(
        &json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"emb": embedded}}}}),
    )
    .unwrap();
    let told = |emb: Value| {
        conform(&mut json!({"spec": {"emb": emb}}), &schema).map(|found| found.unknown).map_err(|e| e.to_string())
    };
    assert_eq!(
        told(json!({"apiVersion": 1, "kind": "x"})),
        Err("spec.emb.apiVersion: Invalid value: 1: must be a string".to_owned())
    );
    let metadata = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": 1}, "foo": 1}});
    let words = r#"spec.emb.metadata: Invalid value: {"foo":1,"labels":{"a":1}}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"#;
    assert_eq!(told(metadata), Err(words.to_owned()));
    let unknown = told(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"foo": 1}}));
    assert_eq!(unknown, Ok(vec!["spec.emb.metadata.foo".to_owned()]));
}
