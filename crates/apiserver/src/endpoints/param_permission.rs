//! Who has policies read parameters must be allowed to read them: else the writer of a policy or of a binding learns by its
//! decisions what is in objects that are kept from him (`k8s.io/kubernetes/pkg/registry/admissionregistration`, `authz.go`).

use crate::call::Call;
use crate::chain::Decision;
use crate::reader::ObjectReader;
use crate::request::RequestInfo;
use crate::user::{SYSTEM_PRIVILEGED_GROUP, UserInfo};
use api::field::{Error, Path};
use serde_json::Value;

const GROUP: &str = "admissionregistration.k8s.io";
/// Any group, resource, name or namespace.
const ALL: &str = "*";

/// What stands against a policy or binding that is otherwise valid; `old` is `Null` for a new one.
pub fn check(call: &Call<'_>, new: &Value, old: &Value) -> Option<Error> {
    if &*call.row.group != GROUP || call.user.in_group(SYSTEM_PRIVILEGED_GROUP) {
        return None;
    }
    let (new, old) = (&new["spec"], &old["spec"]);
    let (field, refused) = match &*call.row.plural {
        "validatingadmissionpolicies" | "mutatingadmissionpolicies" => {
            let is_new = !new["paramKind"].is_null() && new["paramKind"] != old["paramKind"];
            ("paramKind", is_new.then(|| of_policy(call, &new["paramKind"])).flatten())
        }
        "validatingadmissionpolicybindings" | "mutatingadmissionpolicybindings" => {
            let same = new["paramRef"] == old["paramRef"] && new["policyName"] == old["policyName"];
            let is_new = !new["paramRef"].is_null() && !same;
            ("paramRef", is_new.then(|| of_binding(call, new)).flatten())
        }
        _ => return None,
    };
    refused.map(|why| Error::forbidden(&Path::new("spec").child(field), why))
}

/// The group and resource of a kind, as far as they are known.
fn resolved(call: &Call<'_>, kind: &Value) -> (String, Option<String>) {
    let version = text(&kind["apiVersion"]);
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let rows = call.api.rows.all();
    let row =
        rows.iter().find(|row| &*row.group == group && &*row.version == version && *row.kind == *text(&kind["kind"]));
    (group.to_owned(), row.map(|row| row.plural.to_string()))
}

fn may(call: &Call<'_>, verb: &str, (group, resource): (String, String), (namespace, name): (&str, &str)) -> bool {
    let question = RequestInfo {
        is_resource_request: true,
        verb: verb.to_owned(),
        api_group: group,
        resource,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..RequestInfo::default()
    };
    matches!(call.api.chain.authorizer.authorize(call.user, &question), Decision::Allow(_))
}

/// A policy may come to read every object of the kind.
fn of_policy(call: &Call<'_>, kind: &Value) -> Option<String> {
    let (group, resource) = resolved(call, kind);
    let resource = resource.unwrap_or_else(|| ALL.to_owned());
    if may(call, "get", (group, resource), (ALL, ALL)) {
        return None;
    }
    let (user, kind, version) = (go_user(call.user), text(&kind["kind"]), text(&kind["apiVersion"]));
    Some(format!(
        "user {user} must have \"get\" permission on all objects of the referenced paramKind (kind={kind}, apiVersion={version})"
    ))
}

/// A binding reads what it refers to, of the kind that its policy names.
fn of_binding(call: &Call<'_>, spec: &Value) -> Option<String> {
    let policies = call.row.plural.replace("bindings", "").replace("policy", "policies");
    let policy_name = text(&spec["policyName"]);
    let policy = call.api.cache.get(GROUP, &policies, "", policy_name);
    let kind = policy.as_ref().map(|policy| &policy["spec"]["paramKind"]).filter(|kind| !kind.is_null());
    let (group, resource) = kind.map_or_else(|| (ALL.to_owned(), None), |kind| resolved(call, kind));
    let is_unresolved = kind.is_some() && resource.is_none();
    let reference = &spec["paramRef"];
    let (namespace, name) = (text(&reference["namespace"]), text(&reference["name"]));
    let verb = if name.is_empty() { "list" } else { "get" };
    if may(call, verb, (group, resource.unwrap_or_else(|| ALL.to_owned())), (namespace, name)) {
        return None;
    }
    let user = go_user(call.user);
    let rest = format!(
        "to determine minimum required permissions and user {user} does not have \"{verb}\" permission for all groups, versions and resources"
    );
    Some(match kind {
        _ if policy.is_none() => format!("unable to get policy {policy_name} {rest}"),
        Some(kind) if is_unresolved => {
            format!("unable to resolve paramKind &{{{} {}}} {rest}", text(&kind["apiVersion"]), text(&kind["kind"]))
        }
        // upstream has the two the wrong way round
        _ => format!("user {verb} does not have \"{user}\" permission on the object referenced by paramRef"),
    })
}

/// A user as Go prints its struct.
fn go_user(user: &UserInfo) -> String {
    let extra: Vec<String> = user.extra.iter().map(|(key, values)| format!("{key}:[{}]", values.join(" "))).collect();
    format!("&{{{} {} [{}] map[{}]}}", user.name, user.uid, user.groups.join(" "), extra.join(" "))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
