//! Findings as text, by standard.

use super::*;
use expect_test::{Expect, expect};
use serde_json::json;

fn check(standard: (Level, Version), metadata: Value, spec: Value, want: Expect) {
    let standard = Standard { level: standard.0, version: standard.1 };
    want.assert_eq(&violations(standard, &metadata, &spec).unwrap_or_else(|| "fine".to_owned()));
}

const BASELINE: (Level, Version) = (Level::Baseline, Version::Latest);
const RESTRICTED: (Level, Version) = (Level::Restricted, Version::Latest);

fn plain() -> Value {
    json!({"containers": [{"name": "c", "image": "nginx"}]})
}

#[test]
fn a_plain_pod() {
    check((Level::Privileged, Version::Latest), json!({}), plain(), expect!["fine"]);
    check(BASELINE, json!({}), plain(), expect!["fine"]);
    check(
        RESTRICTED,
        json!({}),
        plain(),
        expect![[
            r#"allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"#
        ]],
    );
}

#[test]
fn a_good_pod() {
    let container = json!({"name": "c", "securityContext": {"allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}});
    let pod = json!({"runAsUser": 1000, "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    let spec = json!({"securityContext": pod, "containers": [container], "volumes": [{"name": "v", "emptyDir": {}}]});
    check(RESTRICTED, json!({}), spec, expect!["fine"]);
}

#[test]
fn what_the_baseline_forbids() {
    let container = json!({"name": "a", "ports": [{"hostPort": 80}], "securityContext": {"privileged": true,
        "procMount": "Unmasked", "capabilities": {"add": ["SYS_ADMIN", "CHOWN"]}, "seccompProfile": {"type": "Unconfined"}},
        "livenessProbe": {"httpGet": {"host": "10.0.0.1"}}});
    let spec = json!({"hostNetwork": true, "hostPID": true, "volumes": [{"name": "v", "hostPath": {}}],
        "securityContext": {"sysctls": [{"name": "kernel.msgmax"}], "seLinuxOptions": {"type": "bad", "user": "u"}},
        "containers": [container]});
    let metadata = json!({"annotations": {"container.apparmor.security.beta.kubernetes.io/a": "unconfined"}});
    check(
        BASELINE,
        metadata,
        spec,
        expect![[
            r#"forbidden AppArmor profile (annotation container.apparmor.security.beta.kubernetes.io/a="unconfined"), non-default capabilities (container "a" must not include "SYS_ADMIN" in securityContext.capabilities.add), host namespaces (hostNetwork=true, hostPID=true), hostPath volumes (volume "v"), hostPort (container "a" uses hostPort 80), probe or lifecycle host (container "a" uses probe or lifecycle host "10.0.0.1"), privileged (container "a" must not set securityContext.privileged=true), procMount (container "a" must not set securityContext.procMount to "Unmasked"), seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "bad"; user may not be set), seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined"), forbidden sysctls (kernel.msgmax)"#
        ]],
    );
}

#[test]
fn versions_of_the_standard() {
    let spec = json!({"containers": [{"name": "c"}], "securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}});
    check(
        (Level::Baseline, Version::Minor(31)),
        json!({}),
        spec.clone(),
        expect!["forbidden sysctls (net.ipv4.tcp_rmem)"],
    );
    check(BASELINE, json!({}), spec, expect!["fine"]);
    assert_eq!("v1.30".parse(), Ok(Version::Minor(30)));
    for wrong in ["", "1.30", "v1.", "v1.030", "v2.0", "newest"] {
        assert_eq!(wrong.parse::<Version>().unwrap_err(), "must be \"latest\" or \"v1.x\"", "{wrong}");
    }
}

#[test]
fn users_of_its_own_let_a_pod_see_proc_at_the_baseline_alone() {
    let container = json!({"name": "c", "securityContext": {"procMount": "Unmasked"}});
    let spec = json!({"hostUsers": false, "containers": [container]});
    let unmasked = "procMount (container \"c\" must not set securityContext.procMount to \"Unmasked\")";
    let finds = |level: Level, version: Version| {
        violations(Standard { level, version }, &json!({}), &spec).is_some_and(|found| found.contains(unmasked))
    };
    assert!(!finds(Level::Baseline, Version::Latest));
    assert!(finds(Level::Baseline, Version::Minor(34)));
    assert!(finds(Level::Restricted, Version::Minor(34)));
    assert!(finds(Level::Restricted, Version::Latest));
}
