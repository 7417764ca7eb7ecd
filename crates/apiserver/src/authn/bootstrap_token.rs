//! Bootstrap tokens: secrets of type `bootstrap.kubernetes.io/token` in kube-system, by which new nodes come in
//! (`k8s.io/kubernetes/plugin/pkg/auth/authenticator/token/bootstrap`).

use crate::SharedReader;
use crate::authn::same_secret;
use crate::user::UserInfo;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const GROUP: &str = "system:bootstrappers";

/// The user `system:bootstrap:ID`, when a live secret allows it.
pub(super) fn authenticate(reader: &SharedReader, clock: &dyn clock::Clock, token: &str) -> Option<UserInfo> {
    let token: certs::BootstrapToken = token.parse().ok()?;
    let secret = reader.get("", "secrets", "kube-system", &format!("bootstrap-token-{}", token.id()))?;
    let usable = secret["metadata"]["deletionTimestamp"].is_null()
        && secret["type"] == "bootstrap.kubernetes.io/token"
        && same_secret(&data(&secret, "token-secret")?, token.secret())
        && data(&secret, "token-id")? == token.id()
        && data(&secret, "usage-bootstrap-authentication").as_deref() == Some("true")
        && !expired(&secret, clock);
    if !usable {
        return None;
    }
    let mut groups = vec![GROUP.to_owned()];
    let extra = data(&secret, "auth-extra-groups").unwrap_or_default();
    for group in extra.split(',').filter(|group| !group.is_empty()) {
        // One bad group spoils the token: a typo must not leave it half as powerful as meant.
        if !group.starts_with("system:bootstrappers:") {
            return None;
        }
        groups.push(group.to_owned());
    }
    Some(UserInfo { name: format!("system:bootstrap:{}", token.id()), groups, ..UserInfo::default() })
}

fn data(secret: &Value, key: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(secret["data"][key].as_str()?).ok()?).ok()
}

/// A time that cannot be read counts as past.
fn expired(secret: &Value, clock: &dyn clock::Clock) -> bool {
    data(secret, "expiration").is_some_and(|text| !text.parse::<jiff::Timestamp>().is_ok_and(|end| end > clock.now()))
}
