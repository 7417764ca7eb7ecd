//! Old requests go: an hour after they were answered, a day after they were made when nobody answered, and when the
//! certificate has ended (upstream's `cleaner/cleaner.go`).

use super::{Reconciled, conditions, is_issued};
use crate::Context;
use client::{Client, DeleteParams, ObjectKey, Outcome};
use jiff::Timestamp;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use std::time::Duration;

/// After approval and issue.
const ISSUED_SECONDS: i64 = 3600;
/// After denial or failure.
const REFUSED_SECONDS: i64 = 3600;
/// After creation, without an answer; or approved, and nobody signs.
const PENDING_SECONDS: i64 = 24 * 3600;

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    super::run("certificate-cleaner", &context, |request| {
        let (client, clock) = (client.clone(), context.clock.clone());
        async move {
            let end = end(&request);
            let left = end.as_second().saturating_sub(clock.now().as_second());
            if left > 0 {
                // a second more: what is compared are whole seconds
                let wait = Duration::from_secs(u64::try_from(left).unwrap_or(0).saturating_add(1));
                return Ok(Outcome::RequeueAfter(wait));
            }
            match client.delete::<CertificateSigningRequest>(&ObjectKey::of(&*request), &DeleteParams::default()).await
            {
                Err(error) if !error.is_not_found() => Err(error.into()),
                _ => Reconciled::Ok(Outcome::Done),
            }
        }
    })
    .await;
}

/// When a request is to be deleted.
pub(super) fn end(request: &CertificateSigningRequest) -> Timestamp {
    let made = request.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let after = |from: Timestamp, seconds: i64| {
        Timestamp::from_second(from.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
    };
    let mut end = after(made, PENDING_SECONDS);
    for condition in conditions(request) {
        let at = condition.last_update_time.as_ref().map_or(made, |time| time.0);
        let limit = match condition.type_.as_str() {
            "Approved" if is_issued(request) => after(at, ISSUED_SECONDS),
            "Denied" | "Failed" => after(at, REFUSED_SECONDS),
            _ => continue,
        };
        end = end.min(limit);
    }
    let certificate = request.status.as_ref().and_then(|status| status.certificate.as_ref());
    let issued = certificate.and_then(|pem| certs::certificate_info(&String::from_utf8_lossy(&pem.0)).ok());
    issued.map_or(end, |info| end.min(info.not_after))
}
