//! Cases of strategic merge patches and their directives.

use super::*;
use crate::schema::builtin;
use expect_test::{Expect, expect};
use serde_json::json;

fn check(original: Value, patch: Value, expected: Expect) {
    let schema = builtin("io.k8s.api.core.v1.PodSpec").unwrap();
    let text = match apply(&original, &patch, schema) {
        Ok(patched) => patched.to_string(),
        Err(error) => format!("{} {error}", error.to_status().code),
    };
    expected.assert_eq(&text);
}

#[test]
fn lists_merge_by_key() {
    let original = || json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]});
    check(
        original(),
        json!({"containers": [{"name": "b", "image": "2"}, {"name": "c", "image": "3"}]}),
        expect![[r#"{"containers":[{"image":"1","name":"a"},{"image":"2","name":"b"},{"image":"3","name":"c"}]}"#]],
    );
    check(
        original(),
        json!({"containers": [{"name": "a", "$patch": "delete"}]}),
        expect![[r#"{"containers":[{"image":"1","name":"b"}]}"#]],
    );
    check(
        original(),
        json!({"containers": [{"name": "x"}, {"$patch": "replace"}]}),
        expect![[r#"{"containers":[{"name":"x"}]}"#]],
    );
    check(original(), json!({"containers": null}), expect!["{}"]);
    check(
        original(),
        json!({"containers": [{"image": "x"}]}),
        expect!["500 map: map[image:x] does not contain declared merge key: name"],
    );
    check(
        original(),
        json!({"containers": [{"name": "a", "$patch": "explode"}]}),
        expect!["500 unknown patch type: explode in map: map[$patch:explode name:a]"],
    );
    check(
        original(),
        json!({"containers": [{"name": "a", "$patch": "merge"}]}),
        expect!["500 merging lists cannot yet be specified in the patch"],
    );
    check(original(), json!({"containers": [["x"]]}), expect!["422 lists of lists are not supported"]);
}

#[test]
fn order_of_elements() {
    let original = || json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "s"}, {"name": "c"}]});
    let order = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Value>();
    check(
        original(),
        json!({"$setElementOrder/containers": order(&["c", "b", "a"])}),
        expect![[r#"{"containers":[{"name":"s"},{"name":"c"},{"name":"b"},{"name":"a"}]}"#]],
    );
    check(
        original(),
        json!({"$setElementOrder/containers": order(&["n", "a"]), "containers": [{"name": "n"}]}),
        expect![[r#"{"containers":[{"name":"n"},{"name":"a"},{"name":"b"},{"name":"s"},{"name":"c"}]}"#]],
    );
    check(
        original(),
        json!({"$setElementOrder/containers": order(&["a"]), "containers": [{"name": "q"}]}),
        expect![[r#"
        500 The order in patch list:
        [map[name:q]]
         doesn't match $setElementOrder list:
        [map[name:a]]
    "#]],
    );
    check(
        original(),
        json!({"$setElementOrder/containers": "x"}),
        expect!["400 invalid patch format of setElementOrder list"],
    );
    check(json!({}), json!({"$setElementOrder/containers": order(&["a"])}), expect!["{}"]);
}

#[test]
fn maps_and_directives() {
    let original = || json!({"nodeSelector": {"a": "1", "b": "2"}, "volumes": [{"name": "v", "emptyDir": {}}]});
    check(
        original(),
        json!({"nodeSelector": {"$patch": "replace", "c": "3"}}),
        expect![[r#"{"nodeSelector":{"c":"3"},"volumes":[{"emptyDir":{},"name":"v"}]}"#]],
    );
    check(
        original(),
        json!({"nodeSelector": {"$patch": "delete"}}),
        expect![[r#"{"nodeSelector":{},"volumes":[{"emptyDir":{},"name":"v"}]}"#]],
    );
    check(
        original(),
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}]}),
        expect![[r#"{"nodeSelector":{"a":"1","b":"2"},"volumes":[{"hostPath":{"path":"/"},"name":"v"}]}"#]],
    );
    check(
        original(),
        json!({"volumes": [{"name": "v", "$retainKeys": ["hostPath"]}]}),
        expect!["400 invalid patch format of retainKeys"],
    );
    check(
        original(),
        json!({"securityContext": {"a": null, "$retainKeys": ["a"]}, "x": {"$patch": "delete"}}),
        expect![[r#"{"nodeSelector":{"a":"1","b":"2"},"securityContext":{},"volumes":[{"emptyDir":{},"name":"v"}]}"#]],
    );
    check(
        original(),
        json!([]),
        expect!["400 error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"],
    );
}

#[test]
fn lists_of_scalars() {
    let schema = builtin("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").unwrap();
    let check = |patch: Value, expected: Expect| {
        let patched = apply(&json!({"finalizers": ["a", "b"]}), &patch, schema).unwrap();
        expected.assert_eq(&patched.to_string());
    };
    check(json!({"finalizers": ["c", "a"]}), expect![[r#"{"finalizers":["c","a","b"]}"#]]);
    check(json!({"finalizers": ["c"]}), expect![[r#"{"finalizers":["c","a","b"]}"#]]);
    check(
        json!({"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": []}),
        expect![[r#"{"finalizers":["b"]}"#]],
    );
    check(json!({"$deleteFromPrimitiveList/absent": ["a"]}), expect![[r#"{"finalizers":["a","b"]}"#]]);
    check(json!({"$setElementOrder/finalizers": ["b", "a"]}), expect![[r#"{"finalizers":["b","a"]}"#]]);
}
