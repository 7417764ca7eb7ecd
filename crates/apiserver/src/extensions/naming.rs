//! Which names a definition gets, and what its status says of it. Pure.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

const APPROVAL_ANNOTATION: &str = "api-approved.kubernetes.io";

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn condition<'v>(definition: &'v Value, kind: &str) -> Option<&'v Value> {
    definition["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == kind)
}

fn is_true(definition: &Value, kind: &str) -> bool {
    condition(definition, kind).is_some_and(|one| one["status"] == "True")
}

/// Whether instances may be served.
pub(super) fn is_established(definition: &Value) -> bool {
    is_true(definition, "Established")
}

/// Whether the definition waits for the end of its instances.
pub(super) fn is_cleaning(definition: &Value) -> bool {
    let finalizers = definition["metadata"]["finalizers"].as_array();
    definition["metadata"].get("deletionTimestamp").is_some()
        && finalizers.is_some_and(|list| list.iter().any(|one| one == super::cleanup::FINALIZER))
}

/// All that rows depend on, as text.
pub(super) fn facts(definition: &Value) -> String {
    let deleting = definition["metadata"].get("deletionTimestamp").is_some();
    format!(
        "{}{}{}{deleting}",
        definition["metadata"]["uid"], definition["spec"], definition["status"]["acceptedNames"]
    )
}

/// The names in use by the other definitions of the group: of resources, and of kinds.
fn used<'v>(group: &str, others: impl Iterator<Item = &'v Value>) -> (Vec<&'v str>, Vec<&'v str>) {
    let (mut resources, mut kinds) = (Vec::new(), Vec::new());
    for other in others.filter(|other| text(&other["spec"], "group") == group) {
        let names = &other["status"]["acceptedNames"];
        let short = names["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        resources.extend([text(names, "plural"), text(names, "singular")].into_iter().chain(short));
        kinds.extend([text(names, "kind"), text(names, "listKind")]);
    }
    resources.retain(|name| !name.is_empty());
    kinds.retain(|name| !name.is_empty());
    (resources, kinds)
}

/// Whether a name is the one that was accepted, or is not in use.
fn check(requested: &str, accepted: &str, used: &[&str]) -> Result<(), String> {
    if requested == accepted || !used.contains(&requested) {
        return Ok(());
    }
    Err(format!("{requested:?} is already in use"))
}

/// The accepted names, and the condition that says whether all were.
fn names(definition: &Value, resources: &[&str], kinds: &[&str]) -> (Map<String, Value>, Value) {
    let (requested, accepted) = (&definition["spec"]["names"], &definition["status"]["acceptedNames"]);
    let mut names = accepted.as_object().cloned().unwrap_or_default();
    let mut conflict: Option<(&str, String)> = None;
    let mut one = |field: &str, reason: &'static str, used: &[&str]| match check(
        text(requested, field),
        text(accepted, field),
        used,
    ) {
        Ok(()) => {
            names.insert(field.to_owned(), text(requested, field).into());
        }
        Err(words) => conflict = Some((reason, words)),
    };
    one("plural", "PluralConflict", resources);
    one("singular", "SingularConflict", resources);
    let list = |names: &Value, field: &str| names.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let (short, own) = (list(requested, "shortNames"), list(accepted, "shortNames"));
    let foreign = short.iter().filter(|name| !own.contains(name)).filter_map(Value::as_str);
    let errors: Vec<String> = foreign.filter_map(|name| check(name, "", resources).err()).collect();
    match errors.as_slice() {
        [] => set_list(&mut names, "shortNames", short),
        [only] => conflict = Some(("ShortNamesConflict", only.clone())),
        many => conflict = Some(("ShortNamesConflict", format!("[{}]", many.join(", ")))),
    }
    let mut one = |field: &str, reason: &'static str| match check(text(requested, field), text(accepted, field), kinds)
    {
        Ok(()) => {
            names.insert(field.to_owned(), text(requested, field).into());
        }
        Err(words) => conflict = Some((reason, words)),
    };
    one("kind", "KindConflict");
    one("listKind", "ListKindConflict");
    set_list(&mut names, "categories", list(requested, "categories"));
    let condition = match conflict {
        None => json!({"type": "NamesAccepted", "status": "True", "reason": "NoConflicts",
            "message": "no conflicts found"}),
        Some((reason, words)) => {
            json!({"type": "NamesAccepted", "status": "False", "reason": reason, "message": words})
        }
    };
    (names, condition)
}

fn set_list(names: &mut Map<String, Value>, field: &str, list: Vec<Value>) {
    if list.is_empty() {
        names.remove(field);
    } else {
        names.insert(field.to_owned(), list.into());
    }
}

/// Sets a condition; its time changes only with its status.
fn set(conditions: &mut Vec<Value>, mut condition: Value, now: &str) {
    let old = conditions.iter_mut().find(|one| one["type"] == condition["type"]);
    let time =
        old.as_ref().filter(|old| old["status"] == condition["status"]).map(|old| old["lastTransitionTime"].clone());
    condition["lastTransitionTime"] = time.unwrap_or_else(|| now.into());
    match old {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}

/// Whether a group of the community has had its API reviewed.
fn approval(definition: &Value) -> Option<Value> {
    let group = text(&definition["spec"], "group");
    if !group.ends_with(".k8s.io") && !group.ends_with(".kubernetes.io") {
        return None;
    }
    let kind = "KubernetesAPIApprovalPolicyConformant";
    let text = definition["metadata"]["annotations"].get(APPROVAL_ANNOTATION).and_then(Value::as_str)?;
    Some(if text.starts_with("unapproved") {
        json!({"type": kind, "status": "False", "reason": "UnapprovedAnnotation", "message": format!("not approved: {text:?}")})
    } else {
        json!({"type": kind, "status": "True", "reason": "ApprovedAnnotation", "message": format!("approved in {text}")})
    })
}

/// The definition with the status that it should have; `None` when it has it. One that was deleted before its names were
/// written down is named all the same: instances may have been made, and are reached by its rows until they are gone.
pub(super) fn plan<'v>(definition: &Value, others: impl Iterator<Item = &'v Value>, now: Timestamp) -> Option<Value> {
    let (resources, kinds) = used(text(&definition["spec"], "group"), others);
    let (names, accepted) = names(definition, &resources, &kinds);
    let established = if is_established(definition) || accepted["status"] == "True" {
        json!({"type": "Established", "status": "True", "reason": "InitialNamesAccepted",
            "message": "the initial names have been accepted"})
    } else {
        json!({"type": "Established", "status": "False", "reason": "NotAccepted",
            "message": "not all names are accepted"})
    };
    let now = api::time::format_seconds(now);
    let mut conditions = definition["status"]["conditions"].as_array().cloned().unwrap_or_default();
    set(&mut conditions, accepted, &now);
    set(&mut conditions, established, &now);
    if let Some(approval) = approval(definition) {
        set(&mut conditions, approval, &now);
    }
    let mut planned = definition.clone();
    let status = api::meta::child_mut(&mut planned, "status");
    status.insert("conditions".to_owned(), conditions.into());
    status.insert("acceptedNames".to_owned(), names.into());
    (planned["status"] != definition["status"]).then_some(planned)
}

/// The definition whose instances are being deleted now; `None` when its status says so.
pub(super) fn in_cleanup(definition: &Value, now: Timestamp) -> Option<Value> {
    let mut planned = definition.clone();
    let mut conditions = definition["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let condition = json!({"type": "Terminating", "status": "True", "reason": "InstanceDeletionInProgress",
        "message": "CustomResource deletion is in progress"});
    set(&mut conditions, condition, &api::time::format_seconds(now));
    api::meta::child_mut(&mut planned, "status").insert("conditions".to_owned(), conditions.into());
    (planned["status"] != definition["status"]).then_some(planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(name: &str, kind: &str) -> Value {
        json!({"metadata": {"name": name}, "spec": {"group": "example.com", "names": {"plural": name,
            "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")}},
            "status": {"conditions": null, "acceptedNames": {"plural": "", "kind": ""}}})
    }

    #[test]
    fn the_end_is_in_progress_once() {
        let now = Timestamp::UNIX_EPOCH;
        let ending = in_cleanup(&definition("dups", "Dup"), now).unwrap();
        assert_eq!(condition(&ending, "Terminating").unwrap()["reason"], "InstanceDeletionInProgress");
        assert!(in_cleanup(&ending, now).is_none());
    }

    #[test]
    fn what_is_deleted_at_once_is_named_all_the_same() {
        let mut deleted = definition("dups", "Dup");
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let planned = plan(&deleted, std::iter::empty(), Timestamp::UNIX_EPOCH).unwrap();
        assert!(is_established(&planned));
        assert!(plan(&planned, std::iter::empty(), Timestamp::UNIX_EPOCH).is_none());
    }

    #[test]
    fn the_second_of_two_with_one_kind_waits() {
        let now = Timestamp::UNIX_EPOCH;
        let first = plan(&definition("dups", "Dup"), std::iter::empty(), now).unwrap();
        assert!(is_established(&first));
        assert!(plan(&first, std::iter::empty(), now).is_none());
        let second = plan(&definition("dupes", "Dup"), [&first].into_iter(), now).unwrap();
        let accepted = condition(&second, "NamesAccepted").unwrap();
        assert_eq!(accepted["reason"], "ListKindConflict");
        assert_eq!(accepted["message"], "\"DupList\" is already in use");
        assert_eq!(condition(&second, "Established").unwrap()["reason"], "NotAccepted");
        // Once the first is gone, the second gets what it asked for.
        assert!(is_established(&plan(&second, std::iter::empty(), now).unwrap()));
    }
}
