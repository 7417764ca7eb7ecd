//! CustomResourceDefinitions.

use super::*;
use expect_test::{Expect, expect};

const PATH: &str = "apiextensions.k8s.io/v1/customresourcedefinitions";

fn definition(version: Value) -> Value {
    let version = with(
        &json!({"name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object"}}}),
        version,
    );
    let names = json!({"plural": "xs", "kind": "X"});
    json!({"metadata": {"name": "xs.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}})
}

/// A definition with these properties in its schema.
fn check(properties: Value, want: Expect) {
    let schema = json!({"schema": {"openAPIV3Schema": {"properties": properties}}});
    want.assert_eq(&created(PATH, &definition(schema)));
}

#[test]
fn lists_that_are_maps_or_sets() {
    let list = |change: Value, want: Expect| {
        let items = json!({"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"]});
        let list = json!({"type": "array", "items": items, "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"]});
        check(json!({"l": with(&list, change)}), want);
    };
    list(json!({}), expect!["ok"]);
    list(
        json!({"items": null}),
        expect![[r#"
        spec.validation.openAPIV3Schema.properties[l].items: Required value: must be specified
        spec.validation.openAPIV3Schema.properties[l].items: Required value: must have a schema if x-kubernetes-list-type is map"#]],
    );
    list(
        json!({"items": {"type": "string", "properties": null, "required": null}}),
        expect![[
            r#"spec.validation.openAPIV3Schema.properties[l].items.type: Invalid value: "string": must be object if parent array's x-kubernetes-list-type is map"#
        ]],
    );
    list(
        json!({"items": {"nullable": true, "required": null, "properties": {"k": {"nullable": true}}}}),
        expect![[r#"
        spec.validation.openAPIV3Schema.properties[l].items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is map
        spec.validation.openAPIV3Schema.properties[l].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property
        spec.validation.openAPIV3Schema.properties[l].items.properties[k].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot be nullable"#]],
    );
    list(
        json!({"items": {"properties": {"k": {"type": "object"}}}, "x-kubernetes-list-map-keys": ["k", "j", "k"]}),
        expect![[r#"
            spec.validation.openAPIV3Schema.properties[l].items.properties[k].type: Invalid value: "object": must be a scalar type if parent array's x-kubernetes-list-type is map
            spec.validation.openAPIV3Schema.properties[l].x-kubernetes-list-map-keys: Invalid value: ["k","j","k"]: entries must all be names of item properties
            spec.validation.openAPIV3Schema.properties[l].items.properties[k].type: Invalid value: "object": must be a scalar type if parent array's x-kubernetes-list-type is map
            spec.validation.openAPIV3Schema.properties[l].x-kubernetes-list-map-keys: Invalid value: ["k","j","k"]: must not contain duplicate entries"#]],
    );
    list(
        json!({"x-kubernetes-list-type": "set", "x-kubernetes-list-map-keys": null}),
        expect![
            "spec.validation.openAPIV3Schema.properties[l].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set"
        ],
    );
    list(
        json!({"x-kubernetes-list-type": "x"}),
        expect![[r#"
        spec.validation.openAPIV3Schema.properties[l].x-kubernetes-list-type: Unsupported value: "x": supported values: "atomic", "set", "map"
        spec.validation.openAPIV3Schema.properties[l].x-kubernetes-list-type: Invalid value: "x": must be map if x-kubernetes-list-map-keys is non-empty"#]],
    );
    list(
        json!({"type": "object"}),
        expect![[
            r#"spec.validation.openAPIV3Schema.properties[l].type: Invalid value: "object": must be array if x-kubernetes-list-type is specified"#
        ]],
    );
}

#[test]
fn rules() {
    let rule = |rule: Value, want: Expect| {
        check(json!({"a": {"type": "string", "maxLength": 9, "x-kubernetes-validations": [rule]}}), want);
    };
    rule(
        json!({"rule": "self != 'x'", "message": " "}),
        expect![[
            r#"spec.validation.openAPIV3Schema.properties[a].x-kubernetes-validations[0].message: Invalid value: " ": must be non-empty if specified"#
        ]],
    );
    rule(
        json!({"rule": "self != 'x'", "message": "a\nb"}),
        expect![[
            r#"spec.validation.openAPIV3Schema.properties[a].x-kubernetes-validations[0].message: Invalid value: "a\nb": must not contain line breaks"#
        ]],
    );
    rule(
        json!({"rule": "self !=\n'x'"}),
        expect![
            "spec.validation.openAPIV3Schema.properties[a].x-kubernetes-validations[0].message: Required value: message must be specified if rule contains line breaks"
        ],
    );
    rule(
        json!({"rule": "self != 'x'", "fieldPath": " ", "reason": "x"}),
        expect![[r#"
        spec.validation.openAPIV3Schema.properties[a].x-kubernetes-validations[0].reason: Unsupported value: "x": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"
        spec.validation.openAPIV3Schema.properties[a].x-kubernetes-validations[0].fieldPath: Invalid value: " ": must be non-empty if specified
        spec.validation.openAPIV3Schema.properties[a].x-kubernetes-validations[0].fieldPath: Invalid value: " ": must be a valid path"#]],
    );
    rule(
        json!({"rule": "self !=", "optionalOldSelf": true}),
        expect![[r#"
        spec.validation.openAPIV3Schema.properties[a].x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self !=","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":true}: compilation failed: ERROR: <input>:1:8: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
         | self !=
         | .......^
        spec.validation.openAPIV3Schema.properties[a].x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"#]],
    );
    rule(json!({"rule": "self == oldSelf"}), expect!["ok"]);
    let inner = |kind: &str| {
        json!({"type": "object", "x-kubernetes-map-type": kind, "properties": {
        "a": {"type": "string", "maxLength": 9, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}})
    };
    check(json!({"m": inner("granular")}), expect!["ok"]);
    check(json!({"m": inner("atomic")}), expect!["ok"]);
    let items = json!({"type": "string", "maxLength": 9, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]});
    check(
        json!({"l": {"type": "array", "maxItems": 9, "items": items}}),
        expect![[
            r#"spec.validation.openAPIV3Schema.properties[l].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[l]"#
        ]],
    );
}

#[test]
fn what_is_wrong_with_rules_comes_last() {
    let wrong = json!([{"rule": "1"}]);
    check(
        json!({"a": {"type": "string", "x-kubernetes-validations": wrong},
        "b": {"type": "object", "x-kubernetes-validations": wrong, "properties": {
            "c": {"type": "string", "x-kubernetes-validations": wrong}}},
        "d": {"type": "string", "uniqueItems": true}}),
        expect![[r#"
            spec.validation.openAPIV3Schema.properties[d].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic
            spec.validation.openAPIV3Schema.properties[a].x-kubernetes-validations[0].rule: Invalid value: {"Rule":"1","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: cel expression must evaluate to a bool
            spec.validation.openAPIV3Schema.properties[b].properties[c].x-kubernetes-validations[0].rule: Invalid value: {"Rule":"1","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: cel expression must evaluate to a bool
            spec.validation.openAPIV3Schema.properties[b].x-kubernetes-validations[0].rule: Invalid value: {"Rule":"1","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: cel expression must evaluate to a bool"#]],
    );
}

#[test]
fn maps_and_combinations() {
    let both = |values: Value| json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": values});
    check(
        json!({"m": both(json!(false))}),
        expect![
            "spec.validation.openAPIV3Schema.properties[m].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"
        ],
    );
    check(
        json!({"m": both(json!({"type": "string"}))}),
        expect![
            "spec.validation.openAPIV3Schema.properties[m].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"
        ],
    );
    let one = json!([{"default": "x", "minLength": 1}]);
    check(
        json!({"a": {"type": "string", "allOf": one}}),
        expect![
            "spec.validation.openAPIV3Schema.properties[a].allOf[0].default: Forbidden: must be undefined to be structural"
        ],
    );
}

#[test]
fn columns_and_subresources_and_selectable_fields() {
    let version = |version: Value, want: Expect| want.assert_eq(&created(PATH, &definition(version)));
    let column = |path: &str| json!({"additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": path}]});
    version(column(".spec.a"), expect!["ok"]);
    version(column(".spec[?(@.a"), expect!["ok"]);
    version(
        column("spec"),
        expect![[
            r#"spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec": must be a simple json path starting with ."#
        ]],
    );
    let scale = json!({"specReplicasPath": ".a.b", "statusReplicasPath": ".status.b", "labelSelectorPath": ".a"});
    version(
        json!({"subresources": {"scale": scale}}),
        expect![[r#"
        spec.subresources.scale.specReplicasPath: Invalid value: ".a.b": should be a json path under .spec
        spec.subresources.scale.labelSelectorPath: Invalid value: ".a": should be a json path under either .spec or .status"#]],
    );
    let properties: serde_json::Map<String, Value> =
        (0..9).map(|n| (format!("f{n}"), json!({"type": "string"}))).collect();
    let fields: Vec<Value> = (0..9).map(|n| json!({"jsonPath": format!(".f{n}")})).collect();
    let schema = json!({"openAPIV3Schema": {"properties": properties}});
    version(
        json!({"schema": schema, "selectableFields": fields}),
        expect!["spec.selectableFields: Too many: 9: must have at most 8 items"],
    );
    let fields = json!([{"jsonPath": ".f1"}, {"jsonPath": ".f1"}, {"jsonPath": ".metadata.name"}, {"jsonPath": ""}]);
    version(
        json!({"schema": schema, "selectableFields": fields}),
        expect![[r#"
        spec.selectableFields[1].jsonPath: Duplicate value: ".f1"
        spec.selectableFields[2].jsonPath: Invalid value: ".metadata.name": is an invalid path: does not refer to a valid field
        spec.selectableFields[3].jsonPath: Required value"#]],
    );
}

#[test]
fn bundles_of_conversion_webhooks() {
    let webhook = |bundle: &str| {
        json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
        "clientConfig": {"caBundle": bundle, "service": {"namespace": "n", "name": "s"}}}})
    };
    let new = with(&definition(json!({})), json!({"spec": {"conversion": webhook("YWJj")}}));
    assert_eq!(created(PATH, &new), "ok");
    let established = json!({"status": {"storedVersions": ["v1"],
        "conditions": [{"type": "Established", "status": "True"}]}});
    let stored = with(&definition(json!({})), established.clone());
    let change = json!({"spec": {"conversion": webhook("YWJj")}});
    expect![[r#"spec.conversion.webhookClientConfig.caBundle: Invalid value: "YWJj": unable to load root certificates: unable to parse bytes as PEM block"#]].assert_eq(&updated(PATH, &stored, &change));
    let broken = with(&new, established);
    expect!["ok"].assert_eq(&updated(PATH, &broken, &json!({"spec": {"conversion": webhook("YWJk")}})));
}

#[test]
fn combinations_have_neither_rules_nor_maps() {
    let object = |change: Value, want: Expect| {
        let object = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
        check(json!({"o": with(&object, change)}), want);
    };
    let rules = json!([{"rule": "self < 5"}]);
    object(
        json!({"allOf": [{"properties": {"n": {"x-kubernetes-validations": rules}}}]}),
        expect![
            "spec.validation.openAPIV3Schema.properties[o].allOf[0].properties[n].x-kubernetes-validations: Forbidden: must be empty to be structural"
        ],
    );
    object(
        json!({"not": {"additionalProperties": {"minLength": 1}}}),
        expect![
            "spec.validation.openAPIV3Schema.properties[o].not.additionalProperties: Forbidden: must be undefined to be structural"
        ],
    );
    // Whether what they speak of exists is asked at the root alone.
    object(json!({"allOf": [{"properties": {"x": {"minimum": 1}}}]}), expect!["ok"]);
    let both = json!([{"type": "integer"}, {"type": "string"}]);
    check(json!({"o": {"x-kubernetes-preserve-unknown-fields": true, "anyOf": both}}), expect!["ok"]);
    let schema = json!({"properties": {"a": {"type": "string"}}, "allOf": [{"properties": {"b": {"minLength": 1}}}]});
    expect![
        "spec.validation.openAPIV3Schema.properties[b]: Required value: because it is defined in spec.validation.openAPIV3Schema.allOf[0].properties[b]"
    ]
    .assert_eq(&created(PATH, &definition(json!({"schema": {"openAPIV3Schema": schema}}))));
}

#[test]
fn defaults_obey_what_the_schema_says() {
    let rules = json!([{"rule": "self < 5", "message": "too large"}]);
    check(
        json!({"n": {"type": "integer", "default": 7, "x-kubernetes-validations": rules}}),
        expect!["spec.validation.openAPIV3Schema.properties[n].default: Invalid value: 7: too large"],
    );
    let new = json!([{"rule": "oldSelf.hasValue() || self < 5", "optionalOldSelf": true}]);
    check(
        json!({"n": {"type": "integer", "default": 7, "x-kubernetes-validations": new}}),
        expect![
            "spec.validation.openAPIV3Schema.properties[n].default: Invalid value: 7: failed rule: oldSelf.hasValue() || self < 5"
        ],
    );
    // Upstream asks neither whether items are unique nor about what is in maps.
    check(
        json!({"l": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "integer"}, "default": [1, 1]},
            "m": {"type": "object", "additionalProperties": {"type": "integer", "default": "x"}}}),
        expect!["ok"],
    );
    let embedded = |metadata: Value, want: Expect| {
        let properties = json!({"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata});
        check(json!({"e": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": properties}}), want);
    };
    let labels = json!({"type": "object", "additionalProperties": {"type": "string"}});
    embedded(json!({"type": "object", "properties": {"labels": labels}}), expect!["ok"]);
    embedded(
        json!({"type": "object", "properties": {"labels": with(&labels, json!({"default": {"a b": "c"}}))}}),
        expect![[r#"
            spec.validation.openAPIV3Schema.properties[e].properties[metadata].properties[labels].default: Invalid value: {"a b":"c"}: must result in valid metadata: metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#]],
    );
}

/// As a real server said it.
#[test]
fn defaults_of_types_that_there_are_not() {
    check(
        json!({"a": {"type": "foo", "default": "q"}, "b": {"type": "string", "enum": ["z", "b"], "default": "q"}}),
        expect![[r#"
            spec.validation.openAPIV3Schema.properties[a].default: Invalid value: "string":  in body must be of type foo: "string"
            spec.validation.openAPIV3Schema.properties[b].default: Unsupported value: "q": supported values: "z", "b"
            spec.validation.openAPIV3Schema.properties[a].type: Unsupported value: "foo": supported values: "array", "boolean", "integer", "number", "object", "string""#]],
    );
    let kept = json!({"spec": {"preserveUnknownFields": true}});
    let schema = json!({"schema": {"openAPIV3Schema": {"properties": {"a": {"type": "string", "default": "q"}}}}});
    expect![[r#"
        spec.preserveUnknownFields: Invalid value: true: must be false in order to use defaults in the schema
        spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"#]].assert_eq(&created(PATH, &with(&definition(schema), kept)));
    expect![[r#"
        spec.versions[0].schema.openAPIV3Schema: Required value
        spec.selectableFields: Invalid value: "": may only be set when `version.schema.openAPIV3Schema` is not included"#]].assert_eq(&created(
        PATH,
        &definition(json!({"schema": {"openAPIV3Schema": null}, "selectableFields": [{"jsonPath": ".spec.a"}]})),
    ));
}
