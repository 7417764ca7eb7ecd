//! Certificate signing requests: approved for kubelets, signed by the cluster's authority, cleaned up when they are old
//! (upstream's `pkg/controller/certificates`). What not: custom signers; they have controllers of their own.

mod approve;
mod clean;
mod sign;

pub use sign::Signing;

use crate::Context;
use client::{Client, Informer, InformerBuilder, ObjectKey, Outcome, Selection, WorkQueue, run_workers};
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;

pub use approve::run as run_approving;
pub use clean::run as run_cleaning;
pub use sign::run as run_signing;

/// Requests worked on at once: upstream's 5.
const WORKERS: usize = 5;

/// `kubernetes.io/kubelet-serving`
const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
/// `kubernetes.io/kube-apiserver-client-kubelet`
const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// `kubernetes.io/kube-apiserver-client`
const API_SERVER_CLIENT: &str = "kubernetes.io/kube-apiserver-client";
/// `kubernetes.io/legacy-unknown`
const LEGACY_UNKNOWN: &str = "kubernetes.io/legacy-unknown";

#[derive(Debug, thiserror::Error)]
enum CertificatesError {
    #[error(transparent)]
    Api(#[from] client::Error),
    #[error("unable to parse csr: {0}")]
    Request(#[from] certs::CertError),
    #[error("recognized csr {name:?} as {recognized:?} but subject access review was not approved")]
    NotAllowed { name: String, recognized: Vec<&'static str> },
}

type Reconciled = Result<Outcome, CertificatesError>;

/// The loop that the three have in common.
async fn run<F, Fut>(name: &'static str, context: &Context, reconcile: F)
where
    F: Fn(Arc<CertificateSigningRequest>) -> Fut + Sync,
    Fut: Future<Output = Reconciled> + Send,
{
    let queue: WorkQueue<ObjectKey> = WorkQueue::new(context.clock.clone());
    let requests = requests(context, queue.clone());
    if !requests.wait_synced().await {
        return;
    }
    run_workers(name, &queue, WORKERS, &context.shutdown, |key| {
        let found = requests.store().get(&key);
        let work = found.map(&reconcile);
        async move {
            match work {
                Some(work) => work.await,
                None => Ok(Outcome::Done),
            }
        }
    })
    .await;
}

fn requests(context: &Context, queue: WorkQueue<ObjectKey>) -> Informer<CertificateSigningRequest> {
    InformerBuilder::new(&context.informers, context.clock.clone(), Selection::all())
        .on_change(move |change| queue.add(change.key.clone()))
        .start(context.shutdown.clone())
}

fn conditions(request: &CertificateSigningRequest) -> &[CertificateSigningRequestCondition] {
    request.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
}

fn has(request: &CertificateSigningRequest, condition: &str) -> bool {
    conditions(request).iter().any(|one| one.type_ == condition)
}

fn is_issued(request: &CertificateSigningRequest) -> bool {
    let certificate = request.status.as_ref().and_then(|status| status.certificate.as_ref());
    certificate.is_some_and(|certificate| !certificate.0.is_empty())
}

/// The request with one more condition that is true.
fn with_condition(
    request: &CertificateSigningRequest,
    type_: &str,
    reason: &str,
    message: &str,
    now: jiff::Timestamp,
) -> CertificateSigningRequest {
    let mut request = request.clone();
    let condition = CertificateSigningRequestCondition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_update_time: Some(Time(now)),
        last_transition_time: None,
    };
    request.status.get_or_insert_default().conditions.get_or_insert_default().push(condition);
    request
}

/// A request that is gone or has changed meanwhile comes back by the watch, if at all.
async fn settled(result: Result<CertificateSigningRequest, client::Error>) -> Reconciled {
    match result {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error.into()),
        _ => Ok(Outcome::Done),
    }
}

fn request_pem(request: &CertificateSigningRequest) -> String {
    String::from_utf8_lossy(&request.spec.request.0).into_owned()
}

async fn update(client: &Client, subresource: &str, request: &CertificateSigningRequest) -> Reconciled {
    settled(client.update_subresource(subresource, request).await).await
}

#[cfg(test)]
mod tests;
