//! Cases of ownership, conflicts and migration.

use super::*;
use crate::schema::{builtin, structural};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

/// An object and who writes to it, one step after the other.
struct Scene {
    schema: Schema,
    kind: &'static str,
    api_version: &'static str,
    live: Option<Value>,
    second: u8,
}

impl Scene {
    fn of(definition: &str, kind: &'static str, api_version: &'static str) -> Self {
        Self { schema: builtin(definition).unwrap().clone(), kind, api_version, live: None, second: 0 }
    }

    fn config_map() -> Self {
        Self::of("io.k8s.api.core.v1.ConfigMap", "ConfigMap", "v1")
    }

    fn with<T>(&mut self, manager: &str, subresource: &str, run: impl FnOnce(Option<&Value>, &Writer<'_>) -> T) -> T {
        self.second += 1;
        let now = format!("2026-01-01T00:00:{:02}Z", self.second);
        let reset = reset_fields("", "things", subresource, true);
        let (schema, api_version) = (&self.schema, self.api_version);
        let writer = Writer { schema, manager, api_version, subresource, reset: &reset, now: &now, versions: None };
        run(self.live.as_ref(), &writer)
    }

    /// An update to this object; the list of managers is what the live object has.
    fn update(&mut self, manager: &str, subresource: &str, mut new: Value) {
        if let Some(live) = &self.live {
            new["metadata"]["uid"] = "u".into();
            if let Some(list) = live.pointer("/metadata/managedFields")
                && new.pointer("/metadata/managedFields").is_none()
            {
                new["metadata"]["managedFields"] = list.clone();
            }
        }
        self.with(manager, subresource, |live, writer| update_managed_fields(live, &mut new, writer));
        new["metadata"]["uid"] = "u".into();
        self.live = Some(new);
    }

    fn apply(&mut self, manager: &str, force: bool, mut config: Value) -> Result<(), ApplyError> {
        if config.get("kind").is_none() {
            config["kind"] = self.kind.into();
            config["apiVersion"] = self.api_version.into();
        }
        let kind = self.kind;
        let request = ApplyRequest { config: &config, kind, force };
        let mut object = self.with(manager, "", |live, writer| apply(live, request, writer))?;
        object["metadata"]["uid"] = "u".into();
        self.live = Some(object);
        Ok(())
    }

    /// The object without bookkeeping, and one line for each entry.
    fn check(&self, expected: Expect) {
        let mut object = self.live.clone().unwrap();
        let entries = object["metadata"].as_object_mut().unwrap().remove("managedFields").unwrap_or_default();
        object["metadata"].as_object_mut().unwrap().remove("uid");
        for key in ["kind", "apiVersion"] {
            object.as_object_mut().unwrap().remove(key);
        }
        let mut text = format!("{object}\n");
        for entry in entries.as_array().into_iter().flatten() {
            let word = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("-");
            let time = word("time").trim_start_matches("2026-01-01T00:00:").trim_end_matches('Z');
            let fields = entry["fieldsV1"].to_string().replace(":{}", "").replace('"', "");
            text.push_str(&format!(
                "{} {} {} {time} {fields}\n",
                word("manager"),
                word("operation"),
                word("subresource")
            ));
        }
        expected.assert_eq(&text);
    }
}

fn check_error(outcome: Result<(), ApplyError>, expected: Expect) {
    let error = outcome.unwrap_err();
    expected.assert_eq(&format!("{} {error}", error.to_status().code));
}

#[test]
fn updates_own_what_they_change() {
    let mut scene = Scene::of("io.k8s.api.core.v1.Pod", "Pod", "v1");
    let spec = json!({"containers": [{"name": "c", "image": "i", "resources": {}}], "nodeSelector": {"a": "b"}});
    scene.update("maker", "", json!({"metadata": {"name": "p"}, "spec": &spec, "status": {"phase": "Pending"}}));
    scene.check(expect![[r#"
        {"metadata":{"name":"p"},"spec":{"containers":[{"image":"i","name":"c","resources":{}}],"nodeSelector":{"a":"b"}},"status":{"phase":"Pending"}}
        maker Update - 01 {f:spec:{f:containers:{k:{\name\:\c\}:{.,f:image,f:name,f:resources}},f:nodeSelector}}
    "#]]);
    let status = json!({"phase": "Running", "podIPs": [{"ip": "1.2.3.4"}]});
    scene.update("kubelet", "status", json!({"metadata": {"name": "p"}, "spec": spec, "status": status}));
    scene.check(expect![[r#"
        {"metadata":{"name":"p"},"spec":{"containers":[{"image":"i","name":"c","resources":{}}],"nodeSelector":{"a":"b"}},"status":{"phase":"Running","podIPs":[{"ip":"1.2.3.4"}]}}
        maker Update - 01 {f:spec:{f:containers:{k:{\name\:\c\}:{.,f:image,f:name,f:resources}},f:nodeSelector}}
        kubelet Update status 02 {f:status:{f:phase,f:podIPs:{.,k:{\ip\:\1.2.3.4\}:{.,f:ip}}}}
    "#]]);
    let spec = json!({"containers": [{"name": "c", "image": "j", "resources": {}}]});
    scene.update("other", "", json!({"metadata": {"name": "p", "labels": {"l": "1"}}, "spec": spec, "status": status}));
    scene.check(expect![[r#"
        {"metadata":{"labels":{"l":"1"},"name":"p"},"spec":{"containers":[{"image":"j","name":"c","resources":{}}]},"status":{"phase":"Running","podIPs":[{"ip":"1.2.3.4"}]}}
        maker Update - 01 {f:spec:{f:containers:{k:{\name\:\c\}:{.,f:name,f:resources}}}}
        kubelet Update status 02 {f:status:{f:phase,f:podIPs:{.,k:{\ip\:\1.2.3.4\}:{.,f:ip}}}}
        other Update - 03 {f:metadata:{f:labels:{.,f:l}},f:spec:{f:containers:{k:{\name\:\c\}:{f:image}}}}
    "#]]);
}

#[test]
fn applying_owning_conflicting_forcing() {
    let mut scene = Scene::config_map();
    scene.apply("one", false, json!({"metadata": {"name": "a"}, "data": {"k": "v", "r": "1"}})).unwrap();
    scene.apply("one", false, json!({"metadata": {"name": "a"}, "data": {"k": "w"}})).unwrap();
    scene.check(expect![[r#"
        {"data":{"k":"w"},"metadata":{"name":"a"}}
        one Apply - 02 {f:data:{f:k}}
    "#]]);
    // Nothing changed but who owns: no time.
    scene.apply("two", false, json!({"data": {"k": "w"}})).unwrap();
    scene.update("three", "", json!({"metadata": {"name": "a"}, "data": {"k": "w", "x": "y"}}));
    scene.check(expect![[r#"
        {"data":{"k":"w","x":"y"},"metadata":{"name":"a"}}
        two Apply - - {f:data:{f:k}}
        one Apply - 02 {f:data:{f:k}}
        three Update - 04 {f:data:{f:x}}
    "#]]);
    check_error(
        scene.apply("four", false, json!({"data": {"k": "z", "x": "z"}})),
        expect![[r#"
        409 Apply failed with 3 conflicts: conflicts with "one":
        - .data.k
        conflicts with "three" using v1:
        - .data.x
        conflicts with "two":
        - .data.k"#]],
    );
    check_error(
        scene.apply("two", false, json!({"data": {"k": "w", "x": "z"}})),
        expect![[r#"409 Apply failed with 1 conflict: conflict with "three" using v1: .data.x"#]],
    );
    scene.apply("two", true, json!({"data": {"k": "z", "x": "y"}})).unwrap();
    scene.check(expect![[r#"
        {"data":{"k":"z","x":"y"},"metadata":{"name":"a"}}
        two Apply - 07 {f:data:{f:k,f:x}}
        three Update - 04 {f:data:{f:x}}
    "#]]);
    scene.apply("two", false, json!({})).unwrap();
    scene.check(expect![[r#"
        {"data":{"x":"y"},"metadata":{"name":"a"}}
        three Update - 04 {f:data:{f:x}}
    "#]]);
}

#[test]
fn configurations_that_are_none() {
    let mut scene = Scene::config_map();
    let refused =
        |scene: &mut Scene, config: Value, expected: Expect| check_error(scene.apply("m", false, config), expected);
    refused(
        &mut scene,
        json!({"kind": "Secret", "apiVersion": "v1"}),
        expect!["400 invalid object type: /v1, Kind=Secret"],
    );
    refused(
        &mut scene,
        json!({"kind": "ConfigMap", "apiVersion": "apps/v1"}),
        expect!["400 invalid object type: apps/v1, Kind=ConfigMap"],
    );
    refused(&mut scene, json!({"metadata": {"managedFields": []}}), expect!["400 metadata.managedFields must be nil"]);
    refused(
        &mut scene,
        json!({"metadata": {"name": true}}),
        expect![
            "500 failed to create typed patch object (/; /v1, Kind=ConfigMap): .metadata.name: expected string, got &value.valueUnstructured{Value:true}"
        ],
    );
    refused(
        &mut scene,
        json!({"metadata": {"name": "x", "labels": ["a"]}, "data": {"a": {"b": [1]}}, "zz": 1}),
        expect![[r#"
        500 failed to create typed patch object (/x; /v1, Kind=ConfigMap): errors:
          .data.a: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"b":[]interface {}{1}}}
          .metadata.labels: expected map, got &{[a]}
          .zz: field not declared in schema"#]],
    );
    refused(
        &mut scene,
        json!({"immutable": "yes", "metadata": {"generation": "x"}}),
        expect![[r#"
        500 failed to create typed patch object (/; /v1, Kind=ConfigMap): errors:
          .immutable: expected boolean, got &{yes}
          .metadata.generation: expected numeric (int or float), got string"#]],
    );
    let mut scene = Scene::of("io.k8s.api.apps.v1.Deployment", "Deployment", "apps/v1");
    let spec = |containers: Value| json!({"metadata": {"name": "d"}, "spec": {"template": {"spec": {"containers": containers}}}});
    refused(
        &mut scene,
        spec(json!([{"name": "a"}, {"name": "a"}])),
        expect![[
            r#"500 failed to create typed patch object (/d; apps/v1, Kind=Deployment): .spec.template.spec.containers: duplicate entries for key [name="a"]"#
        ]],
    );
    refused(
        &mut scene,
        spec(json!([null, "x"])),
        expect![
            "500 failed to create typed patch object (/d; apps/v1, Kind=Deployment): .spec.template.spec.containers: element 0: associative list with keys may not have a null element"
        ],
    );
}

#[test]
fn lists_and_maps_of_a_custom_resource() {
    let schema = structural(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {
            "type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "string"}}}},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }}}}))
    .unwrap();
    let mut scene =
        Scene { schema: (*schema).clone(), kind: "App", api_version: "example.com/v1", live: None, second: 0 };
    scene.apply("one", false, json!({"spec": {"set": ["b", "a"], "list": [{"k": "x", "v": "1"}], "whole": {"a": "1"}, "any": {"q": {"r": 1}}}})).unwrap();
    scene
        .apply("two", false, json!({"spec": {"set": ["c", "a"], "list": [{"k": "y", "v": "1"}, {"k": "x"}]}}))
        .unwrap();
    scene.check(expect![[r#"
        {"metadata":{},"spec":{"any":{"q":{"r":1}},"list":[{"k":"y","v":"1"},{"k":"x","v":"1"}],"set":["b","c","a"],"whole":{"a":"1"}}}
        one Apply - 01 {f:spec:{f:any:{f:q:{.,f:r}},f:list:{k:{\k\:\x\}:{.,f:k,f:v}},f:set:{v:\a\,v:\b\},f:whole}}
        two Apply - 02 {f:spec:{f:list:{k:{\k\:\x\}:{.,f:k},k:{\k\:\y\}:{.,f:k,f:v}},f:set:{v:\a\,v:\c\}}}
    "#]]);
    check_error(
        scene.apply("two", false, json!({"spec": {"whole": {"b": "1"}, "list": [{"k": "x", "v": "2"}]}})),
        expect![[r#"
        409 Apply failed with 2 conflicts: conflicts with "one":
        - .spec.whole
        - .spec.list[k="x"].v"#]],
    );
    scene.apply("one", false, json!({"spec": {"set": ["a"]}})).unwrap();
    scene.check(expect![[r#"
        {"metadata":{},"spec":{"list":[{"k":"y","v":"1"},{"k":"x"}],"set":["c","a"]}}
        two Apply - 02 {f:spec:{f:list:{k:{\k\:\x\}:{.,f:k},k:{\k\:\y\}:{.,f:k,f:v}},f:set:{v:\a\,v:\c\}}}
        one Apply - 04 {f:spec:{f:set:{v:\a\}}}
    "#]]);
    check_error(
        scene.apply("two", false, json!({"spec": {"set": ["a", "a"]}})),
        expect![[
            r#"500 failed to create typed patch object (/; example.com/v1, Kind=App): .spec.set: duplicate entries for key [="a"]"#
        ]],
    );
    check_error(
        scene.apply("two", false, json!({"spec": {"list": [{"v": "1"}]}})),
        expect![[
            r#"500 failed to create typed patch object (/; example.com/v1, Kind=App): .spec.list: element 0: associative list with keys has an element that omits all key fields ["k"] (and doesn't have default values for any key fields)"#
        ]],
    );
}

#[test]
fn from_client_side_apply() {
    const LAST: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let mut scene = Scene::config_map();
    let last =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "<v>"}}).to_string();
    let metadata = json!({"name": "a", "annotations": {LAST: last}});
    scene.update("kubectl-client-side-apply", "", json!({"metadata": metadata, "data": {"k": "<v>", "x": "1"}}));
    check_error(
        scene.apply("other", false, json!({"data": {"k": "w"}})),
        expect![[r#"409 Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.k"#]],
    );
    check_error(
        scene.apply("kubectl", false, json!({"metadata": {"name": "a"}, "data": {"k": "<w>", "x": "2"}})),
        expect![[r#"409 Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.x"#]],
    );
    scene.apply("kubectl", false, json!({"metadata": {"name": "a"}, "data": {"k": "<w>"}})).unwrap();
    scene.check(expect![[r#"
        {"data":{"k":"<w>","x":"1"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"data\":{\"k\":\"\\u003cw\\u003e\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}\n"},"name":"a"}}
        kubectl Apply - 04 {f:data:{f:k}}
        kubectl-client-side-apply Update - 01 {f:data:{.,f:x},f:metadata:{f:annotations:{.,f:kubectl.kubernetes.io/last-applied-configuration}}}
    "#]]);
}

#[test]
fn tracking_can_be_reset() {
    let mut scene = Scene::config_map();
    scene.update("one", "", json!({"metadata": {"name": "a"}, "data": {"k": "v"}}));
    scene.update("one", "", json!({"metadata": {"name": "a", "managedFields": [{}]}, "data": {"k": "w"}}));
    scene.update("one", "", json!({"metadata": {"name": "a"}, "data": {"k": "x"}}));
    scene.check(expect![[r#"
        {"data":{"k":"x"},"metadata":{"name":"a"}}
    "#]]);
    check_error(
        scene.apply("two", false, json!({"data": {"k": "y"}})),
        expect![[r#"409 Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.k"#]],
    );
    scene.apply("two", false, json!({"data": {"k": "x", "l": "1"}})).unwrap();
    scene.check(expect![[r#"
        {"data":{"k":"x","l":"1"},"metadata":{"name":"a"}}
        two Apply - 05 {f:data:{f:k,f:l}}
        before-first-apply Update - 05 {f:data:{.,f:k}}
    "#]]);
    // A list that cannot be read is as good as none, and the live one stays.
    scene.update("one", "", json!({"metadata": {"name": "a", "managedFields": [{"manager": "x", "operation": "No"}]}, "data": {"k": "x", "l": "2"}}));
    scene.check(expect![[r#"
        {"data":{"k":"x","l":"2"},"metadata":{"name":"a"}}
        two Apply - 05 {f:data:{f:k}}
        before-first-apply Update - 05 {f:data:{.,f:k}}
        one Update - 06 {f:data:{f:l}}
    "#]]);
}

#[test]
fn old_updates_are_merged() {
    let mut scene = Scene::config_map();
    let mut data = serde_json::Map::new();
    for number in 0..13 {
        data.insert(format!("k{number:02}"), "v".into());
        scene.update(&format!("m{number:02}"), "", json!({"metadata": {"name": "a"}, "data": data}));
    }
    scene.check(expect![[r#"
        {"data":{"k00":"v","k01":"v","k02":"v","k03":"v","k04":"v","k05":"v","k06":"v","k07":"v","k08":"v","k09":"v","k10":"v","k11":"v","k12":"v"},"metadata":{"name":"a"}}
        ancient-changes Update - 04 {f:data:{.,f:k00,f:k01,f:k02,f:k03}}
        m04 Update - 05 {f:data:{f:k04}}
        m05 Update - 06 {f:data:{f:k05}}
        m06 Update - 07 {f:data:{f:k06}}
        m07 Update - 08 {f:data:{f:k07}}
        m08 Update - 09 {f:data:{f:k08}}
        m09 Update - 10 {f:data:{f:k09}}
        m10 Update - 11 {f:data:{f:k10}}
        m11 Update - 12 {f:data:{f:k11}}
        m12 Update - 13 {f:data:{f:k12}}
    "#]]);
}

#[test]
fn times_alone_are_no_change() {
    let object = |time: &str, value: &str| json!({"metadata": {"managedFields": [{"manager": "m", "time": time}]}, "data": {"a": value}});
    let old = object("1", "x");
    let mut new = object("2", "x");
    retain_timestamps(&old, &mut new);
    assert_eq!(new, old);
    let mut changed = object("2", "y");
    retain_timestamps(&old, &mut changed);
    assert_eq!(changed, object("2", "y"));
}
