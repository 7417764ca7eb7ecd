//! Uses of tokens that secrets hold, which are noted at the secret once a day (upstream's LegacyServiceAccountTokenTracking).
//!
//! Authentication only writes down here what was used; `legacy_token_tracking` labels the secrets.

use crate::chain::Authenticated;
use crate::user::UserInfo;
use api::meta::ObjectMeta;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// When a token was last used: a day.
pub const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
/// Since when a token is not taken any more.
pub const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
/// What users of tokens are told that nobody has asked for.
const AUTO_GENERATED: &str = "Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.";
/// Secrets that may wait to be labelled: those that are left out are noted at their next use.
const MAX_WAITING: usize = 1024;

/// Namespace and name of a secret.
type Key = (String, String);

/// What was used and is not noted yet.
#[derive(Debug, Default)]
pub struct LegacyUses {
    /// With the UIDs, so that no other secret of the name is labelled.
    waiting: Mutex<BTreeMap<Key, String>>,
    came: Notify,
}

impl LegacyUses {
    /// A token was used that `secret` holds, of `account`.
    ///
    /// # Errors
    /// The secret says that its token is not to be used any more. That somebody tried is noted all the same.
    pub(super) fn of(
        self: &Arc<Self>,
        (secret, account): (&Value, &Value),
        user: UserInfo,
        now: jiff::Timestamp,
    ) -> Result<Authenticated, String> {
        self.note(secret, now);
        let (namespace, name) = (secret.namespace(), secret.name());
        let invalid_since = label(secret, INVALID_SINCE);
        if !invalid_since.is_empty() {
            let own = account.name();
            return Err(format!(
                "the token in secret {namespace}/{name} for service account {namespace}/{own} has been marked invalid. \
                 Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the \
                 '{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
            ));
        }
        let mut of_account = account["secrets"].as_array().into_iter().flatten();
        let is_generated = of_account.any(|reference| reference["name"] == name);
        Ok(Authenticated { user, warning: is_generated.then_some(AUTO_GENERATED) })
    }

    fn note(&self, secret: &Value, now: jiff::Timestamp) {
        let last = label(secret, LAST_USED);
        // another server's clock may be a day ahead
        if [now, now + jiff::SignedDuration::from_hours(24)].into_iter().any(|day| date(day) == last) {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_WAITING {
            waiting.insert((secret.namespace().to_owned(), secret.name().to_owned()), secret.uid().to_owned());
            self.came.notify_one();
        }
    }

    /// Waits for uses: secrets with their UIDs.
    pub async fn next(&self) -> BTreeMap<Key, String> {
        loop {
            let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if !waiting.is_empty() {
                return waiting;
            }
            self.came.notified().await;
        }
    }
}

fn label<'a>(object: &'a Value, name: &str) -> &'a str {
    object["metadata"]["labels"][name].as_str().unwrap_or_default()
}

/// The day as labels have it.
pub fn date(now: jiff::Timestamp) -> String {
    now.strftime("%Y-%m-%d").to_string()
}
