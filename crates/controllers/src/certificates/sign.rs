//! Approved requests of the cluster's own signers get their certificates (upstream's `signer/signer.go`).

use super::approve::{kubelet_client_problem, kubelet_serving_problem};
use super::{
    API_SERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN, has, is_issued, request_pem, update,
    with_condition,
};
use crate::Context;
use certs::{Authority, Grant, RequestInfo};
use client::{Client, Outcome};
use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestSpec};
use std::sync::Arc;

/// Nothing is signed for a shorter time: upstream's 10 minutes, in seconds.
const VALIDITY_SECONDS_MIN: u64 = 600;

/// `--cluster-signing-*`
#[derive(Clone, Debug)]
pub struct Signing {
    /// `--cluster-signing-cert-file` and `-key-file`
    pub authority: Arc<Authority>,
    /// `--cluster-signing-duration`, in seconds: no certificate is valid for longer.
    pub validity_seconds_max: u64,
}

/// Runs until shutdown. Without an authority nothing is signed, as upstream without its flags.
pub async fn run(context: Context, client: Client) {
    let Some(signing) = context.settings.signing.clone() else { return };
    super::run("certificate-signing", &context, |request| {
        let (client, clock, signing) = (client.clone(), context.clock.clone(), signing.clone());
        async move {
            match plan(&signing, &request, clock.now()) {
                Plan::Nothing => Ok(Outcome::Done),
                Plan::Status(request) => update(&client, "status", &request).await,
            }
        }
    })
    .await;
}

#[derive(Debug, PartialEq)]
pub(super) enum Plan {
    Nothing,
    Status(Box<CertificateSigningRequest>),
}

/// What becomes of a request now.
pub(super) fn plan(signing: &Signing, request: &CertificateSigningRequest, now: jiff::Timestamp) -> Plan {
    let spec = &request.spec;
    let ours = [KUBELET_SERVING, KUBELET_CLIENT, API_SERVER_CLIENT, LEGACY_UNKNOWN];
    let waits = has(request, "Approved") && !has(request, "Denied") && !has(request, "Failed") && !is_issued(request);
    if !waits || !ours.contains(&spec.signer_name.as_str()) {
        return Plan::Nothing;
    }
    let failed =
        |reason: &str, message: &str| Plan::Status(Box::new(with_condition(request, "Failed", reason, message, now)));
    let pem = request_pem(request);
    let info = match certs::request_info(&pem) {
        Ok(info) => info,
        Err(error) => return failed("SignerValidationFailure", &error.to_string()),
    };
    if let Some(problem) = problem(spec, &info) {
        return failed("SignerValidationFailure", &problem);
    }
    let grant = Grant {
        usages: spec.usages.clone().unwrap_or_default(),
        validity_seconds: validity_seconds(spec.expiration_seconds, signing.validity_seconds_max),
    };
    match signing.authority.sign_request(&pem, &grant, now) {
        Ok(certificate) => {
            let mut signed = request.clone();
            signed.status.get_or_insert_default().certificate = Some(ByteString(certificate.into_bytes()));
            Plan::Status(Box::new(signed))
        }
        Err(error) => failed("SignerValidationFailure", &error.to_string()),
    }
}

/// Why this signer does not sign such a request.
fn problem(spec: &CertificateSigningRequestSpec, info: &RequestInfo) -> Option<String> {
    let usages = spec.usages.as_deref();
    match spec.signer_name.as_str() {
        KUBELET_SERVING => kubelet_serving_problem(info, usages).map(str::to_owned),
        KUBELET_CLIENT => kubelet_client_problem(info, usages).map(str::to_owned),
        API_SERVER_CLIENT => client_usages_problem(usages.unwrap_or_default()),
        _ => None,
    }
}

/// Upstream's `validAPIServerClientUsages`.
fn client_usages_problem(usages: &[String]) -> Option<String> {
    let allowed = ["digital signature", "key encipherment", "client auth"];
    if let Some(other) = usages.iter().find(|usage| !allowed.contains(&usage.as_str())) {
        return Some(format!("invalid usage for client certificate: {other}"));
    }
    let has_client_auth = usages.iter().any(|usage| usage == "client auth");
    (!has_client_auth).then(|| "missing required usage for client certificate: client auth".to_owned())
}

/// What was asked for, within limits.
fn validity_seconds(asked: Option<i32>, max: u64) -> u64 {
    match asked {
        None => max,
        Some(seconds) => {
            let seconds = u64::try_from(seconds).unwrap_or(0);
            if seconds > max { max } else { seconds.max(VALIDITY_SECONDS_MIN) }
        }
    }
}
