//! A bootstrap token as the secret that holds it (`k8s.io/cluster-bootstrap/token/api`): both directions. Pure.

use certs::BootstrapToken;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use std::collections::BTreeMap;

/// The type of the secrets.
pub const BOOTSTRAP_TOKEN_TYPE: &str = "bootstrap.kubernetes.io/token";
const NAME_PREFIX: &str = "bootstrap-token-";
const USAGE_PREFIX: &str = "usage-bootstrap-";

/// What the secret of a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSecret {
    /// The token itself.
    pub token: BootstrapToken,
    /// When it ends; `None`: never. A time that cannot be read is in the past.
    pub expiration: Option<Timestamp>,
    /// `authentication`, `signing`.
    pub usages: Vec<String>,
    /// Groups of whoever shows it, beside `system:bootstrappers`.
    pub groups: Vec<String>,
    /// For people.
    pub description: String,
}

impl TokenSecret {
    /// The secret's name for a token id.
    pub fn name(token_id: &str) -> String {
        format!("{NAME_PREFIX}{token_id}")
    }

    /// Reads a secret; `None` when it is no usable token: another type, missing parts, a name that is not its id's.
    pub fn read(secret: &Secret) -> Option<Self> {
        let data = secret.data.as_ref()?;
        let text = |key: &str| data.get(key).and_then(|value| String::from_utf8(value.0.clone()).ok());
        let token: BootstrapToken = format!("{}.{}", text("token-id")?, text("token-secret")?).parse().ok()?;
        let named = secret.metadata.name.as_deref() == Some(&Self::name(token.id()));
        if secret.type_.as_deref() != Some(BOOTSTRAP_TOKEN_TYPE) || !named {
            return None;
        }
        let usages = data.iter().filter(|(_, value)| value.0 == b"true");
        let usages = usages.filter_map(|(key, _)| key.strip_prefix(USAGE_PREFIX)).map(str::to_owned).collect();
        let groups = text("auth-extra-groups").unwrap_or_default();
        Some(Self {
            token,
            expiration: text("expiration").map(|end| end.parse().unwrap_or(Timestamp::UNIX_EPOCH)),
            usages,
            groups: groups.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect(),
            description: text("description").unwrap_or_default(),
        })
    }

    /// The secret that holds the token.
    pub fn to_secret(&self) -> Secret {
        let mut data = BTreeMap::from([
            ("token-id".to_owned(), self.token.id().to_owned()),
            ("token-secret".to_owned(), self.token.secret().to_owned()),
        ]);
        if !self.description.is_empty() {
            data.insert("description".to_owned(), self.description.clone());
        }
        if let Some(end) = self.expiration {
            data.insert("expiration".to_owned(), end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        if !self.groups.is_empty() {
            data.insert("auth-extra-groups".to_owned(), self.groups.join(","));
        }
        data.extend(self.usages.iter().map(|usage| (format!("{USAGE_PREFIX}{usage}"), "true".to_owned())));
        let mut secret = Secret {
            type_: Some(BOOTSTRAP_TOKEN_TYPE.to_owned()),
            data: Some(data.into_iter().map(|(key, value)| (key, ByteString(value.into_bytes()))).collect()),
            ..Secret::default()
        };
        secret.metadata.name = Some(Self::name(self.token.id()));
        secret.metadata.namespace = Some(super::SYSTEM_NAMESPACE.to_owned());
        secret
    }

    /// Whether it has ended.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expiration.is_some_and(|end| end <= now)
    }

    /// Whether `cluster-info` is signed with it.
    pub fn signs(&self, now: Timestamp) -> bool {
        !self.is_expired(now) && self.usages.iter().any(|usage| usage == "signing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> TokenSecret {
        TokenSecret {
            token: "abcdef.0123456789abcdef".parse().unwrap(),
            expiration: Some("2026-01-02T00:00:00Z".parse().unwrap()),
            usages: vec!["authentication".to_owned(), "signing".to_owned()],
            groups: vec!["system:bootstrappers:kubeadm:default-node-token".to_owned()],
            description: "d".to_owned(),
        }
    }

    #[test]
    fn a_token_survives_its_secret() {
        let secret = token().to_secret();
        assert_eq!(secret.metadata.name.as_deref(), Some("bootstrap-token-abcdef"));
        assert_eq!(TokenSecret::read(&secret), Some(token()));
    }

    #[test]
    fn what_is_no_token() {
        let good = token().to_secret();
        let mut renamed = good.clone();
        renamed.metadata.name = Some("bootstrap-token-abcdeg".to_owned());
        let other_type = Secret { type_: Some("Opaque".to_owned()), ..good.clone() };
        let mut short = good.clone();
        short.data.as_mut().unwrap().insert("token-secret".to_owned(), ByteString(b"short".to_vec()));
        for secret in [renamed, other_type, short, Secret::default()] {
            assert_eq!(TokenSecret::read(&secret), None);
        }
    }

    #[test]
    fn an_ended_token_signs_nothing() {
        let at = |text: &str| text.parse().unwrap();
        assert!(token().signs(at("2026-01-01T23:59:59Z")));
        assert!(!token().signs(at("2026-01-02T00:00:00Z")));
        let mut secret = token().to_secret();
        secret.data.as_mut().unwrap().insert("expiration".to_owned(), ByteString(b"tomorrow".to_vec()));
        assert!(TokenSecret::read(&secret).unwrap().is_expired(at("2026-01-01T00:00:00Z")), "unreadable is past");
    }
}
