//! Kubelets' client certificates are approved without anyone's doing when whoever asks may have them: a joining node by
//! `nodeclient`, a node that renews its own by `selfnodeclient` (upstream's `approver/sarapprove.go`).

use super::{CertificatesError, KUBELET_CLIENT, Reconciled, has, is_issued, request_pem, update, with_condition};
use crate::Context;
use certs::RequestInfo;
use client::{Client, Outcome};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestSpec};
use std::collections::BTreeSet;

const NODE_USER_PREFIX: &str = "system:node:";
const NODES_GROUP: &str = "system:nodes";

/// A kind of request that may be approved.
struct Recognizer {
    /// Subresource of certificatesigningrequests that the requestor must be allowed to create.
    subresource: &'static str,
    message: &'static str,
    recognizes: fn(&CertificateSigningRequestSpec, &RequestInfo) -> bool,
}

const RECOGNIZERS: [Recognizer; 2] = [
    Recognizer {
        subresource: "selfnodeclient",
        message: "Auto approving self kubelet client certificate after SubjectAccessReview.",
        recognizes: is_self_node_client,
    },
    Recognizer {
        subresource: "nodeclient",
        message: "Auto approving kubelet client certificate after SubjectAccessReview.",
        recognizes: is_node_client,
    },
];

/// Runs until shutdown.
pub async fn run(context: Context, client: Client) {
    super::run("certificate-approving", &context, |request| {
        let (client, clock) = (client.clone(), context.clock.clone());
        async move { reconcile(&client, &request, clock.now()).await }
    })
    .await;
}

async fn reconcile(client: &Client, request: &CertificateSigningRequest, now: jiff::Timestamp) -> Reconciled {
    if is_issued(request) || has(request, "Approved") || has(request, "Denied") {
        return Ok(Outcome::Done);
    }
    let info = certs::request_info(&request_pem(request))?;
    let mut tried = Vec::new();
    for recognizer in recognized(&request.spec, &info) {
        tried.push(recognizer.subresource);
        if is_allowed(client, &request.spec, recognizer.subresource).await? {
            let approved = with_condition(request, "Approved", "AutoApproved", recognizer.message, now);
            return update(client, "approval", &approved).await;
        }
    }
    if tried.is_empty() {
        return Ok(Outcome::Done);
    }
    let name = request.metadata.name.clone().unwrap_or_default();
    Err(CertificatesError::NotAllowed { name, recognized: tried })
}

fn recognized<'a>(
    spec: &'a CertificateSigningRequestSpec,
    info: &'a RequestInfo,
) -> impl Iterator<Item = &'static Recognizer> + use<'a> {
    RECOGNIZERS.iter().filter(move |recognizer| (recognizer.recognizes)(spec, info))
}

fn is_self_node_client(spec: &CertificateSigningRequestSpec, info: &RequestInfo) -> bool {
    is_node_client(spec, info) && spec.username.as_deref() == Some(info.common_name.as_str())
}

/// Upstream's `IsKubeletClientCSR`.
pub(super) fn is_node_client(spec: &CertificateSigningRequestSpec, info: &RequestInfo) -> bool {
    spec.signer_name == KUBELET_CLIENT && kubelet_client_problem(info, spec.usages.as_deref()).is_none()
}

/// Upstream's `ValidateKubeletClientCSR`: why a request is not that of a kubelet's client certificate.
pub(super) fn kubelet_client_problem(info: &RequestInfo, usages: Option<&[String]>) -> Option<&'static str> {
    if info.organizations != [NODES_GROUP] {
        return Some("subject organization is not system:nodes");
    }
    if !info.dns_names.is_empty() {
        return Some("DNS subjectAltNames are not allowed");
    }
    if !info.email_addresses.is_empty() {
        return Some("Email subjectAltNames are not allowed");
    }
    if !info.ip_addresses.is_empty() {
        return Some("IP subjectAltNames are not allowed");
    }
    if !info.uris.is_empty() {
        return Some("URI subjectAltNames are not allowed");
    }
    if !info.common_name.starts_with(NODE_USER_PREFIX) {
        return Some("subject common name does not begin with system:node:");
    }
    (!usages_are(usages, "client auth"))
        .then_some("usages did not match [key encipherment digital signature client auth]")
}

/// Upstream's `ValidateKubeletServingCSR`.
pub(super) fn kubelet_serving_problem(info: &RequestInfo, usages: Option<&[String]>) -> Option<&'static str> {
    if info.organizations != [NODES_GROUP] {
        return Some("subject organization is not system:nodes");
    }
    if info.dns_names.is_empty() && info.ip_addresses.is_empty() {
        return Some("DNS or IP subjectAltName is required");
    }
    if !info.email_addresses.is_empty() {
        return Some("Email subjectAltNames are not allowed");
    }
    if !info.uris.is_empty() {
        return Some("URI subjectAltNames are not allowed");
    }
    if !usages_are(usages, "server auth") {
        return Some("usages did not match [key encipherment digital signature server auth]");
    }
    let named = info.common_name.starts_with(NODE_USER_PREFIX);
    (!named).then_some("subject common name does not begin with system:node:")
}

/// Exactly `purpose` and digital signature; key encipherment as well or not (RSA needs it, ECDSA does not).
fn usages_are(usages: Option<&[String]>, purpose: &str) -> bool {
    let mut set: BTreeSet<&str> = usages.unwrap_or_default().iter().map(String::as_str).collect();
    set.remove("key encipherment");
    set == BTreeSet::from(["digital signature", purpose])
}

async fn is_allowed(
    client: &Client,
    spec: &CertificateSigningRequestSpec,
    subresource: &str,
) -> Result<bool, client::Error> {
    let resource_attributes = ResourceAttributes {
        group: Some("certificates.k8s.io".to_owned()),
        resource: Some("certificatesigningrequests".to_owned()),
        subresource: Some(subresource.to_owned()),
        verb: Some("create".to_owned()),
        version: Some("*".to_owned()),
        ..ResourceAttributes::default()
    };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            resource_attributes: Some(resource_attributes),
            user: spec.username.clone(),
            groups: spec.groups.clone(),
            uid: spec.uid.clone(),
            extra: spec.extra.clone(),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    Ok(client.create(&review).await?.status.is_some_and(|status| status.allowed))
}
