//! What is asked: upstream's `RequestInfo` (`k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`), read from method,
//! path and query alone.
//!
//! What not: whether the resource exists and whether the user may; those are the router's and the authorizer's.

use http::Method;

/// The query of a request: decoded pairs in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`, with percent signs and pluses decoded. Pairs that are none (by Go's parser: with a semicolon, or a
    /// percent sign without its digits) are left out in silence.
    pub fn parse(text: &str) -> Self {
        let whole = |pair: &&str| !pair.is_empty() && !pair.contains(';') && is_escaped_well(pair);
        let pairs = text.split('&').filter(whole).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        });
        Self(pairs.collect())
    }

    /// The first value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// All values of `key`.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Whether `key` is there and reads as true: upstream's conversion of booleans (`false`, `0` and absence are false).
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"))
    }

    /// The pairs.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// Whether each percent sign has its two digits.
fn is_escaped_well(text: &str) -> bool {
    let digits = |part: &str| part.len() >= 2 && part.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    text.split('%').skip(1).all(digits)
}

/// Undoes percent encoding; bytes that are no UTF-8 are replaced.
pub fn decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[at], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) if plus_is_space => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A request as authorization, admission and routing see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Whether the path lies below `/api/…` or `/apis/…/…` and names a resource.
    pub is_resource_request: bool,
    /// The path as the client sent it, undecoded.
    pub path: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for other paths the method in
    /// lower case.
    pub verb: String,
    /// `api` or `apis`.
    pub api_prefix: String,
    /// Empty for core.
    pub api_group: String,
    /// `v1`
    pub api_version: String,
    /// Empty for cluster-scoped resources and for all namespaces.
    pub namespace: String,
    /// The plural, `pods`.
    pub resource: String,
    /// `status`; empty for the object itself. Only the first element: for `proxy` the rest is in [`Self::parts`].
    pub subresource: String,
    /// Empty for collections. For `list` and `watch` it is the name in `fieldSelector=metadata.name=…`, if any.
    pub name: String,
    /// The path elements from the resource on.
    pub parts: Vec<String>,
    /// The query.
    pub query: Query,
}

/// Path elements that upstream takes for verbs in front of the resource.
const SPECIAL_VERBS: [&str; 2] = ["proxy", "watch"];
/// Subresources of namespaces; else `/namespaces/x/y` means resource `y` in namespace `x`.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

impl RequestInfo {
    /// Reads method, path and query.
    pub fn new(method: &Method, path: &str, query: &str) -> Self {
        let mut info = Self {
            path: path.to_owned(),
            verb: method.as_str().to_ascii_lowercase(),
            query: Query::parse(query),
            ..Self::default()
        };
        let elements: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).map(|part| decode(part, false)).collect();
        let mut rest = elements.as_slice();
        if rest.len() < 3 || !(rest[0] == "api" || rest[0] == "apis") {
            return info;
        }
        info.api_prefix = rest[0].clone();
        rest = &rest[1..];
        if info.api_prefix == "apis" {
            if rest.len() < 3 {
                return info;
            }
            info.api_group = rest[0].clone();
            rest = &rest[1..];
        }
        info.is_resource_request = true;
        info.api_version = rest[0].clone();
        rest = &rest[1..];
        if rest.len() > 1 && SPECIAL_VERBS.contains(&rest[0].as_str()) {
            info.verb = rest[0].clone();
            rest = &rest[1..];
        } else {
            info.verb = match method.as_str() {
                "POST" => "create",
                "GET" | "HEAD" => "get",
                "PUT" => "update",
                "PATCH" => "patch",
                "DELETE" => "delete",
                _ => "",
            }
            .to_owned();
        }
        info.read_parts(rest);
        info.refine_verb();
        info
    }

    fn read_parts(&mut self, mut rest: &[String]) {
        if rest.first().is_some_and(|part| part == "namespaces") && rest.len() > 1 {
            self.namespace = rest[1].clone();
            if rest.len() > 2 && !NAMESPACE_SUBRESOURCES.contains(&rest[2].as_str()) {
                rest = &rest[2..];
            }
        }
        self.parts = rest.to_vec();
        self.resource = rest.first().cloned().unwrap_or_default();
        self.name = rest.get(1).cloned().unwrap_or_default();
        self.subresource = rest.get(2).cloned().unwrap_or_default();
    }

    /// A `get` without a name is a `list` or `watch`, a `delete` without a name a `deletecollection`.
    fn refine_verb(&mut self) {
        if self.name.is_empty() && self.verb == "get" {
            self.verb = if self.query.flag("watch") { "watch" } else { "list" }.to_owned();
        }
        if matches!(self.verb.as_str(), "list" | "watch") && self.name.is_empty() {
            self.name = self.query.get("fieldSelector").and_then(metadata_name).unwrap_or_default();
        }
        if self.name.is_empty() && self.verb == "delete" {
            "deletecollection".clone_into(&mut self.verb);
        }
    }

    /// `pods/status`, `pods`: the resource as RBAC names it.
    pub fn resource_and_subresource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

/// The name in a field selector that demands `metadata.name=x`.
fn metadata_name(selector: &str) -> Option<String> {
    selector.split(',').find_map(|term| {
        let (field, value) = term.split_once('=')?;
        (field == "metadata.name").then(|| value.trim_start_matches('=').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(method: Method, path: &str, query: &str, want: Expect) {
        let i = RequestInfo::new(&method, path, query);
        let text = format!(
            "{} {} {}/{} ns={} {} name={} sub={}",
            i.is_resource_request, i.verb, i.api_group, i.api_version, i.namespace, i.resource, i.name, i.subresource
        );
        want.assert_eq(&text);
    }

    /// As an apiextensions-apiserver 1.36.4 answered.
    #[test]
    fn pairs_that_are_none_are_left_out() {
        let query = Query::parse("limit=2&continue=%%%&a;b=1&c=x;y&=z&d=%zz&e=%41+b&f=%4");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(query.pairs(), [pair("limit", "2"), pair("", "z"), pair("e", "A b")]);
    }

    #[test]
    fn paths_read_as_upstream_reads_them() {
        check(Method::GET, "/api/v1/namespaces/a/pods", "", expect!["true list /v1 ns=a pods name= sub="]);
        check(Method::GET, "/api/v1/pods", "watch=1", expect!["true watch /v1 ns= pods name= sub="]);
        check(Method::GET, "/api/v1/namespaces/a", "", expect!["true get /v1 ns=a namespaces name=a sub="]);
        check(
            Method::PUT,
            "/api/v1/namespaces/a/finalize",
            "",
            expect!["true update /v1 ns=a namespaces name=a sub=finalize"],
        );
        check(
            Method::DELETE,
            "/apis/apps/v1/namespaces/a/deployments",
            "",
            expect!["true deletecollection apps/v1 ns=a deployments name= sub="],
        );
        check(
            Method::GET,
            "/api/v1/nodes",
            "watch=true&fieldSelector=metadata.name%3Dn1",
            expect!["true watch /v1 ns= nodes name=n1 sub="],
        );
        check(Method::GET, "/apis/apps/v1", "", expect!["false get / ns=  name= sub="]);
        check(
            Method::POST,
            "/api/v1/namespaces/a/pods/p/eviction",
            "",
            expect!["true create /v1 ns=a pods name=p sub=eviction"],
        );
        check(Method::GET, "/api/v1/watch/namespaces/a/pods", "", expect!["true watch /v1 ns=a pods name= sub="]);
    }
}
