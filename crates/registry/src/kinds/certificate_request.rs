//! CertificateSigningRequests (`k8s.io/kubernetes/pkg/apis/certificates/validation`). Who asked is written by the
//! server; nothing of the spec changes afterwards; approving, denying and signing each have their own endpoint.
//!
//! Whether somebody may approve or sign for a signer is admission's.

pub(super) mod pem;

use crate::object::{child_or_new, default_str, keep, reset_status, str_at};
use crate::resource::{Occasion, Requestor};
use crate::{At, Strategy, Subresource, Update, names};
use api::field::{Error, ErrorList};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The usages that a certificate can be asked for, sorted.
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
/// The signer of the first version of this API, which v1 does not know.
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
/// The shortest life of a certificate, in seconds.
const MIN_EXPIRATION_SECONDS: i64 = 600;
/// Longest domain of a signer's name, and longest path, in bytes.
const MAX_DOMAIN_BYTES: usize = 253;
const MAX_PATH_BYTES: usize = 253 + 63 + 1;
/// The types of conditions that stay once they are there.
const LASTING: [&str; 3] = ["Approved", "Denied", "Failed"];

/// The strategy of certificate signing requests.
#[derive(Debug)]
pub(crate) struct CertificateRequest;

impl Strategy for CertificateRequest {
    /// Any name that can stand in a path: kubelets call theirs `node-csr-` and a hash with capitals (upstream's
    /// `ValidateCertificateRequestName`).
    fn validate_name(&self, name: &str) -> Vec<String> {
        names::path_segment(name)
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({}));
    }

    /// Writes who asks into a new request, and times into conditions that have none.
    fn stamp(&self, new: &mut Value, old: Option<&Value>, occasion: &Occasion<'_>) {
        let Value::Object(request) = new else { return };
        let Some(old) = old else {
            stamp_requestor(child_or_new(request, "spec"), occasion.user);
            return;
        };
        let before = old["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let Some(Value::Object(status)) = request.get_mut("status") else { return };
        for condition in crate::object::children(status, "conditions") {
            let kind = str_at(condition, "type").to_owned();
            let same = |old: &&Value| old["type"] == *kind && old["status"] == str_at(condition, "status");
            let kept = before.iter().find(same).and_then(|old| old["lastTransitionTime"].as_str());
            let changed = kept.unwrap_or(occasion.now).to_owned();
            default_str(condition, "lastUpdateTime", occasion.now);
            default_str(condition, "lastTransitionTime", &changed);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validate(object, None)
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        keep(new, old, "spec");
        match subresource {
            Some(Subresource::Approval) => {
                let conditions = new["status"].get("conditions").cloned();
                keep(new, old, "status");
                if let Value::Object(request) = new {
                    crate::object::put(child_or_new(request, "status"), "conditions", conditions);
                }
            }
            Some(Subresource::Status) => {}
            _ => keep(new, old, "status"),
        }
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = validate(update.new, Some(update.old));
        validate_conditions_kept(&update, &mut errors);
        let (new, old) = (At::root(update.new), At::root(update.old));
        let (status, old_status) = (new.at("status"), old.at("status"));
        let (certificate, before) = (status.at("certificate"), old_status.at("certificate"));
        if certificate.str() != before.str() {
            if update.subresource != Some(Subresource::Status) {
                errors.push(certificate.forbidden("updates may not set certificate content"));
            } else if !before.is_empty() {
                errors.push(certificate.forbidden("updates may not modify existing certificate content"));
            }
        }
        errors
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(Cow<'static, str>, String)> {
        let request = At::root(object);
        vec![("spec.signerName".into(), request.at("spec").at("signerName").str().to_owned())]
    }
}

fn stamp_requestor(spec: &mut Map<String, Value>, user: Requestor<'_>) {
    let text = |text: &str| (!text.is_empty()).then(|| Value::from(text));
    crate::object::put(spec, "username", text(user.name));
    crate::object::put(spec, "uid", text(user.uid));
    crate::object::put(spec, "groups", (!user.groups.is_empty()).then(|| user.groups.into()));
    let extra = user.extra.iter().map(|(key, values)| (key.clone(), Value::from(values.clone())));
    let extra: Map<String, Value> = extra.collect();
    crate::object::put(spec, "extra", (!extra.is_empty()).then(|| extra.into()));
}

/// `validateCertificateSigningRequest`. What was stored with a mistake already may be changed in other fields.
fn validate(object: &Value, old: Option<&Value>) -> ErrorList {
    let mut errors = ErrorList::new();
    let root = At::root(object);
    let spec = root.at("spec");
    if old.is_none() {
        validate_spec(&spec, &mut errors);
    }
    let status = root.at("status");
    validate_conditions(&status.at("conditions"), &mut errors);
    let certificate = status.at("certificate");
    if let Err(why) = pem::check_certificates(certificate.str()) {
        errors.push(certificate.invalid_value("<certificate data>", why));
    }
    errors
}

fn validate_spec(spec: &At, errors: &mut ErrorList) {
    let (request, usages, signer) = (spec.at("request"), spec.at("usages"), spec.at("signerName"));
    if let Err(why) = pem::check_request(request.str()) {
        errors.push(request.invalid_value(request.str(), why));
    }
    if usages.is_empty() {
        errors.push(usages.required(""));
    }
    for usage in usages.items().filter(|usage| !USAGES.contains(&usage.str())) {
        errors.push(usage.not_supported(&USAGES));
    }
    let mut seen = BTreeSet::new();
    for usage in usages.items().filter(|usage| !seen.insert(usage.str())) {
        errors.push(usage.duplicate());
    }
    if signer.str() == LEGACY_SIGNER {
        errors.push(signer.invalid("the legacy signerName is not allowed via this API version"));
    } else {
        validate_signer_name(&signer, errors);
    }
    let expiration = spec.at("expirationSeconds");
    if expiration.int().is_some_and(|seconds| seconds < MIN_EXPIRATION_SECONDS) {
        let why = format!("may not specify a duration less than {MIN_EXPIRATION_SECONDS} seconds (10 minutes)");
        errors.push(expiration.invalid(why));
    }
}

/// `ValidateSignerName`: `domain/path`.
fn validate_signer_name(signer: &At, errors: &mut ErrorList) {
    if signer.is_empty() {
        errors.push(signer.required(""));
        return;
    }
    let parts: Vec<&str> = signer.str().split('/').collect();
    let [domain, path] = parts[..] else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.push(signer.invalid(detail));
        return;
    };
    if domain.len() > MAX_DOMAIN_BYTES {
        errors.push(signer.too_long(MAX_DOMAIN_BYTES));
    }
    let labels = domain.split('.').map(|label| (label, names::dns1123_label(label)));
    refuse_label(signer, domain, labels, errors);
    if !domain.contains('.') {
        errors.push(signer.invalid_value(domain, "should be a domain with at least two segments separated by dots"));
    }
    let labels = path.split('.').map(|label| (label, names::dns1123_subdomain(label)));
    refuse_label(signer, path, labels, errors);
    if signer.len() > MAX_DOMAIN_BYTES + MAX_PATH_BYTES + 1 {
        errors.push(signer.too_long(MAX_DOMAIN_BYTES + MAX_PATH_BYTES + 1));
    }
}

/// Says what is wrong with the first label of a part that is wrong: those after it would say the same.
fn refuse_label<'a>(
    signer: &At,
    part: &str,
    mut labels: impl Iterator<Item = (&'a str, Vec<String>)>,
    errors: &mut ErrorList,
) {
    let Some((label, wrong)) = labels.find(|(_, wrong)| !wrong.is_empty()) else { return };
    let detail = |wrong: String| format!("validating label {}: {wrong}", api::field::go_quote(label));
    errors.extend(wrong.into_iter().map(|wrong| signer.invalid_value(part, detail(wrong))));
}

/// `validateConditions`
fn validate_conditions(conditions: &At, errors: &mut ErrorList) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for condition in conditions.items() {
        let (kind, status) = (condition.at("type"), condition.at("status"));
        kind.require(errors);
        if LASTING.contains(&kind.str()) {
            status.require_one_of(errors, &["True"]);
        } else {
            status.require_one_of(errors, &["False", "True", "Unknown"]);
        }
        let excludes = match kind.str() {
            "Approved" => seen.contains("Denied"),
            "Denied" => seen.contains("Approved"),
            _ => false,
        };
        if excludes {
            let detail = "Approved and Denied conditions are mutually exclusive";
            errors.push(conditions.invalid_value(kind.str(), detail));
        }
        if !seen.insert(kind.str()) {
            errors.push(kind.duplicate());
        }
    }
}

/// Decisions are not taken back, and are made through `approval` alone.
fn validate_conditions_kept(update: &Update<'_>, errors: &mut ErrorList) {
    let (new, old) = (&update.new["status"]["conditions"], &update.old["status"]["conditions"]);
    let path = api::field::Path::new("status").child("conditions");
    let find = |list: &Value, kind: &str| -> Vec<Value> {
        list.as_array().into_iter().flatten().filter(|c| c["type"] == kind).cloned().collect()
    };
    let mut refuse = |verb: &str, kind: &str| {
        let detail = format!("updates may not {verb} a condition of type \"{kind}\"");
        errors.push(Error::forbidden(&path, detail));
    };
    for kind in LASTING {
        if find(new, kind).len() < find(old, kind).len() {
            refuse("remove", kind);
        }
    }
    if update.subresource == Some(Subresource::Approval) {
        return;
    }
    for kind in ["Approved", "Denied"] {
        let (now, before) = (find(new, kind), find(old, kind));
        if now.len() > before.len() {
            refuse("add", kind);
        } else if now.len() == before.len() && now != before {
            refuse("modify", kind);
        }
    }
}
