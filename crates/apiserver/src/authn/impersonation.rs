//! Impersonation: acting as someone else, if one may (`k8s.io/apiserver/pkg/endpoints/filters/impersonation`).
//!
//! Two ways are allowed: the old verb `impersonate` on each part of the identity, and KEP-5284's constrained verbs
//! `impersonate:<mode>` on the identity together with `impersonate-on:<mode>:<verb>` on what is asked for.

use crate::authz::{forbidden, rule::go_quoted};
use crate::chain::{Authorizer, Decision};
use crate::request::{RequestInfo, decode};
use crate::user::{ALL_AUTHENTICATED, ALL_UNAUTHENTICATED, ANONYMOUS, UserInfo};
use api::status::Status;
use http::HeaderMap;
use std::collections::BTreeMap;

const AUTHENTICATION_GROUP: &str = "authentication.k8s.io";
const EXTRA_PREFIX: &str = "impersonate-extra-";
const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// The user that the headers ask for; `None` without such headers.
///
/// # Errors
/// 400 for groups, uid or extra without a user; 403 for one who may not.
pub fn impersonate(
    headers: &HeaderMap,
    user: &UserInfo,
    request: &RequestInfo,
    authorizer: &dyn Authorizer,
) -> Result<Option<UserInfo>, Status> {
    let Some(wanted) = wanted(headers)? else {
        return Ok(None);
    };
    match unconstrained(&wanted, user, authorizer) {
        Ok(()) => {}
        Err(_) => constrained(&wanted, user, request, authorizer)?,
    }
    Ok(Some(complete(wanted)))
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
}

fn wanted(headers: &HeaderMap) -> Result<Option<UserInfo>, Status> {
    let one = |name: &str| values(headers, name).first().map(|&value| value.to_owned()).unwrap_or_default();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix(EXTRA_PREFIX), value.to_str()) {
            extra.entry(decode(key, false).to_lowercase()).or_default().push(value.to_owned());
        }
    }
    let wanted = UserInfo {
        name: one("impersonate-user"),
        uid: one("impersonate-uid"),
        groups: values(headers, "impersonate-group").into_iter().map(str::to_owned).collect(),
        extra,
    };
    if !wanted.name.is_empty() {
        return Ok(Some(wanted));
    }
    if wanted == UserInfo::default() {
        return Ok(None);
    }
    let message = format!("requested {} without impersonating a user name", go_user(&wanted));
    Err(Status::bad_request(message))
}

/// Go's `%#v` of a `*user.DefaultInfo`, which upstream's message holds.
fn go_user(user: &UserInfo) -> String {
    let strings = |list: &[String]| {
        if list.is_empty() { "[]string(nil)".to_owned() } else { format!("[]string{{{}}}", inner(list)) }
    };
    let extra: Vec<String> = user.extra.iter().map(|(key, list)| format!("{key:?}:{}", strings(list))).collect();
    let extra = if extra.is_empty() { "(nil)".to_owned() } else { format!("{{{}}}", extra.join(", ")) };
    let groups = strings(&user.groups);
    format!(
        "&user.DefaultInfo{{Name:{:?}, UID:{:?}, Groups:{groups}, Extra:map[string][]string{extra}}}",
        user.name, user.uid
    )
}

fn inner(list: &[String]) -> String {
    go_quoted(list).trim_matches(['[', ']']).replace("\" \"", "\", \"")
}

/// A question about a part of an identity.
fn question(verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> RequestInfo {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    RequestInfo {
        is_resource_request: true,
        verb: verb.to_owned(),
        api_prefix: if group.is_empty() { "api" } else { "apis" }.to_owned(),
        api_group: group.to_owned(),
        api_version: "v1".to_owned(),
        namespace: namespace.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        name: name.to_owned(),
        ..RequestInfo::default()
    }
}

fn allow(user: &UserInfo, request: &RequestInfo, authorizer: &dyn Authorizer) -> Result<(), Status> {
    match authorizer.authorize(user, request) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) | Decision::NoOpinion(reason) => Err(forbidden(user, request, &reason)),
    }
}

/// The questions about everything but the name.
fn attributes(wanted: &UserInfo, verb: &str) -> Vec<RequestInfo> {
    let mut questions = Vec::new();
    questions.extend(wanted.groups.iter().map(|group| question(verb, "", "groups", "", group)));
    for (key, list) in &wanted.extra {
        let resource = format!("userextras/{key}");
        questions.extend(list.iter().map(|value| question(verb, AUTHENTICATION_GROUP, &resource, "", value)));
    }
    if !wanted.uid.is_empty() {
        questions.push(question(verb, AUTHENTICATION_GROUP, "uids", "", &wanted.uid));
    }
    questions
}

fn unconstrained(wanted: &UserInfo, user: &UserInfo, authorizer: &dyn Authorizer) -> Result<(), Status> {
    let identity = match service_account(&wanted.name) {
        Some((namespace, name)) => question("impersonate", "", "serviceaccounts", namespace, name),
        None => question("impersonate", "", "users", "", &wanted.name),
    };
    allow(user, &identity, authorizer)?;
    attributes(wanted, "impersonate").iter().try_for_each(|question| allow(user, question, authorizer))
}

fn constrained(
    wanted: &UserInfo,
    user: &UserInfo,
    request: &RequestInfo,
    authorizer: &dyn Authorizer,
) -> Result<(), Status> {
    let node = wanted.name.strip_prefix("system:node:").filter(|_| wanted.in_group("system:nodes"));
    let (mode, resource, namespace, name) = match (service_account(&wanted.name), node) {
        (Some((namespace, name)), _) => ("serviceaccount", "serviceaccounts", namespace, name),
        (None, Some(node)) => ("arbitrary-node", "nodes", "", node),
        (None, None) => ("user-info", "users", "", wanted.name.as_str()),
    };
    let on = RequestInfo { verb: format!("impersonate-on:{mode}:{}", request.verb), ..request.clone() };
    allow(user, &on, authorizer)?;
    let verb = format!("impersonate:{mode}");
    allow(user, &question(&verb, AUTHENTICATION_GROUP, resource, namespace, name), authorizer)?;
    let mut rest = attributes(wanted, &verb);
    for question in &mut rest {
        AUTHENTICATION_GROUP.clone_into(&mut question.api_group);
    }
    if mode == "arbitrary-node" {
        // The mode itself stands for the group of all nodes.
        rest.retain(|question| question.name != "system:nodes");
    }
    rest.iter().try_for_each(|question| allow(user, question, authorizer))
}

fn service_account(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')
}

/// Adds the groups that follow from the name.
fn complete(mut wanted: UserInfo) -> UserInfo {
    if wanted.groups.is_empty()
        && let Some((namespace, _)) = service_account(&wanted.name)
    {
        wanted.groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    let group = if wanted.name == ANONYMOUS { ALL_UNAUTHENTICATED } else { ALL_AUTHENTICATED };
    if !wanted.in_group(ALL_AUTHENTICATED) && !wanted.in_group(ALL_UNAUTHENTICATED) {
        wanted.groups.push(group.to_owned());
    }
    wanted
}
