//! The ways of impersonation: KEP-5284's constrained ones, each for a kind of user and for what is done as that user, and
//! the old one, which is the verb `impersonate` on each part of the identity.

use super::questions::{Verb, ask};
use crate::chain::Authorizer;
use crate::request::RequestInfo;
use crate::user::{ALL_AUTHENTICATED, ALL_UNAUTHENTICATED, ANONYMOUS, UserInfo};
use api::status::Status;
use registry::names;

const NODE_PREFIX: &str = "system:node:";
const NODES_GROUP: &str = "system:nodes";
const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";
/// Where a service account's token says on which node its pod runs.
const NODE_NAME_KEY: &str = "authentication.kubernetes.io/node-name";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// A service account acts as the node that its pod runs on.
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    /// Anyone else, with all that makes a user.
    UserInfo,
    Legacy,
}

/// All ways, in the order that they are tried in.
pub(super) const ALL: [Mode; 5] =
    [Mode::AssociatedNode, Mode::ArbitraryNode, Mode::ServiceAccount, Mode::UserInfo, Mode::Legacy];

impl Mode {
    /// The part of verbs that names it; `None` for the old way.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::AssociatedNode => Some("associated-node"),
            Self::ArbitraryNode => Some("arbitrary-node"),
            Self::ServiceAccount => Some("serviceaccount"),
            Self::UserInfo => Some("user-info"),
            Self::Legacy => None,
        }
    }

    /// Whether such a user can be wanted this way at all.
    pub(super) fn applies(self, wanted: &UserInfo, requestor: &UserInfo) -> bool {
        let only_name = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let (node, account) = (node_of(&wanted.name), service_account(&wanted.name));
        match self {
            Self::AssociatedNode => only_name && node.is_some() && node == associated_node(requestor),
            Self::ArbitraryNode => only_name && node.is_some(),
            Self::ServiceAccount => only_name && account.is_some(),
            Self::UserInfo => node.is_none() && account.is_none(),
            Self::Legacy => true,
        }
    }

    /// The user whom the requestor becomes, with the groups that follow from the name.
    pub(super) fn check(
        self,
        wanted: &UserInfo,
        requestor: &UserInfo,
        request: &RequestInfo,
        authorizer: &dyn Authorizer,
    ) -> Result<UserInfo, Status> {
        let verb = match self.name() {
            None => Verb::Impersonate,
            Some(mode) => {
                let on = RequestInfo { verb: format!("impersonate-on:{mode}:{}", request.verb), ..request.clone() };
                ask(requestor, &on, authorizer)?;
                Verb::Constrained(mode)
            }
        };
        verb.check_identity(wanted, requestor, authorizer)?;
        Ok(complete(wanted.clone(), self != Self::Legacy))
    }
}

/// The node that a user's name stands for.
pub(super) fn node_of(name: &str) -> Option<&str> {
    name.strip_prefix(NODE_PREFIX).filter(|node| names::dns1123_subdomain(node).is_empty())
}

/// Namespace and name of the service account that a user's name stands for (`SplitUsername`).
pub(super) fn service_account(name: &str) -> Option<(&str, &str)> {
    let (namespace, name) = name.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')?;
    let is_one = names::dns1123_label(namespace).is_empty() && names::dns1123_subdomain(name).is_empty();
    is_one.then_some((namespace, name))
}

/// The node that a service account's pod runs on.
fn associated_node(requestor: &UserInfo) -> Option<&str> {
    service_account(&requestor.name)?;
    match requestor.extra.get(NODE_NAME_KEY).map(Vec::as_slice) {
        Some([node]) => Some(node),
        _ => None,
    }
}

/// Adds the groups that follow from the name.
fn complete(mut wanted: UserInfo, constrained: bool) -> UserInfo {
    if wanted.groups.is_empty() {
        if let Some((namespace, _)) = service_account(&wanted.name) {
            wanted.groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        } else if constrained && node_of(&wanted.name).is_some() {
            wanted.groups = vec![NODES_GROUP.to_owned()];
        }
    }
    let implied = match wanted.name.as_str() {
        ANONYMOUS => Some(ALL_UNAUTHENTICATED),
        _ if wanted.in_group(ALL_UNAUTHENTICATED) => None,
        _ => Some(ALL_AUTHENTICATED),
    };
    if let Some(group) = implied.filter(|group| !wanted.in_group(group)) {
        wanted.groups.push(group.to_owned());
    }
    wanted
}
