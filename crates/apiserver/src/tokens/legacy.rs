//! Tokens that secrets hold: they do not end by time. They go with their secret, which must hold the very token, and
//! with their account (`k8s.io/kubernetes/pkg/serviceaccount`, `legacyValidator`).

use super::claims::text;
use super::uses::LegacyUses;
use crate::SharedReader;
use crate::authz::service_account;
use crate::chain::Authenticated;
use crate::user::UserInfo;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certs::legacy_token;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The user of a token with these claims.
///
/// # Errors
/// Why it does not hold, in upstream's words.
pub(super) fn user(
    token: &str,
    claims: &Value,
    reader: &SharedReader,
    (uses, now): (&Arc<LegacyUses>, jiff::Timestamp),
) -> Result<Authenticated, String> {
    let claim = |name: &str, word: &str| {
        let value = text(&claims[name]);
        if value.is_empty() { Err(format!("{word} claim is missing")) } else { Ok(value) }
    };
    let subject = text(&claims["sub"]);
    if subject.is_empty() {
        return Err("sub claim is missing".to_owned());
    }
    let namespace = claim(legacy_token::NAMESPACE, "namespace")?;
    let secret = claim(legacy_token::SECRET_NAME, "secretName")?;
    let name = claim(legacy_token::ACCOUNT_NAME, "serviceAccountName")?;
    let uid = claim(legacy_token::ACCOUNT_UID, "serviceAccountUID")?;
    if service_account(&subject) != Some((namespace.as_str(), name.as_str())) {
        return Err("sub claim is invalid".to_owned());
    }
    let is_live = |object: &Value| object["metadata"]["deletionTimestamp"].is_null();
    let held = reader.get("", "secrets", &namespace, &secret).filter(|secret| is_live(secret));
    let held = held.ok_or_else(|| "Token has been invalidated".to_owned())?;
    let copy = STANDARD.decode(text(&held["data"]["token"])).unwrap_or_default();
    if copy != token.as_bytes() {
        return Err("token does not match server's copy".to_owned());
    }
    let account = reader.get("", "serviceaccounts", &namespace, &name);
    let account = account.ok_or_else(|| format!("serviceaccounts {name:?} not found"))?;
    if !is_live(&account) {
        return Err("ServiceAccount has been deleted".to_owned());
    }
    let own = text(&account["metadata"]["uid"]);
    if own != uid {
        return Err(format!("ServiceAccount UID ({own}) does not match claim ({uid})"));
    }
    let groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    uses.of((&held, &account), UserInfo { name: subject, uid, groups, extra: BTreeMap::new() }, now)
}
