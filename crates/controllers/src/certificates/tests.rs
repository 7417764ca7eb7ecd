//! What is approved, what is signed, and when requests go: the decisions without an API.

use super::approve::{is_node_client, kubelet_client_problem, kubelet_serving_problem};
use super::sign::{Plan, Signing, plan};
use super::{API_SERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, clean, with_condition};
use jiff::{Timestamp, ToSpan};
use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;

const YEAR: u64 = 365 * 24 * 3600;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn signing() -> Signing {
    let authority = Arc::new(certs::Authority::create("kubernetes", 10 * YEAR, now()).unwrap());
    Signing { authority, validity_seconds_max: YEAR }
}

fn request(signer: &str, name: &str, group: &str, names: &[&str], usages: &[&str]) -> CertificateSigningRequest {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = certs::private_key().unwrap();
    let made = certs::certificate_request(name, Some(group), &names, &key).unwrap();
    let spec = CertificateSigningRequestSpec {
        request: ByteString(made.request_pem.into_bytes()),
        signer_name: signer.to_owned(),
        usages: Some(usages.iter().map(|usage| (*usage).to_owned()).collect()),
        ..CertificateSigningRequestSpec::default()
    };
    let mut request = CertificateSigningRequest { spec, ..CertificateSigningRequest::default() };
    request.metadata.creation_timestamp = Some(Time(now()));
    request
}

fn approved(request: &CertificateSigningRequest) -> CertificateSigningRequest {
    with_condition(request, "Approved", "AutoApproved", "", now())
}

const CLIENT_USAGES: [&str; 2] = ["digital signature", "client auth"];

#[test]
fn a_kubelets_request_is_recognized_and_its_imitations_are_not() {
    let recognized = |r: &CertificateSigningRequest| {
        let info = certs::request_info(&super::request_pem(r)).unwrap();
        is_node_client(&r.spec, &info)
    };
    let good = request(KUBELET_CLIENT, "system:node:n1", "system:nodes", &[], &CLIENT_USAGES);
    assert!(recognized(&good));
    for bad in [
        request(API_SERVER_CLIENT, "system:node:n1", "system:nodes", &[], &CLIENT_USAGES),
        request(KUBELET_CLIENT, "n1", "system:nodes", &[], &CLIENT_USAGES),
        request(KUBELET_CLIENT, "system:node:n1", "system:masters", &[], &CLIENT_USAGES),
        request(KUBELET_CLIENT, "system:node:n1", "system:nodes", &["n1"], &CLIENT_USAGES),
        request(KUBELET_CLIENT, "system:node:n1", "system:nodes", &["10.0.0.1"], &CLIENT_USAGES),
        request(KUBELET_CLIENT, "system:node:n1", "system:nodes", &[], &["client auth"]),
        request(KUBELET_CLIENT, "system:node:n1", "system:nodes", &[], &["digital signature", "server auth"]),
    ] {
        assert!(!recognized(&bad), "{:?}", bad.spec.usages);
    }
}

#[test]
fn only_approved_requests_of_our_signers_are_signed() {
    let signing = signing();
    let client = request(KUBELET_CLIENT, "system:node:n1", "system:nodes", &[], &CLIENT_USAGES);
    assert_eq!(plan(&signing, &client, now()), Plan::Nothing);
    let other = request("example.com/people", "jane", "dev", &[], &CLIENT_USAGES);
    assert_eq!(plan(&signing, &approved(&other), now()), Plan::Nothing);
    let Plan::Status(signed) = plan(&signing, &approved(&client), now()) else { panic!("not signed") };
    let certificate = signed.status.clone().unwrap().certificate.unwrap();
    let info = certs::certificate_info(&String::from_utf8(certificate.0).unwrap()).unwrap();
    assert_eq!(
        (info.common_name.as_str(), info.organizations.as_slice()),
        ("system:node:n1", &["system:nodes".to_owned()][..])
    );
    assert_eq!(plan(&signing, &signed, now()), Plan::Nothing, "signed once");
}

#[test]
fn the_asked_validity_holds_within_limits() {
    let signing = signing();
    for (asked, given) in [(None, YEAR), (Some(3600), 3600), (Some(1), 600), (Some(i32::MAX), YEAR)] {
        let mut asking = request(API_SERVER_CLIENT, "jane", "dev", &[], &["client auth"]);
        asking.spec.expiration_seconds = asked;
        let Plan::Status(signed) = plan(&signing, &approved(&asking), now()) else { panic!("not signed") };
        let pem = signed.status.unwrap().certificate.unwrap();
        let info = certs::certificate_info(&String::from_utf8(pem.0).unwrap()).unwrap();
        assert_eq!(info.not_after.as_second() - now().as_second(), i64::try_from(given).unwrap(), "{asked:?}");
    }
}

#[test]
fn what_a_signer_may_not_sign_fails_with_the_reason() {
    let signing = signing();
    let no_names =
        request(KUBELET_SERVING, "system:node:n1", "system:nodes", &[], &["digital signature", "server auth"]);
    let wrong_usage = request(API_SERVER_CLIENT, "jane", "dev", &[], &["server auth"]);
    for (request, message) in [
        (no_names, "DNS or IP subjectAltName is required"),
        (wrong_usage, "invalid usage for client certificate: server auth"),
    ] {
        let Plan::Status(failed) = plan(&signing, &approved(&request), now()) else { panic!("not failed") };
        let condition = failed.status.unwrap().conditions.unwrap().pop().unwrap();
        assert_eq!(condition.type_, "Failed");
        assert_eq!(condition.reason.as_deref(), Some("SignerValidationFailure"));
        assert_eq!(condition.message.as_deref(), Some(message));
    }
    let info = certs::RequestInfo {
        common_name: "system:node:n1".to_owned(),
        organizations: vec!["system:nodes".to_owned()],
        dns_names: vec!["n1".to_owned()],
        ..certs::RequestInfo::default()
    };
    let usages = ["server auth".to_owned(), "digital signature".to_owned(), "key encipherment".to_owned()];
    assert_eq!(kubelet_serving_problem(&info, Some(&usages)), None);
    assert_eq!(kubelet_client_problem(&info, Some(&usages)), Some("DNS subjectAltNames are not allowed"));
}

#[test]
fn requests_go_when_they_are_old() {
    let signing = signing();
    let asked = request(KUBELET_CLIENT, "system:node:n1", "system:nodes", &[], &CLIENT_USAGES);
    assert_eq!(clean::end(&asked), now() + 24.hours());
    let denied = with_condition(&asked, "Denied", "", "", now() + 1.hour());
    assert_eq!(clean::end(&denied), now() + 2.hours());
    let approved = approved(&asked);
    assert_eq!(clean::end(&approved), now() + 24.hours());
    let Plan::Status(signed) = plan(&signing, &approved, now()) else { panic!("not signed") };
    assert_eq!(clean::end(&signed), now() + 1.hour());
}
