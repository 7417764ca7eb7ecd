//! Which families of addresses a Service gets (upstream's `initIPFamilyFields`). Pure.
//!
//! This cluster has one family. What a client asks of two is refused, or granted as far as it goes, as upstream does on
//! such clusters.

use api::field::{Error, Path};
use serde_json::{Value, json};

/// The families that the cluster has addresses of; the first is the default.
const CONFIGURED: [&str; 1] = ["IPv4"];
/// What a headless Service without selector is of: nobody knows its endpoints, so any.
const BOTH: [&str; 2] = ["IPv4", "IPv6"];

/// Whether policy, families and addresses of a Service of the same type, which prefers two families, stay: nothing is
/// given or taken then, whatever the cluster has by now.
pub(super) fn is_settled(service: &Value, old: Option<&Value>) -> bool {
    const PREFER: &str = "PreferDualStack";
    let Some(old) = old else { return false };
    let (spec, old) = (&service["spec"], &old["spec"]);
    let addressed = matches!(spec["type"].as_str(), Some("ClusterIP" | "NodePort" | "LoadBalancer"));
    addressed
        && spec["type"] == old["type"]
        && spec["ipFamilyPolicy"] == PREFER
        && (old["ipFamilyPolicy"].is_null() || old["ipFamilyPolicy"] == PREFER)
        && spec["clusterIPs"] == old["clusterIPs"]
        && spec["ipFamilies"] == old["ipFamilies"]
}

/// Fills in policy and families, and checks those that are given against the cluster's.
pub(super) fn init_families(service: &mut Value, old: Option<&Value>) -> Result<(), Vec<Error>> {
    if service["spec"]["type"] == "ExternalName" || is_settled(service, old) {
        return Ok(());
    }
    let selects = service["spec"]["selector"].as_object().is_some_and(|selector| !selector.is_empty());
    let is_open = service["spec"]["clusterIP"] == "None" && !selects;
    if service["spec"]["ipFamilyPolicy"].is_null() {
        let before = old.map(|old| &old["spec"]["ipFamilyPolicy"]).filter(|policy| !policy.is_null());
        let fresh = || json!(if is_open { "RequireDualStack" } else { "SingleStack" });
        service["spec"]["ipFamilyPolicy"] = before.cloned().unwrap_or_else(fresh);
    }
    let errors = registry::service_address_errors(service, old);
    if !errors.is_empty() {
        return Err(errors);
    }
    let spec = &mut service["spec"];
    let mut errors = Vec::new();
    if let Some(old) = old {
        release_second(spec, &old["spec"], &mut errors);
    }
    check_single(spec, &mut errors);
    infer_families(spec, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    if is_open {
        open_families(spec);
        return Ok(());
    }
    check_configured(spec, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    if count(spec, "ipFamilies") == 0 {
        spec["ipFamilies"] = json!([CONFIGURED[0]]);
    }
    Ok(())
}

fn count(spec: &Value, list: &str) -> usize {
    spec[list].as_array().map_or(0, Vec::len)
}

fn policy_error(spec: &Value, why: &str) -> Error {
    Error::invalid(&Path::new("spec").child("ipFamilyPolicy"), spec["ipFamilyPolicy"].clone(), why)
}

/// Going down to one family is what the policy says, not what is left out.
fn release_second(spec: &mut Value, old: &Value, errors: &mut Vec<Error>) {
    let lists = [("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")];
    if spec["ipFamilyPolicy"] == "SingleStack" {
        for (list, _) in lists {
            if spec[list] == old[list]
                && let Some(entries) = spec[list].as_array_mut()
            {
                entries.truncate(1);
            }
        }
        return;
    }
    for (list, what) in lists {
        let now = count(spec, list);
        if now > 0 && now < count(old, list) {
            errors.push(policy_error(spec, &format!("must be 'SingleStack' to release the secondary {what}")));
        }
    }
}

fn check_single(spec: &Value, errors: &mut Vec<Error>) {
    for (list, what) in [("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")] {
        if spec["ipFamilyPolicy"] == "SingleStack" && count(spec, list) == 2 {
            let why = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
            errors.push(policy_error(spec, &why));
        }
    }
}

/// Addresses that are given say of which family they are.
fn infer_families(spec: &mut Value, errors: &mut Vec<Error>) {
    let addresses = spec["clusterIPs"].as_array().cloned().unwrap_or_default();
    if addresses.first().is_some_and(|first| first == "None") {
        return;
    }
    for (index, address) in addresses.iter().enumerate().skip(count(spec, "ipFamilies")) {
        let family = if address.as_str().unwrap_or_default().contains(':') { "IPv6" } else { "IPv4" };
        if !CONFIGURED.contains(&family) {
            let path = Path::new("spec").child("clusterIPs").index(index);
            let why = format!("{family} is not configured on this cluster");
            errors.push(Error::invalid(&path, spec["clusterIPs"].clone(), why));
            continue;
        }
        match spec["ipFamilies"].as_array_mut() {
            Some(families) => families.push(family.into()),
            None => spec["ipFamilies"] = json!([family]),
        }
    }
}

/// A headless Service without selector may be of families that the cluster has not.
fn open_families(spec: &mut Value) {
    let mut families = spec["ipFamilies"].as_array().cloned().unwrap_or_default();
    if families.is_empty() {
        families.push(CONFIGURED[0].into());
    }
    if families.len() < BOTH.len() && spec["ipFamilyPolicy"] != "SingleStack" {
        let other = BOTH.into_iter().find(|family| families[0] != *family);
        families.extend(other.map(Value::from));
    }
    spec["ipFamilies"] = families.into();
}

fn check_configured(spec: &Value, errors: &mut Vec<Error>) {
    if spec["ipFamilyPolicy"] == "RequireDualStack" && CONFIGURED.len() < BOTH.len() {
        errors.push(policy_error(spec, "this cluster is not configured for dual-stack services"));
    }
    for (index, family) in spec["ipFamilies"].as_array().into_iter().flatten().enumerate() {
        if !family.as_str().is_some_and(|family| CONFIGURED.contains(&family)) {
            let path = Path::new("spec").child("ipFamilies").index(index);
            errors.push(Error::invalid(&path, family.clone(), "not configured on this cluster"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    /// What becomes of policy and families, or what is wrong.
    fn of(spec: Value, old: Option<Value>, want: Expect) {
        let mut service = json!({"spec": spec});
        let old = old.map(|spec| json!({"spec": spec}));
        let text = match init_families(&mut service, old.as_ref()) {
            Ok(()) => {
                let spec = &service["spec"];
                let shown = ["ipFamilyPolicy", "ipFamilies", "clusterIPs"].map(|field| spec[field].to_string());
                shown.join(" ")
            }
            Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        };
        want.assert_eq(&text);
    }

    #[test]
    fn a_service_is_of_the_clusters_family() {
        of(json!({"type": "ClusterIP"}), None, expect![[r#""SingleStack" ["IPv4"] null"#]]);
        let prefer = json!({"type": "ClusterIP", "ipFamilyPolicy": "PreferDualStack"});
        of(prefer, None, expect![[r#""PreferDualStack" ["IPv4"] null"#]]);
        let require = json!({"type": "ClusterIP", "ipFamilyPolicy": "RequireDualStack"});
        of(
            require,
            None,
            expect![[
                r#"spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services"#
            ]],
        );
        let both = json!({"type": "ClusterIP", "ipFamilies": ["IPv4", "IPv6"]});
        of(
            both,
            None,
            expect![[
                r#"spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"#
            ]],
        );
        let bogus = json!({"type": "ClusterIP", "ipFamilies": ["IPv5"]});
        of(
            bogus,
            None,
            expect![[r#"spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6""#]],
        );
    }

    #[test]
    fn a_headless_service_without_selector_is_of_any_family() {
        let open = |more: Value| {
            let mut spec = json!({"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"]});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            spec
        };
        of(open(json!({})), None, expect![[r#""RequireDualStack" ["IPv4","IPv6"] ["None"]"#]]);
        of(open(json!({"selector": {"a": "b"}})), None, expect![[r#""SingleStack" ["IPv4"] ["None"]"#]]);
        of(open(json!({"ipFamilies": ["IPv6"]})), None, expect![[r#""RequireDualStack" ["IPv6","IPv4"] ["None"]"#]]);
        let single = json!({"ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack"});
        of(open(single), None, expect![[r#""SingleStack" ["IPv6"] ["None"]"#]]);
    }

    #[test]
    fn addresses_say_of_which_family_they_are() {
        let given = |addresses: &[&str], policy: &str| json!({"type": "ClusterIP", "clusterIP": addresses[0], "clusterIPs": addresses, "ipFamilyPolicy": policy});
        of(given(&["10.0.0.1"], "SingleStack"), None, expect![[r#""SingleStack" ["IPv4"] ["10.0.0.1"]"#]]);
        of(
            given(&["10.0.0.1", "fd00::1"], "PreferDualStack"),
            None,
            expect![[
                r#"spec.clusterIPs[1]: Invalid value: ["10.0.0.1","fd00::1"]: IPv6 is not configured on this cluster"#
            ]],
        );
        of(
            given(&["fd00::1"], "SingleStack"),
            None,
            expect![[r#"spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster"#]],
        );
    }

    #[test]
    fn the_second_family_goes_with_the_policy_only() {
        let dual = json!({"type": "ClusterIP", "ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"],
            "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"]});
        let mut single = dual.clone();
        single["ipFamilyPolicy"] = "SingleStack".into();
        of(single, Some(dual.clone()), expect![[r#""SingleStack" ["IPv4"] ["10.0.0.1"]"#]]);
        let mut fewer = dual.clone();
        fewer["clusterIPs"] = json!(["10.0.0.1"]);
        of(
            fewer,
            Some(dual.clone()),
            expect![[
                r#"spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be 'SingleStack' to release the secondary cluster IP"#
            ]],
        );
        let mut prefers = dual;
        prefers["ipFamilyPolicy"] = "PreferDualStack".into();
        of(prefers.clone(), Some(prefers), expect![[r#""PreferDualStack" ["IPv4","IPv6"] ["10.0.0.1","fd00::1"]"#]]);
    }
}
