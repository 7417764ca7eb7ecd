//! Impersonation: acting as someone else, if one may (`k8s.io/apiserver/pkg/endpoints/filters/impersonation`).
//!
//! Here is what the headers ask for, and which way is tried first. The ways are `modes`, what each asks is `questions`.

mod modes;
mod questions;
#[cfg(test)]
mod tests;

use crate::authz::rule::go_quoted;
use crate::chain::Authorizer;
use crate::request::{RequestInfo, decode};
use crate::user::UserInfo;
use api::status::Status;
use http::HeaderMap;
use modes::Mode;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

const EXTRA_PREFIX: &str = "impersonate-extra-";

/// Requestors whose way is remembered, as many as upstream's.
const MAX_REQUESTORS: usize = 10_000;

/// Impersonation, with a memory of the way that each requestor succeeded by last: it is tried first.
#[derive(Default)]
pub struct Impersonation {
    last: Mutex<HashMap<String, Mode>>,
}

impl Impersonation {
    /// The user that the headers ask for; `None` without such headers.
    ///
    /// # Errors
    /// 400 for groups, uid or extra without a user; 403 for one who may not: in the words of the way tried first.
    pub fn impersonate(
        &self,
        headers: &HeaderMap,
        user: &UserInfo,
        request: &RequestInfo,
        authorizer: &dyn Authorizer,
    ) -> Result<Option<UserInfo>, Status> {
        let Some(wanted) = wanted(headers)? else {
            return Ok(None);
        };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).get(&user.name).copied();
        let others = modes::ALL.into_iter().filter(|mode| Some(*mode) != last);
        let mut first_refusal = None;
        for mode in last.into_iter().chain(others).filter(|mode| mode.applies(&wanted, user)) {
            match mode.check(&wanted, user, request, authorizer) {
                Ok(found) => {
                    if last != Some(mode) {
                        self.remember(user, mode);
                    }
                    return Ok(Some(found));
                }
                Err(refusal) => first_refusal = first_refusal.or(Some(refusal)),
            }
        }
        // the last way applies to everyone, so that there is a refusal
        Err(first_refusal.unwrap_or_else(|| Status::internal("all impersonation modes failed")))
    }

    fn remember(&self, user: &UserInfo, mode: Mode) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= MAX_REQUESTORS {
            last.clear(); // it is about order alone
        }
        last.insert(user.name.clone(), mode);
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
}

fn wanted(headers: &HeaderMap) -> Result<Option<UserInfo>, Status> {
    let one = |name: &str| values(headers, name).first().map(|&value| value.to_owned()).unwrap_or_default();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        // names of headers are in lower case; what is escaped in them may not be
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix(EXTRA_PREFIX), value.to_str()) {
            extra.entry(decode(key, false)).or_default().push(value.to_owned());
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
