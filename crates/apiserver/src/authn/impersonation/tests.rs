//! Who may act as whom, and the words for who may not.

use super::*;
use crate::chain::Decision;
use expect_test::{Expect, expect};
use http::{HeaderName, HeaderValue, Method};

fn show(user: &UserInfo) -> String {
    format!("{} {} {:?} {:?}", user.name, user.uid, user.groups, user.extra)
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pairs =
        pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()));
    let mut map = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}

/// Allows the verbs in its list, on anything.
struct Verbs(&'static [&'static str]);

impl Authorizer for Verbs {
    fn authorize(&self, _user: &UserInfo, request: &RequestInfo) -> Decision {
        if self.0.contains(&request.verb.as_str()) {
            Decision::Allow(String::new())
        } else {
            Decision::NoOpinion(String::new())
        }
    }
}

fn impersonation(verbs: &'static [&'static str], pairs: &[(&str, &str)], want: Expect) {
    let request = RequestInfo::new(&Method::GET, "/api/v1/namespaces/a/pods", "");
    let text =
        match Impersonation::default().impersonate(&headers(pairs), &UserInfo::new("me", &[]), &request, &Verbs(verbs))
        {
            Ok(Some(user)) => show(&user),
            Ok(None) => "myself".to_owned(),
            Err(status) => format!("{} {}", status.code, status.message),
        };
    want.assert_eq(&text);
}

#[test]
fn acting_as_another() {
    impersonation(&[], &[], expect!["myself"]);
    impersonation(
        &["impersonate"],
        &[("impersonate-user", "alice")],
        expect![[r#"alice  ["system:authenticated"] {}"#]],
    );
    impersonation(
        &["impersonate"],
        &[("impersonate-user", "system:serviceaccount:a:b")],
        expect![[
            r#"system:serviceaccount:a:b  ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"] {}"#
        ]],
    );
    impersonation(
        &["impersonate"],
        &[("impersonate-user", "system:anonymous")],
        expect![[r#"system:anonymous  ["system:unauthenticated"] {}"#]],
    );
    impersonation(
        &["impersonate"],
        &[
            ("impersonate-user", "a"),
            ("impersonate-group", "g"),
            ("impersonate-uid", "u"),
            ("impersonate-extra-Team%2Fx", "blue"),
        ],
        expect![[r#"a u ["g", "system:authenticated"] {"team/x": ["blue"]}"#]],
    );
    impersonation(
        &["impersonate:user-info", "impersonate-on:user-info:list"],
        &[("impersonate-user", "alice")],
        expect![[r#"alice  ["system:authenticated"] {}"#]],
    );
    impersonation(
        &[],
        &[("impersonate-user", "alice")],
        expect![[
            r#"403 pods is forbidden: User "me" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "a""#
        ]],
    );
    impersonation(
        &["impersonate-on:user-info:list"],
        &[("impersonate-user", "alice")],
        expect![[
            r#"403 users.authentication.k8s.io "alice" is forbidden: User "me" cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope"#
        ]],
    );
    impersonation(
        &[],
        &[("impersonate-group", "g")],
        expect![[
            r#"400 requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"g"}, Extra:map[string][]string(nil)} without impersonating a user name"#
        ]],
    );
    impersonation(
        &[],
        &[("impersonate-extra-scopes", "g")],
        expect![[
            r#"400 requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string(nil), Extra:map[string][]string{"scopes":[]string{"g"}}} without impersonating a user name"#
        ]],
    );
}

/// Allows what its predicate does.
struct Allowing<F>(F);

impl<F: Fn(&RequestInfo) -> bool + Send + Sync> Authorizer for Allowing<F> {
    fn authorize(&self, _user: &UserInfo, request: &RequestInfo) -> Decision {
        if (self.0)(request) { Decision::Allow(String::new()) } else { Decision::NoOpinion(String::new()) }
    }
}

fn list_pods() -> RequestInfo {
    RequestInfo::new(&Method::GET, "/api/v1/namespaces/a/pods", "")
}

fn constrained(pairs: &[(&str, &str)], want: Expect) {
    let verbs = [
        "impersonate:user-info",
        "impersonate-on:user-info:list",
        "impersonate:arbitrary-node",
        "impersonate-on:arbitrary-node:list",
        "impersonate:serviceaccount",
        "impersonate-on:serviceaccount:list",
    ];
    let authorizer = Allowing(|request: &RequestInfo| verbs.contains(&request.verb.as_str()));
    let me = UserInfo::new("me", &[]);
    let text = match Impersonation::default().impersonate(&headers(pairs), &me, &list_pods(), &authorizer) {
        Ok(user) => show(&user.unwrap()),
        Err(status) => format!("{} {}", status.code, status.message),
    };
    want.assert_eq(&text);
}

#[test]
fn nobody_becomes_more_than_the_constrained_verbs_give() {
    constrained(
        &[("impersonate-user", "a"), ("impersonate-group", "system:masters")],
        expect![[
            r#"403 groups.authentication.k8s.io "system:masters" is forbidden: User "me" cannot impersonate:user-info resource "groups" in API group "authentication.k8s.io" at the cluster scope: impersonating the system:masters group is not allowed"#
        ]],
    );
    constrained(
        &[("impersonate-user", "a"), ("impersonate-group", "")],
        expect![[
            r#"403 groups.authentication.k8s.io is forbidden: User "me" cannot impersonate:user-info resource "groups" in API group "authentication.k8s.io" at the cluster scope: impersonating the empty string group is not allowed"#
        ]],
    );
    constrained(
        &[("impersonate-user", "a"), ("impersonate-extra-scopes", "x")],
        expect![[
            r#"403 userextras.authentication.k8s.io is forbidden: User "me" cannot impersonate:user-info resource "userextras" in API group "authentication.k8s.io" at the cluster scope: impersonating an invalid key in extra is not allowed: extra.key: Invalid value: "scopes": must be a domain-prefixed path (such as "acme.io/foo")"#
        ]],
    );
    constrained(
        &[("impersonate-user", "a"), ("impersonate-extra-acme.io%2f%41", "x")],
        expect![[
            r#"403 userextras.authentication.k8s.io is forbidden: User "me" cannot impersonate:user-info resource "userextras" in API group "authentication.k8s.io" at the cluster scope: impersonating a non-lowercase key in extra is not allowed: "acme.io/A""#
        ]],
    );
    // a node or a service account comes with the groups that it has, not with others
    constrained(
        &[("impersonate-user", "system:node:n"), ("impersonate-group", "x")],
        expect![[
            r#"403 users "system:node:n" is forbidden: User "me" cannot impersonate resource "users" in API group "" at the cluster scope"#
        ]],
    );
    constrained(
        &[("impersonate-user", "system:serviceaccount:a:b"), ("impersonate-uid", "x")],
        expect![[
            r#"403 serviceaccounts "b" is forbidden: User "me" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "a""#
        ]],
    );
}

#[test]
fn constrained_users_have_the_groups_of_their_kind() {
    constrained(
        &[("impersonate-user", "system:node:n")],
        expect![[r#"system:node:n  ["system:nodes", "system:authenticated"] {}"#]],
    );
    constrained(
        &[("impersonate-user", "system:serviceaccount:a:b")],
        expect![[
            r#"system:serviceaccount:a:b  ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"] {}"#
        ]],
    );
    // not the name of a service account
    constrained(
        &[("impersonate-user", "system:serviceaccount:a:b:c")],
        expect![[r#"system:serviceaccount:a:b:c  ["system:authenticated"] {}"#]],
    );
    constrained(
        &[("impersonate-user", "a"), ("impersonate-group", "g"), ("impersonate-extra-acme.io%2fx", "y")],
        expect![[r#"a  ["g", "system:authenticated"] {"acme.io/x": ["y"]}"#]],
    );
}

#[test]
fn a_service_account_acts_as_the_node_it_runs_on() {
    let mut agent = UserInfo::new("system:serviceaccount:a:agent", &[]);
    agent.extra.insert("authentication.kubernetes.io/node-name".to_owned(), vec!["n1".to_owned()]);
    let authorizer = Allowing(|request: &RequestInfo| {
        let on = request.verb == "impersonate-on:associated-node:list";
        on || (request.verb == "impersonate:associated-node" && request.resource == "nodes" && request.name == "*")
    });
    let act = |node: &str| {
        let headers = headers(&[("impersonate-user", node)]);
        Impersonation::default().impersonate(&headers, &agent, &list_pods(), &authorizer)
    };
    let found = act("system:node:n1").unwrap().unwrap();
    assert_eq!(found.groups, ["system:nodes", "system:authenticated"]);
    expect![[r#"pods is forbidden: User "system:serviceaccount:a:agent" cannot impersonate-on:arbitrary-node:list resource "pods" in API group "" in the namespace "a""#]]
        .assert_eq(&act("system:node:n2").unwrap_err().message);
}

#[test]
fn many_groups_may_be_allowed_at_once() {
    let authorizer = Allowing(|request: &RequestInfo| request.resource != "groups" || request.name == "*");
    let act = |count: usize| {
        let mut pairs = vec![("impersonate-user", "a")];
        pairs.extend(std::iter::repeat_n(("impersonate-group", "g"), count));
        Impersonation::default().impersonate(&headers(&pairs), &UserInfo::new("me", &[]), &list_pods(), &authorizer)
    };
    assert!(act(4).is_ok());
    assert!(act(3).is_err());
}

#[test]
fn the_way_that_went_last_is_tried_first_and_refuses_in_its_words() {
    let ways = Impersonation::default();
    let authorizer = Allowing(|request: &RequestInfo| request.verb == "impersonate" && request.name == "alice");
    let act = |name: &str| {
        ways.impersonate(&headers(&[("impersonate-user", name)]), &UserInfo::new("me", &[]), &list_pods(), &authorizer)
    };
    let on_pods = r#"pods is forbidden: User "me" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "a""#;
    assert_eq!(act("bob").unwrap_err().message, on_pods);
    assert_eq!(act("alice").unwrap().unwrap().name, "alice");
    let users = r#"users "bob" is forbidden: User "me" cannot impersonate resource "users" in API group "" at the cluster scope"#;
    assert_eq!(act("bob").unwrap_err().message, users);
}
