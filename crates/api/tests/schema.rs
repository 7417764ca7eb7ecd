//! Lookups in the built-in table, and schemas of custom resources.

use api::schema::{Kind, ListType, MapType, Zero, builtin, definition_for, definitions, structural};
use serde_json::json;

#[test]
fn finds_types_fields_and_their_facts() {
    let pod = builtin("io.k8s.api.core.v1.Pod").unwrap();
    let containers = pod.child("spec").unwrap().field("containers").unwrap();
    assert!(containers.required && containers.patch.merge);
    assert_eq!(containers.patch.merge_key.as_deref(), Some("name"));
    assert_eq!(containers.zero, Zero::WriteNull);
    let container = containers.schema.items().unwrap();
    assert_eq!(&*container.object().unwrap().name, "io.k8s.api.core.v1.Container");
    let ports = &container.field("ports").unwrap().schema;
    let Kind::List { list_type, .. } = &ports.kind else { panic!("ports is a list") };
    assert_eq!(*list_type, ListType::Map(["containerPort".into(), "protocol".into()].into()));
    assert_eq!(ports.items().unwrap().field("protocol").unwrap().default.as_deref(), Some(&json!("TCP")));
    assert_eq!(container.field("resources").unwrap().zero, Zero::Write);
    let volumes = pod.child("spec").unwrap().field("volumes").unwrap();
    assert!(volumes.patch.merge && volumes.patch.retain_keys);
    let Kind::Map { map_type, .. } = &pod.child("spec").unwrap().child("nodeSelector").unwrap().kind else { panic!() };
    assert_eq!(*map_type, MapType::Atomic);
    let persistent_volume = builtin("io.k8s.api.core.v1.PersistentVolumeSpec").unwrap();
    assert_eq!(persistent_volume.field("claimRef").unwrap().map_type, Some(MapType::Granular));
    assert!(builtin("io.k8s.api.core.v1.Nothing").is_none());
}

#[test]
fn finds_definitions_by_group_version_kind() {
    assert_eq!(definition_for("", "v1", "Pod"), Some("io.k8s.api.core.v1.Pod"));
    assert_eq!(definition_for("apps", "v1", "Deployment"), Some("io.k8s.api.apps.v1.Deployment"));
    assert_eq!(definition_for("apps", "v1", "Pod"), None);
    assert!(definitions().count() > 500);
    for name in definitions() {
        assert!(builtin(name).is_some(), "{name}");
    }
}

#[test]
fn a_custom_resource_gets_go_metadata_and_its_own_fields() {
    let schema = structural(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "default": 3},
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "any": {"x-kubernetes-preserve-unknown-fields": true}}}}}))
    .unwrap();
    assert!(schema.child("metadata").unwrap().child("labels").is_some());
    let spec = schema.child("spec").unwrap();
    assert!(spec.field("size").unwrap().required);
    assert_eq!(spec.field("size").unwrap().default.as_deref(), Some(&json!(3)));
    assert!(matches!(spec.child("any").unwrap().kind, Kind::Json));
    let mut deep = json!({"type": "string"});
    for _ in 0..200 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    assert!(structural(&deep).is_err());
}
