//! Who asks: the answer of authentication (`k8s.io/apiserver/pkg/authentication/user`).

use std::collections::BTreeMap;

/// Everyone who was authenticated is in this group.
pub const ALL_AUTHENTICATED: &str = "system:authenticated";
/// The group of those who were not.
pub const ALL_UNAUTHENTICATED: &str = "system:unauthenticated";
/// Members may do everything; authorization is not asked.
pub const SYSTEM_PRIVILEGED_GROUP: &str = "system:masters";
/// The name of those without credentials.
pub const ANONYMOUS: &str = "system:anonymous";

/// A user, as authentication or impersonation has found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// Unique among the active users.
    pub name: String,
    /// Unique over time; may be empty.
    pub uid: String,
    /// Groups, in the order of the authenticator.
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// A user with a name and groups, as in-process components have. `system:authenticated` is added.
    pub fn new(name: impl Into<String>, groups: &[&str]) -> Self {
        let mut groups: Vec<String> = groups.iter().map(|&g| g.to_owned()).collect();
        if !groups.iter().any(|g| g == ALL_AUTHENTICATED) {
            groups.push(ALL_AUTHENTICATED.to_owned());
        }
        Self { name: name.into(), groups, ..Self::default() }
    }

    /// The one who came without credentials.
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.to_owned(), groups: vec![ALL_UNAUTHENTICATED.to_owned()], ..Self::default() }
    }

    /// Whether the user is a member of `group`.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// The user as the registry's strategies see it.
    pub fn as_requestor(&self) -> registry::Requestor<'_> {
        registry::Requestor { name: &self.name, uid: &self.uid, groups: &self.groups, extra: &self.extra }
    }
}
