//! The variable `authorizer` (`k8s.io/apiserver/pkg/cel/library/authz.go`): what a user may, asked from an expression.

use crate::chain::{Attributes, Decision};
use crate::request::RequestInfo;
use crate::server::Api;
use crate::user::UserInfo;
use cel_kubernetes::{EvaluateError, Host, Value as CelValue};
use std::fmt;
use std::sync::Arc;

/// What a check will be about.
#[derive(Clone)]
pub(super) struct Authorizer {
    api: Arc<Api>,
    user: Arc<UserInfo>,
    /// Of `authorizer.requestResource`.
    request: Arc<RequestInfo>,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Start,
    Path(String),
    Group(String),
    Resource(Box<RequestInfo>),
    Decided(Decision),
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").field("user", &self.user.name).field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Authorizer {
    /// The variable's value.
    pub(super) fn value(api: &Arc<Api>, attributes: &Attributes<'_>) -> CelValue {
        let row = attributes.resource;
        let request = RequestInfo {
            is_resource_request: true,
            api_group: row.group.to_string(),
            api_version: row.version.to_string(),
            resource: row.plural.to_string(),
            subresource: attributes.subresource.to_owned(),
            namespace: attributes.namespace.clone(),
            name: attributes.name.clone(),
            ..RequestInfo::default()
        };
        let (user, request) = (Arc::new(attributes.user.clone()), Arc::new(request));
        CelValue::Host(Arc::new(Self { api: api.clone(), user, request, stage: Stage::Start }))
    }

    fn at(&self, stage: Stage) -> CelValue {
        CelValue::Host(Arc::new(Self { stage, ..self.clone() }))
    }

    fn check(&self, request: &RequestInfo, verb: &str) -> CelValue {
        let request = RequestInfo { verb: verb.to_owned(), ..request.clone() };
        self.at(Stage::Decided(self.api.chain.authorizer.authorize(&self.user, &request)))
    }

    fn start(&self, function: &str, texts: &[&str]) -> Option<CelValue> {
        Some(match (function, texts) {
            ("path", [path]) => self.at(Stage::Path((*path).to_owned())),
            ("group", [group]) => self.at(Stage::Group((*group).to_owned())),
            ("requestResource", []) => self.at(Stage::Resource(Box::new((*self.request).clone()))),
            ("serviceAccount", [namespace, name]) => {
                let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
                let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
                let user = UserInfo::new(format!("system:serviceaccount:{namespace}:{name}"), &groups);
                CelValue::Host(Arc::new(Self { user: Arc::new(user), ..self.clone() }))
            }
            _ => return None,
        })
    }

    fn resource(&self, info: &RequestInfo, function: &str, text: &str) -> Option<CelValue> {
        let mut info = info.clone();
        match function {
            "check" => return Some(self.check(&info, text)),
            "subresource" => info.subresource = text.to_owned(),
            "namespace" => info.namespace = text.to_owned(),
            "name" => info.name = text.to_owned(),
            "fieldSelector" | "labelSelector" => {
                let text = text.replace('%', "%25").replace('&', "%26").replace('+', "%2B");
                info.query = crate::request::Query::parse(&format!("{function}={text}"));
            }
            _ => return None,
        }
        Some(self.at(Stage::Resource(Box::new(info))))
    }
}

impl Host for Authorizer {
    fn type_name(&self) -> &'static str {
        match self.stage {
            Stage::Start => "kubernetes.authorization.Authorizer",
            Stage::Path(_) => "kubernetes.authorization.PathCheck",
            Stage::Group(_) => "kubernetes.authorization.GroupCheck",
            Stage::Resource(_) => "kubernetes.authorization.ResourceCheck",
            Stage::Decided(_) => "kubernetes.authorization.Decision",
        }
    }

    fn call(&self, function: &str, args: &[CelValue]) -> Result<CelValue, EvaluateError> {
        let text = |value: &CelValue| if let CelValue::String(text) = value { Some(text.clone()) } else { None };
        let texts: Option<Vec<Arc<str>>> = args.iter().map(text).collect();
        let texts = texts.ok_or(EvaluateError::NoOverload)?;
        let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        let found = match (&self.stage, function, texts.as_slice()) {
            (Stage::Start, _, texts) => self.start(function, texts),
            (Stage::Path(path), "check", [verb]) => {
                Some(self.check(&RequestInfo { path: path.clone(), ..RequestInfo::default() }, verb))
            }
            (Stage::Group(group), "resource", [resource]) => {
                let info = RequestInfo {
                    is_resource_request: true,
                    api_group: group.clone(),
                    api_version: "*".to_owned(),
                    resource: (*resource).to_owned(),
                    ..RequestInfo::default()
                };
                Some(self.at(Stage::Resource(Box::new(info))))
            }
            (Stage::Resource(info), _, [text]) => self.resource(info, function, text),
            (Stage::Decided(decision), "allowed", []) => Some(CelValue::Bool(matches!(decision, Decision::Allow(_)))),
            (Stage::Decided(decision), "reason", []) => {
                let (Decision::Allow(why) | Decision::Deny(why) | Decision::NoOpinion(why)) = decision;
                Some(CelValue::text(why))
            }
            // Authorizers here look into the cache, which cannot fail.
            (Stage::Decided(_), "errored", []) => Some(CelValue::Bool(false)),
            (Stage::Decided(_), "error", []) => Some(CelValue::text("")),
            _ => None,
        };
        found.ok_or(EvaluateError::NoOverload)
    }
}
