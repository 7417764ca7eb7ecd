//! Tokens live and die with what they are bound to.

use super::*;
use crate::authz::fixture::Objects;
use crate::request::RequestInfo;
use clock::ManualClock;
use expect_test::{Expect, expect};
use http::Method;
use serde_json::json;
use std::time::Duration;

struct Cluster {
    objects: Arc<Objects>,
    clock: Arc<ManualClock>,
    tokens: ServiceAccountTokens,
}

fn account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "a", "name": "robot", "uid": "sa-1"}})
}

fn pod(uid: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "a", "name": "p", "uid": uid},
        "spec": {"serviceAccountName": "robot", "nodeName": "n1"}})
}

fn cluster() -> Cluster {
    let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "node-1"}});
    let objects = Objects::new(vec![account(), pod("pod-1"), node]);
    let dir = tempfile::tempdir().unwrap();
    let config = certs::PkiConfig {
        node_name: "m".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        service_address: "10.96.0.1".to_owned(),
        extra_names: Vec::new(),
        etcd_names: Vec::new(),
    };
    let pki = certs::ensure(dir.path(), &config, jiff::Timestamp::UNIX_EPOCH).unwrap();
    let tokens = ServiceAccountTokens::new(
        objects.reader(),
        clock.clone(),
        "https://issuer".to_owned(),
        Vec::new(),
        Arc::new(pki.token_signer),
        pki.token_verifier,
    );
    Cluster { objects, clock, tokens }
}

impl Cluster {
    fn create(&self, spec: Value) -> Result<Value, api::status::Status> {
        let info = RequestInfo::new(&Method::POST, "/api/v1/namespaces/a/serviceaccounts/robot/token", "");
        self.tokens
            .create(&info, &json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec}))
    }

    fn token(&self, spec: Value) -> String {
        self.create(spec).unwrap()["status"]["token"].as_str().unwrap().to_owned()
    }

    fn good(&self, token: &str) -> bool {
        self.tokens.authenticate(token, &[]).is_ok()
    }
}

impl Cluster {
    fn refused(&self, token: &str, want: Expect) {
        match self.tokens.authenticate(token, &[]) {
            Err(Refused::Because(why)) => want.assert_eq(&why),
            other => panic!("{other:?}"),
        }
    }
}

fn bound() -> Value {
    json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "pod-1"}, "expirationSeconds": 3607})
}

#[test]
fn the_answer_and_the_user() {
    let cluster = cluster();
    let mut answer = cluster.create(json!({})).unwrap();
    let token = answer["status"]["token"].take();
    expect![[r#"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","metadata":{"creationTimestamp":"2026-01-01T00:00:00Z","name":"robot","namespace":"a","uid":"sa-1"},"spec":{"audiences":["https://issuer"],"boundObjectRef":null,"expirationSeconds":3600},"status":{"expirationTimestamp":"2026-01-01T01:00:00Z","token":null}}"#]]
    .assert_eq(&answer.to_string());
    let user = cluster.tokens.authenticate(token.as_str().unwrap(), &[]).unwrap().user;
    assert_eq!((user.name.as_str(), user.uid.as_str()), ("system:serviceaccount:a:robot", "sa-1"));
    assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:a"]);
    let user = cluster.tokens.authenticate(&cluster.token(bound()), &[]).unwrap().user;
    for (key, value) in [("pod-name", "p"), ("pod-uid", "pod-1"), ("node-name", "n1"), ("node-uid", "node-1")] {
        assert_eq!(user.extra[&format!("authentication.kubernetes.io/{key}")], [value]);
    }
}

#[test]
fn audiences() {
    let cluster = cluster();
    let vault = cluster.token(json!({"audiences": ["vault", "x"]}));
    let wanted = ["vault".to_owned(), "other".to_owned()];
    assert!(!cluster.good(&vault));
    assert!(cluster.tokens.authenticate(&vault, &wanted).is_ok());
    cluster.refused(
        &vault,
        expect![[r#"token audiences ["vault" "x"] is invalid for the target audiences ["https://issuer"]"#]],
    );
    assert_eq!(cluster.tokens.matching_audiences(&vault, &wanted), ["vault"]);
}

#[test]
fn tokens_end() {
    let cluster = cluster();
    let (hour, injected) = (cluster.token(json!({})), cluster.token(bound()));
    assert!(cluster.good(&hour) && cluster.good(&injected));
    // a minute more, since clocks differ
    cluster.clock.advance(Duration::from_secs(3660));
    assert!(cluster.good(&hour));
    cluster.clock.advance(Duration::from_secs(1));
    cluster.refused(&hour, expect!["service account token has expired"]);
    // The injected one lives as long as its pod.
    cluster.clock.advance(Duration::from_secs(3600));
    assert!(cluster.good(&injected));
    cluster.objects.put(pod("pod-2"));
    cluster.refused(&injected, expect!["pod UID (pod-2) does not match service account pod ref claim (pod-1)"]);
    cluster.objects.put(pod("pod-1"));
    assert!(cluster.good(&injected));
    cluster.objects.remove("", "pods", &json!("a"), &json!("p"));
    cluster.refused(&injected, expect!["service account token has been invalidated"]);
    let broken = injected.rsplit_once('.').unwrap().0.to_owned() + "." + &"A".repeat(86);
    cluster.refused(&broken, expect!["go-jose/go-jose: error in cryptographic primitive"]);
}

#[test]
fn a_pod_that_shuts_down_keeps_its_token_for_a_minute() {
    let cluster = cluster();
    let token = cluster.token(bound());
    let mut going = pod("pod-1");
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:30Z".into();
    cluster.objects.put(going);
    cluster.clock.advance(Duration::from_secs(90));
    assert!(cluster.good(&token));
    cluster.clock.advance(Duration::from_secs(1));
    assert!(!cluster.good(&token));
}

#[test]
fn a_new_account_of_the_same_name_is_another() {
    let cluster = cluster();
    let token = cluster.token(json!({}));
    let mut other = account();
    other["metadata"]["uid"] = "sa-2".into();
    cluster.objects.put(other);
    cluster.refused(&token, expect!["service account UID (sa-2) does not match claim (sa-1)"]);
    cluster.objects.remove("", "serviceaccounts", &json!("a"), &json!("robot"));
    cluster.refused(&token, expect![[r#"serviceaccounts "robot" not found"#]]);
}

fn refused(spec: Value, want: Expect) {
    let status = cluster().create(spec).unwrap_err();
    want.assert_eq(&format!("{} {} {}", status.code, status.message, status.details["name"]));
}

#[test]
fn a_uid_in_the_request_is_that_of_the_account() {
    let create = |uid: &str| {
        let info = RequestInfo::new(&Method::POST, "/api/v1/namespaces/a/serviceaccounts/robot/token", "");
        cluster().tokens.create(&info, &json!({"metadata": {"uid": uid}, "spec": {}}))
    };
    assert!(create("sa-1").is_ok());
    let refused = create("sa-2").unwrap_err();
    assert_eq!(refused.code, 409);
    expect![[r#"Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "robot": the UID in the token request (sa-2) does not match the UID of the service account (sa-1)"#]]
        .assert_eq(&refused.message);
}

#[test]
fn refusals() {
    refused(
        json!({"expirationSeconds": 10}),
        expect![[
            r#"422 TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes null"#
        ]],
    );
    refused(
        json!({"expirationSeconds": 0}),
        expect![[
            r#"422 TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 0: may not specify a duration less than 10 minutes null"#
        ]],
    );
    refused(
        json!({"expirationSeconds": 8589934592_i64}),
        expect![[
            r#"422 TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 8589934592: may not specify a duration larger than 2^32 seconds null"#
        ]],
    );
    refused(
        json!({"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}),
        expect!["400 cannot bind token to object of type apps/v1, Kind=Deployment null"],
    );
    refused(
        json!({"boundObjectRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}}),
        expect!["400 cannot bind token to object of type /v1, Kind=ConfigMap null"],
    );
    refused(
        json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "x"}}),
        expect![[r#"404 pods "x" not found "x""#]],
    );
    refused(
        json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "z"}}),
        expect![[
            r#"409 Operation cannot be fulfilled on Pod "p": the UID in the bound object reference (z) does not match the UID in record. The object might have been deleted and then recreated "p""#
        ]],
    );
}

#[test]
fn a_token_of_a_secret_goes_with_the_secret_and_the_account() {
    use base64::Engine as _;
    let cluster = cluster();
    let claims = |uid: &str| {
        json!({"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:a:robot",
            "kubernetes.io/serviceaccount/namespace": "a", "kubernetes.io/serviceaccount/secret.name": "s",
            "kubernetes.io/serviceaccount/service-account.name": "robot",
            "kubernetes.io/serviceaccount/service-account.uid": uid})
    };
    let token = cluster.tokens.signer.sign(&claims("sa-1")).unwrap();
    cluster.refused(&token, expect!["Token has been invalidated"]);
    let secret = |token: &str| {
        let token = base64::engine::general_purpose::STANDARD.encode(token);
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "a", "name": "s"}, "data": {"token": token}})
    };
    cluster.objects.put(secret("other"));
    cluster.refused(&token, expect!["token does not match server's copy"]);
    cluster.objects.put(secret(&token));
    let user = cluster.tokens.authenticate(&token, &[]).unwrap().user;
    assert_eq!((user.name.as_str(), user.uid.as_str()), ("system:serviceaccount:a:robot", "sa-1"));
    assert_eq!(cluster.tokens.matching_audiences(&token, &[]), ["https://issuer"]);
    let wanted = cluster.tokens.authenticate(&token, &["vault".to_owned()]).unwrap_err();
    assert_eq!(
        wanted,
        Refused::Because(
            r#"token audiences ["https://issuer"] is invalid for the target audiences ["vault"]"#.to_owned()
        )
    );
    note_and_mark(&cluster, &token, &secret(&token));
    let stale = cluster.tokens.signer.sign(&claims("sa-0")).unwrap();
    cluster.objects.put(secret(&stale));
    cluster.refused(&stale, expect!["ServiceAccount UID (sa-1) does not match claim (sa-0)"]);
}

/// Uses are noted once a day; who did not ask for the token is warned, and a token may be marked as invalid.
fn note_and_mark(cluster: &Cluster, token: &str, secret: &Value) {
    use futures::FutureExt;
    let uses = cluster.tokens.uses();
    let noted = || uses.next().now_or_never().map(|noted| noted.into_keys().collect::<Vec<_>>());
    let own = || Some(vec![("a".to_owned(), "s".to_owned())]);
    assert_eq!(noted(), own());
    let with = |label: &str, value: &str| {
        let mut secret = secret.clone();
        secret["metadata"]["labels"] = json!({label: value});
        cluster.objects.put(secret);
        cluster.tokens.authenticate(token, &[])
    };
    for (day, wanted) in [("2025-12-31", own()), ("2026-01-01", None), ("2026-01-02", None), ("2026-01-03", own())] {
        assert_eq!(with(LAST_USED, day).unwrap().warning, None);
        assert_eq!(noted(), wanted, "{day}");
    }
    let invalid = with("kubernetes.io/legacy-token-invalid-since", "2025-12-31").unwrap_err();
    let why = "the token in secret a/s for service account a/robot has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the 'kubernetes.io/legacy-token-invalid-since' label from the secret to temporarily allow use of this token";
    assert_eq!((invalid, noted()), (Refused::Because(why.to_owned()), own()));
    let mut generated = account();
    generated["secrets"] = json!([{"name": "s"}]);
    cluster.objects.put(generated);
    let warned = with(LAST_USED, "2026-01-01").unwrap().warning;
    assert_eq!(
        warned,
        Some(
            "Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens."
        )
    );
    cluster.objects.put(account());
}
