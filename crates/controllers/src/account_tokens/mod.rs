//! A secret of type `kubernetes.io/service-account-token` gets a token of the account that it names (upstream's tokens
//! controller). Such a token does not end: it goes with its secret, and the secret with the account.
//!
//! What not: tokens of pods, which the API server makes when they are asked for.

use crate::Context;
use certs::{JwtError, TokenSigner, legacy_token};
use client::{
    Client, DeleteParams, InformerBuilder, ObjectKey, Outcome, Preconditions, Selection, WorkQueue, run_workers,
};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use serde_json::json;
use std::sync::Arc;

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
/// Namespaces worked on at once.
const WORKERS: usize = 1;

#[derive(Debug, thiserror::Error)]
enum TokensError {
    #[error(transparent)]
    Api(#[from] client::Error),
    #[error(transparent)]
    Sign(#[from] JwtError),
}

/// What becomes of a secret.
#[derive(Debug, PartialEq)]
enum Plan {
    Keep,
    Fill(Box<Secret>),
    Delete,
}

/// Runs until shutdown; without a key to sign with there is nothing to do. It writes as upstream's does, under the
/// controller manager's own identity: there is no role for an account of its own.
pub async fn run(context: Context, _: Client) {
    let Some(signer) = context.settings.token_signer.clone() else { return };
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let (on_secret, on_account) = (queue.clone(), queue.clone());
    let selection = Selection::fields(format!("type={TYPE}"));
    let secrets = InformerBuilder::<Secret>::new(&context.informers, context.clock.clone(), selection)
        .on_change(move |change| on_secret.add(ObjectKey::cluster(change.key.namespace.clone())))
        .start(context.shutdown.clone());
    let accounts = InformerBuilder::<ServiceAccount>::new(&context.informers, context.clock.clone(), Selection::all())
        .on_change(move |change| on_account.add(ObjectKey::cluster(change.key.namespace.clone())))
        .start(context.shutdown.clone());
    if !(secrets.wait_synced().await && accounts.wait_synced().await) {
        return;
    }
    run_workers("serviceaccount-token", &queue, WORKERS, &context.shutdown, |namespace| {
        let mut own = secrets.store().list();
        own.retain(|secret| secret.metadata.namespace.as_deref() == Some(&namespace.name));
        let (signer, client, root_ca) = (signer.clone(), context.informers.clone(), &context.settings.root_ca);
        let known = |secret: &Secret| {
            let key = ObjectKey::namespaced(&namespace.name, annotation(secret, ACCOUNT_NAME));
            (accounts.store().get(&key), key)
        };
        let work: Vec<_> = own.into_iter().map(|secret| (known(&secret), secret)).collect();
        async move {
            for ((account, key), secret) in work {
                // an account that was made just now may not be known yet
                let account = match account {
                    Some(account) => Some(account),
                    None => client.get_opt::<ServiceAccount>(&key).await?.map(Arc::new),
                };
                carry_out(&client, &secret, plan(&secret, account.as_deref(), root_ca, &signer)?).await?;
            }
            Ok::<_, TokensError>(Outcome::Done)
        }
    })
    .await;
}

async fn carry_out(client: &Client, secret: &Secret, plan: Plan) -> Result<(), client::Error> {
    let written = match plan {
        Plan::Keep => return Ok(()),
        Plan::Fill(filled) => client.update(&*filled).await.map(drop),
        Plan::Delete => {
            let preconditions = Preconditions { uid: secret.metadata.uid.clone(), resource_version: None };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            client.delete::<Secret>(&ObjectKey::of(secret), &params).await
        }
    };
    match written {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

fn annotation<'a>(secret: &'a Secret, name: &str) -> &'a str {
    let annotations = secret.metadata.annotations.as_ref();
    annotations.and_then(|annotations| annotations.get(name)).map(String::as_str).unwrap_or_default()
}

fn plan(
    secret: &Secret,
    account: Option<&ServiceAccount>,
    root_ca: &str,
    signer: &TokenSigner,
) -> Result<Plan, JwtError> {
    if secret.metadata.deletion_timestamp.is_some() {
        return Ok(Plan::Keep);
    }
    let uid_is = annotation(secret, ACCOUNT_UID);
    let uid = |account: &ServiceAccount| account.metadata.uid.clone().unwrap_or_default();
    // another account of the same name is not the one that the secret was made for
    let Some(account) = account.filter(|account| uid_is.is_empty() || uid_is == uid(account)) else {
        return Ok(Plan::Delete);
    };
    let mut filled = secret.clone();
    let data = filled.data.get_or_insert_default();
    let lacks =
        |field: &str| secret.data.as_ref().and_then(|data| data.get(field)).is_none_or(|value| value.0.is_empty());
    let mut changed = false;
    let mut put = |field: &str, value: String| {
        changed = true;
        data.insert(field.to_owned(), ByteString(value.into_bytes()));
    };
    let has_ca = secret.data.as_ref().and_then(|data| data.get("ca.crt")).is_some_and(|ca| ca.0 == root_ca.as_bytes());
    if !root_ca.is_empty() && !has_ca {
        put("ca.crt", root_ca.to_owned());
    }
    let namespace = secret.metadata.namespace.clone().unwrap_or_default();
    if lacks("namespace") {
        put("namespace", namespace);
    }
    if lacks("token") {
        put("token", token(secret, account, signer)?);
    }
    if !changed {
        return Ok(Plan::Keep);
    }
    let annotations = filled.metadata.annotations.get_or_insert_default();
    annotations.insert(ACCOUNT_UID.to_owned(), uid(account));
    Ok(Plan::Fill(Box::new(filled)))
}

/// `LegacyClaims`, signed.
fn token(secret: &Secret, account: &ServiceAccount, signer: &TokenSigner) -> Result<String, JwtError> {
    let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
    let name = account.metadata.name.as_deref().unwrap_or_default();
    let mut claims = json!({"iss": legacy_token::ISSUER, "sub": format!("system:serviceaccount:{namespace}:{name}")});
    claims[legacy_token::NAMESPACE] = namespace.into();
    claims[legacy_token::SECRET_NAME] = secret.metadata.name.clone().into();
    claims[legacy_token::ACCOUNT_NAME] = name.into();
    claims[legacy_token::ACCOUNT_UID] = account.metadata.uid.clone().into();
    signer.sign(&claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(uid: &str) -> Secret {
        let annotations = json!({ACCOUNT_NAME: "robot", ACCOUNT_UID: uid});
        let secret = json!({"metadata": {"namespace": "a", "name": "s", "annotations": annotations}, "type": TYPE});
        serde_json::from_value(secret).unwrap()
    }

    fn account(uid: &str) -> ServiceAccount {
        serde_json::from_value(json!({"metadata": {"namespace": "a", "name": "robot", "uid": uid}})).unwrap()
    }

    #[test]
    fn a_secret_is_filled_once_and_goes_with_its_account() {
        let signer = TokenSigner::from_pem(&certs::private_key().unwrap()).unwrap();
        let plan = |secret: &Secret, account: Option<&ServiceAccount>| plan(secret, account, "CA", &signer).unwrap();
        let Plan::Fill(filled) = plan(&secret(""), Some(&account("1"))) else { panic!("not filled") };
        let data = filled.data.as_ref().unwrap();
        assert_eq!((&data["ca.crt"].0[..], &data["namespace"].0[..]), (&b"CA"[..], &b"a"[..]));
        assert_eq!(annotation(&filled, ACCOUNT_UID), "1");
        let verifier = certs::TokenVerifier::new([signer.jwk().clone()]);
        let claims = verifier.verify(std::str::from_utf8(&data["token"].0).unwrap()).unwrap();
        assert_eq!(claims["sub"], "system:serviceaccount:a:robot");
        assert_eq!(claims["kubernetes.io/serviceaccount/secret.name"], "s");
        assert_eq!(plan(&filled, Some(&account("1"))), Plan::Keep);
        assert_eq!(plan(&filled, Some(&account("2"))), Plan::Delete);
        assert_eq!(plan(&filled, None), Plan::Delete);
    }
}
