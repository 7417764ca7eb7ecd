//! Resources that are questions: TokenReview, SelfSubjectReview, the access reviews, and TokenRequest.

use crate::authn::Authenticators;
use crate::authz::Authorizers;
use crate::chain::{Authorizer, Decision, Reviews};
use crate::request::RequestInfo;
use crate::tokens::{Refused, ServiceAccountTokens};
use crate::user::UserInfo;
use api::status::{Status, Subject};
use clock::SharedClock;
use registry::Resource;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const AUTHORIZATION: &str = "authorization.k8s.io";

/// Answers reviews with the same authenticators and authorizers that requests meet.
pub struct SecurityReviews {
    authenticators: Authenticators,
    authorizers: Authorizers,
    tokens: Arc<ServiceAccountTokens>,
    clock: SharedClock,
}

impl SecurityReviews {
    /// Reviews by these.
    pub fn new(
        authenticators: Authenticators,
        authorizers: Authorizers,
        tokens: Arc<ServiceAccountTokens>,
        clock: SharedClock,
    ) -> Self {
        Self { authenticators, authorizers, tokens, clock }
    }

    fn token_review(&self, body: &Value) -> Result<Value, Status> {
        let token = body["spec"]["token"].as_str().unwrap_or_default();
        if token.is_empty() {
            return Err(Status::bad_request("token is required for TokenReview in authentication"));
        }
        let audiences = strings(&body["spec"]["audiences"]);
        let status = match self.authenticators.token_user(token, &audiences) {
            Ok(found) => {
                let audiences = self.tokens.matching_audiences(token, &audiences);
                json!({"authenticated": true, "user": user_value(&found.user), "audiences": audiences})
            }
            Err(Refused::Unknown) => json!({"user": {}, "error": "invalid bearer token"}),
            Err(Refused::Because(why)) => json!({"user": {}, "error": format!("[invalid bearer token, {why}]")}),
        };
        Ok(with_status(body, status))
    }

    fn self_subject_review(&self, user: &UserInfo, body: &Value) -> Value {
        let mut answer = with_status(body, json!({"userInfo": user_value(user)}));
        let now = self.clock.now().as_second();
        let now = jiff::Timestamp::from_second(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        answer["metadata"] = json!({"creationTimestamp": now.to_string()});
        answer
    }

    fn access_review(&self, user: &UserInfo, body: &Value) -> Value {
        let request = request_of(&body["spec"]);
        let mut status = Map::new();
        let (allowed, reason) = match self.authorizers.authorize(user, &request) {
            Decision::Allow(reason) => (true, reason),
            Decision::NoOpinion(reason) => (false, reason),
            Decision::Deny(reason) => {
                status.insert("denied".to_owned(), true.into());
                (false, reason)
            }
        };
        status.insert("allowed".to_owned(), allowed.into());
        if !reason.is_empty() {
            status.insert("reason".to_owned(), reason.into());
        }
        with_status(body, status.into())
    }

    fn subject_access_review(&self, resource: &Resource, body: &Value) -> Result<Value, Status> {
        check(resource, body)?;
        Ok(self.access_review(&user_of(&body["spec"]), body))
    }

    fn local_subject_access_review(
        &self,
        request: &RequestInfo,
        resource: &Resource,
        body: &Value,
    ) -> Result<Value, Status> {
        let mut body = body.clone();
        api::meta::child_mut(&mut body, "metadata").insert("namespace".to_owned(), request.namespace.clone().into());
        self.subject_access_review(resource, &body)
    }

    fn self_subject_rules_review(&self, user: &UserInfo, body: &Value) -> Result<Value, Status> {
        let namespace = body["spec"]["namespace"].as_str().unwrap_or_default();
        if namespace.is_empty() {
            return Err(Status::bad_request("no namespace on request"));
        }
        let (resource_rules, non_resource_rules) = self.authorizers.rules_for(user, namespace);
        let is_node = crate::authz::node_name(user).is_some();
        let mut status = json!({
            "resourceRules": resource_rules, "nonResourceRules": non_resource_rules, "incomplete": is_node,
        });
        if is_node {
            // what a node may is said by what runs on it, not by rules
            status["evaluationError"] = "node authorizer does not support user rule resolution".into();
        }
        Ok(with_status(body, status))
    }
}

impl Reviews for SecurityReviews {
    fn review(
        &self,
        user: &UserInfo,
        request: &RequestInfo,
        resource: &Resource,
        body: &Value,
    ) -> Option<Result<Value, Status>> {
        let answer = match (&*resource.group, &*resource.plural, request.subresource.as_str()) {
            ("", "serviceaccounts", "token") => self.tokens.create(request, body),
            ("authentication.k8s.io", "tokenreviews", "") => self.token_review(body),
            ("authentication.k8s.io", "selfsubjectreviews", "") => Ok(self.self_subject_review(user, body)),
            (AUTHORIZATION, "subjectaccessreviews", "") => self.subject_access_review(resource, body),
            (AUTHORIZATION, "selfsubjectaccessreviews", "") => {
                check(resource, body).map(|()| self.access_review(user, body))
            }
            (AUTHORIZATION, "localsubjectaccessreviews", "") => {
                self.local_subject_access_review(request, resource, body)
            }
            (AUTHORIZATION, "selfsubjectrulesreviews", "") => self.self_subject_rules_review(user, body),
            _ => return None,
        };
        Some(answer)
    }
}

fn with_status(body: &Value, status: Value) -> Value {
    let mut answer = body.clone();
    answer["status"] = status;
    answer
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// `authentication/v1` UserInfo.
fn user_value(user: &UserInfo) -> Value {
    let mut value = Map::new();
    value.insert("username".to_owned(), user.name.clone().into());
    if !user.uid.is_empty() {
        value.insert("uid".to_owned(), user.uid.clone().into());
    }
    if !user.groups.is_empty() {
        value.insert("groups".to_owned(), user.groups.clone().into());
    }
    if !user.extra.is_empty() {
        value.insert("extra".to_owned(), json!(user.extra));
    }
    value.into()
}

/// The user that a SubjectAccessReview asks about; nothing is added to what it says.
fn user_of(spec: &Value) -> UserInfo {
    let extra = spec["extra"].as_object().into_iter().flatten();
    let extra: BTreeMap<String, Vec<String>> =
        extra.map(|(key, values)| (key.to_lowercase(), strings(values))).collect();
    UserInfo { name: text(&spec["user"]), uid: text(&spec["uid"]), groups: strings(&spec["groups"]), extra }
}

/// The request that an access review asks about.
fn request_of(spec: &Value) -> RequestInfo {
    let resource = &spec["resourceAttributes"];
    if !resource.is_object() {
        let other = &spec["nonResourceAttributes"];
        return RequestInfo { path: text(&other["path"]), verb: text(&other["verb"]), ..RequestInfo::default() };
    }
    let selector = text(&resource["fieldSelector"]["rawSelector"]);
    let requirements = resource["fieldSelector"]["requirements"].as_array().into_iter().flatten();
    let terms =
        requirements.filter(|one| one["operator"] == "In").filter_map(|one| match strings(&one["values"]).as_slice() {
            [value] => Some(format!("{}={value}", one["key"].as_str()?)),
            _ => None,
        });
    let selector = std::iter::once(selector).filter(|text| !text.is_empty()).chain(terms).collect::<Vec<_>>().join(",");
    let query = if selector.is_empty() {
        crate::request::Query::default()
    } else {
        crate::request::Query::parse(&format!("fieldSelector={}", selector.replace('%', "%25").replace('&', "%26")))
    };
    RequestInfo {
        is_resource_request: true,
        verb: text(&resource["verb"]),
        api_group: text(&resource["group"]),
        api_version: text(&resource["version"]),
        namespace: text(&resource["namespace"]),
        resource: text(&resource["resource"]),
        subresource: text(&resource["subresource"]),
        name: text(&resource["name"]),
        query,
        ..RequestInfo::default()
    }
}

/// Whether the question is one. Upstream validates its internal form, which has no kind: the message begins with a dot.
fn check(resource: &Resource, body: &Value) -> Result<(), Status> {
    let errors = resource.strategy.validate(body);
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(&Subject { group: AUTHORIZATION, resource: "", name: "" }, &errors))
}
