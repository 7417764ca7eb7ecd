//! CustomResourceDefinitions: defaulted and validated; of those that are valid, rows are made, and objects live in them.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use api::structural::Node;
use libfuzzer_sys::fuzz_target;
use pintle_fuzz::words::word;
use pintle_fuzz::{Unstructured, life, shape};
use registry::Resource;
use serde_json::{Map, Value, json};

/// A schema that is structural more often than chance would have it.
fn structural(choices: &mut Unstructured<'_>, depth: usize) -> Value {
    let types = ["object", "string", "integer", "array", "boolean", "number", "object", "object"];
    let kind = if depth == 0 { "object" } else { types[choices.int_in_range(0..=7).unwrap_or(1)] };
    let mut schema = json!({"type": kind});
    match kind {
        "object" if depth < 5 => {
            let count = choices.int_in_range(0..=3).unwrap_or(0);
            let names = ["spec", "status", "a", "b", "c", "replicas", "selector"];
            let below: Map<String, Value> = (0..count)
                .map(|_| (names[choices.int_in_range(0..=6).unwrap_or(0)].to_owned(), structural(choices, depth + 1)))
                .collect();
            match choices.int_in_range(0..=5).unwrap_or(0) {
                5 if depth > 0 => schema["additionalProperties"] = structural(choices, depth + 1),
                4 => schema["x-kubernetes-preserve-unknown-fields"] = true.into(),
                _ => schema["properties"] = below.into(),
            }
        }
        "array" if depth < 5 => schema["items"] = structural(choices, depth + 1),
        "array" => schema["items"] = json!({"type": "string"}),
        _ => {}
    }
    for _ in 0..choices.int_in_range(0..=2).unwrap_or(0) {
        let (key, value) = constraint(choices);
        schema[key] = value;
    }
    schema
}

fn constraint(choices: &mut Unstructured<'_>) -> (&'static str, Value) {
    let count = i64::from(choices.arbitrary::<u8>().unwrap_or(0));
    match choices.int_in_range(0..=15).unwrap_or(0) {
        0 => ("maxLength", count.into()),
        1 => ("minLength", (count & 3).into()),
        2 => ("pattern", ["^a+$", "(", "[a-z]*", "^(a|b)*$", "\\d"][(count % 5) as usize].into()),
        3 => ("enum", json!(["a", "b", 1])),
        4 => ("minimum", count.into()),
        5 => ("maximum", json!(count as f64 / 2.0)),
        6 => ("default", shape::any(choices)),
        7 => ("nullable", true.into()),
        8 => ("format", word(choices).into()),
        9 => ("x-kubernetes-list-type", ["set", "map", "atomic"][(count % 3) as usize].into()),
        10 => ("x-kubernetes-list-map-keys", json!(["a"])),
        11 => ("required", json!(["a"])),
        12 => ("multipleOf", count.into()),
        13 => ("x-kubernetes-int-or-string", true.into()),
        14 => ("x-kubernetes-embedded-resource", true.into()),
        _ => {
            let rules =
                ["self == oldSelf", "has(self.a)", "self.all(x, x != '')", "self > 1", "self.size() < 3", "true"];
            ("x-kubernetes-validations", json!([{"rule": rules[(count % 6) as usize], "message": "no"}]))
        }
    }
}

/// A definition of gadgets with these parts.
fn definition(choices: &mut Unstructured<'_>) -> Value {
    let mut version = json!({"name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": structural(choices, 0)}});
    if choices.arbitrary().unwrap_or(false) {
        version["subresources"] = json!({"status": {}, "scale": {
            "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}});
    }
    if choices.arbitrary().unwrap_or(false) {
        version["selectableFields"] = json!([{"jsonPath": ".spec.a"}]);
        version["additionalPrinterColumns"] = json!([{"name": "A", "type": "string", "jsonPath": word(choices)}]);
    }
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "versions": [version],
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"}}})
}

fn accepted(row: &Resource, value: Value) -> Option<Value> {
    let mut object = life::defaulted(row, life::decoded(row, value)?);
    row.strategy.prepare_for_create(&mut object);
    object["status"]["acceptedNames"] = object["spec"]["names"].clone();
    object["status"]["storedVersions"] = json!(["v1"]);
    row.strategy.validate(&object).is_empty().then_some(object)
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Unstructured::new(data);
    let Some(row) = registry::find("apiextensions.k8s.io", "v1", "customresourcedefinitions") else { return };
    if choices.arbitrary::<u8>().unwrap_or(0) & 7 == 7 {
        // Whatever is asked for, not only what could be one: compilers must stand any schema.
        let any = shape::any(&mut choices);
        let _compiled = (Node::compile(&any).is_ok(), api::schema::structural(&any).is_ok());
        let spec = row.schema().map(|schema| shape::value(&mut choices, schema)).unwrap_or_default();
        let _rows = life::decoded(row, spec).map(|definition| registry::custom::rows(&definition).is_ok());
        return;
    }
    let Some(definition) = accepted(row, definition(&mut choices)) else { return };
    let rows = registry::custom::rows(&definition).expect("rows of what is valid");
    for row in rows {
        let Some(schema) = row.schema() else { continue };
        let objects = [(); 2].map(|()| {
            let mut object = shape::value(&mut choices, schema);
            if object.is_object() {
                object["metadata"] = json!({"name": "a", "namespace": "default"});
            }
            object
        });
        let [first, second] = objects;
        life::live(&row, first, second);
    }
});
