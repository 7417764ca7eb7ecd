//! What is asked of authorization before someone may act as someone else: each part of the identity on its own.

use super::modes::{node_of, service_account};
use crate::authz::{forbidden, rule::go_quoted};
use crate::chain::{Authorizer, Decision};
use crate::request::RequestInfo;
use crate::user::{SYSTEM_PRIVILEGED_GROUP, UserInfo};
use api::field::Path;
use api::status::Status;
use std::collections::BTreeMap;

const AUTHENTICATION_GROUP: &str = "authentication.k8s.io";
/// Of so many groups, or values of extra, on it is asked first whether the requestor may have all there are.
const MANY: usize = 4;

/// The verb that is asked for.
#[derive(Clone, Copy)]
pub(super) enum Verb {
    /// `impersonate`
    Impersonate,
    /// `impersonate:` and the way's name: of another group, and never for who may do all.
    Constrained(&'static str),
}

/// Whether a user may.
pub(super) fn ask(user: &UserInfo, request: &RequestInfo, authorizer: &dyn Authorizer) -> Result<(), Status> {
    match authorizer.authorize(user, request) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) | Decision::NoOpinion(reason) => Err(forbidden(user, request, &reason)),
    }
}

impl Verb {
    fn is_constrained(self) -> bool {
        matches!(self, Self::Constrained(_))
    }

    /// The group of names and groups.
    fn group(self) -> &'static str {
        if self.is_constrained() { AUTHENTICATION_GROUP } else { "" }
    }

    fn question(self, group: &str, resource: &str, name: &str) -> RequestInfo {
        RequestInfo {
            is_resource_request: true,
            verb: match self {
                Self::Impersonate => "impersonate".to_owned(),
                Self::Constrained(mode) => format!("impersonate:{mode}"),
            },
            api_prefix: if group.is_empty() { "api" } else { "apis" }.to_owned(),
            api_group: group.to_owned(),
            api_version: "v1".to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            ..RequestInfo::default()
        }
    }

    /// Asks about everything that is wanted.
    pub(super) fn check_identity(
        self,
        wanted: &UserInfo,
        requestor: &UserInfo,
        authorizer: &dyn Authorizer,
    ) -> Result<(), Status> {
        ask(requestor, &self.name_question(&wanted.name), authorizer)?;
        if !wanted.uid.is_empty() {
            ask(requestor, &self.question(AUTHENTICATION_GROUP, "uids", &wanted.uid), authorizer)?;
        }
        self.check_groups(&wanted.groups, requestor, authorizer)?;
        self.check_extra(&wanted.extra, requestor, authorizer)
    }

    fn name_question(self, name: &str) -> RequestInfo {
        if let Some((namespace, account)) = service_account(name) {
            let question = self.question(self.group(), "serviceaccounts", account);
            return RequestInfo { namespace: namespace.to_owned(), ..question };
        }
        match node_of(name).filter(|_| self.is_constrained()) {
            // who may act as the node it runs on may so on any node
            Some(_) if matches!(self, Self::Constrained("associated-node")) => {
                self.question(self.group(), "nodes", "*")
            }
            Some(node) => self.question(self.group(), "nodes", node),
            None => self.question(self.group(), "users", name),
        }
    }

    fn check_groups(self, groups: &[String], requestor: &UserInfo, authorizer: &dyn Authorizer) -> Result<(), Status> {
        let question = |name: &str| self.question(self.group(), "groups", name);
        if self.is_constrained() {
            let refuse = |name: &str, why: &str| Err(forbidden(requestor, &question(name), why));
            if groups.iter().any(String::is_empty) {
                return refuse("", "impersonating the empty string group is not allowed");
            }
            if groups.iter().any(|group| group == SYSTEM_PRIVILEGED_GROUP) {
                return refuse(SYSTEM_PRIVILEGED_GROUP, "impersonating the system:masters group is not allowed");
            }
            if groups.len() >= MANY && ask(requestor, &question("*"), authorizer).is_ok() {
                return Ok(());
            }
        }
        groups.iter().try_for_each(|group| ask(requestor, &question(group), authorizer))
    }

    fn check_extra(
        self,
        extra: &BTreeMap<String, Vec<String>>,
        requestor: &UserInfo,
        authorizer: &dyn Authorizer,
    ) -> Result<(), Status> {
        let question = |key: &str, value: &str| {
            let question = self.question(AUTHENTICATION_GROUP, "userextras", value);
            RequestInfo { subresource: key.to_owned(), ..question }
        };
        if self.is_constrained() {
            for (key, values) in extra {
                let refuse = |why: String| forbidden(requestor, &question("", ""), &why);
                check_extra_form(key, values).map_err(refuse)?;
            }
            let count: usize = extra.values().map(Vec::len).sum();
            if count.max(extra.len()) >= MANY && ask(requestor, &question("*", "*"), authorizer).is_ok() {
                return Ok(());
            }
        }
        let mut all = extra.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        all.try_for_each(|(key, value)| ask(requestor, &question(key, value), authorizer))
    }
}

/// `validateExtra`
fn check_extra_form(key: &str, values: &[String]) -> Result<(), String> {
    if key.is_empty() {
        return Err("impersonating the empty string key in extra is not allowed".to_owned());
    }
    let errors = registry::domain_prefixed_path(&Path::new("extra").child("key"), key);
    if !errors.is_empty() {
        let errors = api::field::aggregate(&errors);
        return Err(format!("impersonating an invalid key in extra is not allowed: {errors}"));
    }
    if key != key.to_lowercase() {
        let key = go_quoted(&[key.to_owned()]);
        let key = key.trim_matches(['[', ']']);
        return Err(format!("impersonating a non-lowercase key in extra is not allowed: {key}"));
    }
    if values.iter().any(String::is_empty) {
        return Err("impersonating the empty string value in extra is not allowed".to_owned());
    }
    Ok(())
}
