//! The file of structs against the type table, and what is printed.

use super::*;
use serde_json::json;

const POD: &str = "io.k8s.api.core.v1.PodSpec";

/// External fields that have no place in the internal struct: `serviceAccount` repeats `serviceAccountName`.
const LEFT_OUT: [&str; 1] = ["serviceAccount"];

/// Every line speaks of a type that exists, names each of its fields once and no other.
#[test]
fn structs_have_the_fields_of_their_types() {
    let from_above: Vec<String> = STRUCTS
        .values()
        .flatten()
        .filter_map(|field| match field {
            GoField::Plain { go, from_above: true, .. } => Some(go.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    for (definition, fields) in &*STRUCTS {
        let schema = builtin(definition).unwrap_or_else(|| panic!("{definition} is no type"));
        let own = Struct { object: schema.object().expect("an object"), map: None };
        let mut named: Vec<&str> = Vec::new();
        for field in fields {
            let (go, json) = match *field {
                GoField::Plain { from_above: true, .. } => continue,
                GoField::Plain { go, json, .. } => (go, json),
                GoField::Tagged(json) | GoField::Embedded(json) => (json, Json::Named(json)),
            };
            let (external, _) = own.field(go, json).unwrap_or_else(|| panic!("{definition} has no {go}"));
            named.push(&external.name);
        }
        let missing: Vec<&str> = own.object.fields.iter().map(|field| &*field.name).collect();
        let missing: Vec<&str> = missing
            .into_iter()
            .filter(|name| !named.contains(name) && !LEFT_OUT.contains(name))
            .filter(|name| definition != POD || !from_above.contains(&name.to_ascii_lowercase()))
            .collect();
        assert!(missing.is_empty(), "{definition} leaves out {missing:?}");
        let count = named.len();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named.len(), count, "{definition} names a field twice");
    }
}

/// A type that a struct holds is in the file as well, so that no part of a message is in another form than the rest.
#[test]
fn no_struct_holds_a_type_that_is_missing() {
    // Printed only where nobody sets them, or as metadata that no message quotes.
    let unlisted = ["ManagedFieldsEntry", "FieldSelectorRequirement"];
    for definition in STRUCTS.keys() {
        let object = builtin(definition).and_then(Schema::object).expect("an object");
        for field in &object.fields {
            let mut schema: &Schema = &field.schema;
            while let Kind::List { items: below, .. } | Kind::Map { values: below, .. } = &schema.kind {
                schema = below;
            }
            let Some(held) = schema.object() else { continue };
            let known = STRUCTS.contains_key(&*held.name) || unlisted.iter().any(|name| held.name.ends_with(name));
            assert!(known, "{definition}.{} holds {}", field.name, held.name);
        }
    }
}

#[test]
fn pointers_are_null_and_values_zero() {
    let container = go_text("io.k8s.api.core.v1.Container", None);
    assert!(container.starts_with(r#"{"Name":"","Image":"","Command":null,"#), "{container}");
    assert!(container.contains(r#""Resources":{"Limits":null,"Requests":null,"Claims":null}"#), "{container}");
    assert!(container.ends_with(r#""SecurityContext":null,"Stdin":false,"StdinOnce":false,"TTY":false}"#));
}

#[test]
fn security_context_holds_what_stands_in_the_spec() {
    let pod = json!({"hostNetwork": true, "hostUsers": false, "securityContext": {"runAsUser": 7}});
    let text = go_text(POD, Some(&pod));
    let begin = r#""SecurityContext":{"HostNetwork":true,"HostPID":false,"HostIPC":false,"ShareProcessNamespace":null,"HostUsers":false,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":7,"#;
    assert!(text.contains(begin), "{text}");
}

#[test]
fn embedded_and_tagged_structs() {
    let probe = json!({"httpGet": {"port": "web", "scheme": "HTTP"}, "periodSeconds": 5});
    assert_eq!(
        go_text("io.k8s.api.core.v1.Probe", Some(&probe)),
        r#"{"Exec":null,"HTTPGet":{"Path":"","Port":"web","Host":"","Scheme":"HTTP","HTTPHeaders":null},"TCPSocket":null,"GRPC":null,"InitialDelaySeconds":0,"TimeoutSeconds":0,"PeriodSeconds":5,"SuccessThreshold":0,"FailureThreshold":0,"TerminationGracePeriodSeconds":null}"#
    );
    let template = json!({"metadata": {"labels": {"b": "1", "a": "<"}}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        "selector": {"matchExpressions": [{"key": "k", "operator": "Exists"}], "matchLabels": {"x": "y"}}}});
    assert_eq!(
        go_text("io.k8s.api.core.v1.PersistentVolumeClaimTemplate", Some(&template)),
        r#"{"labels":{"a":"\u003c","b":"1"},"Spec":{"AccessModes":["ReadWriteOnce"],"Selector":{"matchLabels":{"x":"y"},"matchExpressions":[{"key":"k","operator":"Exists"}]},"Resources":{"Limits":null,"Requests":{"storage":"1Gi"}},"VolumeName":"","StorageClassName":null,"VolumeMode":null,"DataSource":null,"DataSourceRef":null,"VolumeAttributesClassName":null}}"#
    );
}

#[test]
fn names_that_differ_by_more_than_case() {
    let source = json!({"monitors": ["a"], "image": "i", "user": "u"});
    assert_eq!(
        go_text("io.k8s.api.core.v1.RBDVolumeSource", Some(&source)),
        r#"{"CephMonitors":["a"],"RBDImage":"i","FSType":"","RBDPool":"","RadosUser":"u","Keyring":"","SecretRef":null,"ReadOnly":false}"#
    );
    let rolling = "io.k8s.api.apps.v1.RollingUpdateStatefulSetStrategy";
    assert_eq!(go_text(rolling, Some(&json!({}))), r#"{"Partition":0,"MaxUnavailable":null}"#);
}

#[test]
fn schemas_of_custom_resources() {
    let schema = json!({"type": "array", "items": {"type": "string"}, "additionalProperties": false,
        "x-kubernetes-list-type": "set", "default": {"b": 1}});
    let text = go_text("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps", Some(&schema));
    for part in [
        r#"{"ID":"","Schema":"","Ref":null,"Description":"","Type":"array","#,
        r#""Default":{"b":1},"Maximum":null,"#,
        r#""Items":{"Schema":{"ID":"","#,
        r#","JSONSchemas":null},"AllOf":null,"#,
        r#""AdditionalProperties":{"Allows":false,"Schema":null}"#,
        r#""XListType":"set","XMapType":null,"XValidations":null}"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}
