//! Who may approve and who may sign requests for certificates of a signer, and what no request may ask for
//! (`k8s.io/kubernetes/plugin/pkg/admission/certificates`).

use super::{Plugin, forbidden, is, text};
use crate::authz::Rbac;
use crate::chain::{Attributes, Authorizer, Decision, Operation};
use crate::request::RequestInfo;
use crate::user::SYSTEM_PRIVILEGED_GROUP;
use api::status::Status;
use base64::Engine as _;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509CertificationRequest};

const GROUP: &str = "certificates.k8s.io";
const PLURAL: &str = "certificatesigningrequests";
/// The signer whose certificates the API server takes for users.
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// CertificateApproval, CertificateSigning and CertificateSubjectRestriction.
pub(super) struct Certificates {
    rbac: Arc<Rbac>,
}

impl Certificates {
    pub fn new(rbac: Arc<Rbac>) -> Self {
        Self { rbac }
    }

    /// `IsAuthorizedForSignerName`: for the signer itself, or for all of its domain.
    fn may(&self, attributes: &Attributes<'_>, verb: &str, signer: &str) -> bool {
        let question = |name: &str| RequestInfo {
            is_resource_request: true,
            verb: verb.to_owned(),
            api_group: GROUP.to_owned(),
            api_version: "*".to_owned(),
            resource: "signers".to_owned(),
            name: name.to_owned(),
            ..RequestInfo::default()
        };
        let allowed = |name: &str| matches!(self.rbac.authorize(attributes.user, &question(name)), Decision::Allow(_));
        let domain = signer.split('/').next().unwrap_or_default();
        attributes.user.in_group(SYSTEM_PRIVILEGED_GROUP) || allowed(signer) || allowed(&format!("{domain}/*"))
    }

    fn decide(&self, attributes: &Attributes<'_>, verb: &str) -> Result<(), Status> {
        let signer = text(&attributes.old["spec"]["signerName"]);
        if self.may(attributes, verb, signer) {
            return Ok(());
        }
        let why = format!("user not permitted to {verb} requests with signerName {signer:?}");
        Err(forbidden(attributes, &why))
    }
}

/// The organizations that a request names.
fn organizations(encoded: &str) -> Option<Vec<String>> {
    let text = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&text).ok()?;
    let (_, request) = X509CertificationRequest::from_der(&pem.contents).ok()?;
    let names = request.certification_request_info.subject.iter_organization();
    Some(names.filter_map(|name| name.as_str().ok()).map(str::to_owned).collect())
}

impl Plugin for Certificates {
    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let update = attributes.operation == Operation::Update;
        if update && is(attributes, GROUP, PLURAL, "approval") {
            return self.decide(attributes, "approve");
        }
        if update && is(attributes, GROUP, PLURAL, "status") {
            let (new, old) = (&attributes.object["status"], &attributes.old["status"]);
            return if new == old { Ok(()) } else { self.decide(attributes, "sign") };
        }
        if attributes.operation != Operation::Create || !is(attributes, GROUP, PLURAL, "") {
            return Ok(());
        }
        let spec = &attributes.object["spec"];
        if text(&spec["signerName"]) != CLIENT_SIGNER {
            return Ok(());
        }
        // What is no request has been refused by validation.
        let groups = organizations(text(&spec["request"])).unwrap_or_default();
        if groups.iter().any(|group| group == SYSTEM_PRIVILEGED_GROUP) {
            let why = format!("use of {CLIENT_SIGNER} signer with {SYSTEM_PRIVILEGED_GROUP} group is not allowed");
            return Err(forbidden(attributes, &why));
        }
        Ok(())
    }
}
