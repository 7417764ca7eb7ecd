//! What new objects get that they do not say themselves.

use super::*;
use expect_test::{Expect, expect};

/// The part of a new object at this path, after defaults.
fn check(path: &str, object: Value, part: &str, want: Expect) {
    want.assert_eq(&prepared(path, &object).pointer(part).unwrap_or(&Value::Null).to_string());
}

#[test]
fn amounts_are_rounded_up_to_thousandths() {
    let (fine, storage) = (json!({"cpu": "0.0001"}), json!({"storage": "10.0001"}));
    let limits =
        json!([{"type": "Pod", "max": fine, "maxLimitRequestRatio": fine}, {"type": "Container", "max": fine}]);
    check(
        "v1/limitranges",
        json!({"spec": {"limits": limits}}),
        "/spec/limits",
        expect![[
            r#"[{"max":{"cpu":"1m"},"maxLimitRequestRatio":{"cpu":"1m"},"type":"Pod"},{"default":{"cpu":"1m"},"defaultRequest":{"cpu":"1m"},"max":{"cpu":"1m"},"type":"Container"}]"#
        ]],
    );
    check("v1/resourcequotas", json!({"spec": {"hard": fine}}), "/spec/hard", expect![[r#"{"cpu":"1m"}"#]]);
    check(
        "v1/persistentvolumes",
        json!({"spec": {"capacity": storage}}),
        "/spec/capacity",
        expect![[r#"{"storage":"10001m"}"#]],
    );
    let claim = json!({"spec": {"resources": {"limits": storage, "requests": storage}}});
    check(
        "v1/persistentvolumeclaims",
        claim.clone(),
        "/spec/resources",
        expect![[r#"{"limits":{"storage":"10001m"},"requests":{"storage":"10001m"}}"#]],
    );
    let set = json!({"spec": {"volumeClaimTemplates": [claim]}});
    check(
        "apps/v1/statefulsets",
        set,
        "/spec/volumeClaimTemplates/0/spec/resources",
        expect![[r#"{"limits":{"storage":"10001m"},"requests":{"storage":"10001m"}}"#]],
    );
    let pod = json!({"spec": {"resources": {"limits": fine}, "volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": claim}}]}});
    check("v1/pods", pod.clone(), "/spec/resources", expect![[r#"{"limits":{"cpu":"1m"},"requests":{"cpu":"1m"}}"#]]);
    check(
        "v1/pods",
        pod,
        "/spec/volumes/0/ephemeral/volumeClaimTemplate/spec/resources",
        expect![[r#"{"limits":{"storage":"10001m"},"requests":{"storage":"10001m"}}"#]],
    );
}

#[test]
fn images_are_pulled_again_if_they_may_be_newer() {
    let policy = |image: &str| {
        let pod = json!({"spec": {"containers": [{"name": "c", "image": image}]}});
        prepared("v1/pods", &pod)["spec"]["containers"][0]["imagePullPolicy"].as_str().map(str::to_owned).unwrap()
    };
    let digest = format!("sha256:{}", "a".repeat(64));
    for image in ["i", "localhost:5000/i", "a.b/i:latest", &format!("i:latest@{digest}")] {
        assert_eq!(policy(image), "Always", "{image}");
    }
    for image in
        ["i:v1", "localhost:5000/i:v1", &format!("i@{digest}"), &format!("i:v1@{digest}"), "Upper", "a b", "i:"]
    {
        assert_eq!(policy(image), "IfNotPresent", "{image}");
    }
}
