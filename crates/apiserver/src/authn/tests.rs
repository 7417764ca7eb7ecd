//! Who a request is from, as data.

use super::*;
use crate::authz::fixture::Objects;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use certs::TokenVerifier;
use clock::ManualClock;
use expect_test::{Expect, expect};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

fn bootstrap_secret(id: &str, change: impl Fn(&mut Value)) -> Value {
    let data = |text: &str| STANDARD.encode(text);
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"namespace": "kube-system", "name": format!("bootstrap-token-{id}")},
        "data": {"token-id": data(id), "token-secret": data("0123456789abcdef"),
            "usage-bootstrap-authentication": data("true"), "expiration": data("2026-01-02T00:00:00Z"),
            "auth-extra-groups": data("system:bootstrappers:kubeadm:default-node-token")},
    });
    change(&mut secret);
    secret
}

fn authenticators() -> (Authenticators, tempfile::TempDir) {
    let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let objects = Objects::new(vec![
        bootstrap_secret("abcdef", |_| {}),
        bootstrap_secret("ended0", |secret| {
            secret["data"]["expiration"] = STANDARD.encode("2025-12-31T00:00:00Z").into()
        }),
        bootstrap_secret("groups", |secret| {
            secret["data"]["auth-extra-groups"] = STANDARD.encode("system:masters").into()
        }),
        bootstrap_secret("unused", |secret| {
            secret["data"]["usage-bootstrap-authentication"] = STANDARD.encode("no").into()
        }),
    ]);
    let dir = tempfile::tempdir().unwrap();
    let config = certs::PkiConfig {
        node_name: "m".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        service_address: "10.96.0.1".to_owned(),
        extra_names: Vec::new(),
        etcd_names: Vec::new(),
    };
    let pki = certs::ensure(dir.path(), &config, jiff::Timestamp::UNIX_EPOCH).unwrap();
    let mut tokens = StaticTokens::default();
    tokens.add_administrator("boss");
    tokens.add_file("# people\nt1,ann,u1,\"dev,ops\"\nt2,bea,u2\n").unwrap();
    let verifier = TokenVerifier::new(pki.token_verifier.keys().to_vec());
    let accounts = Arc::new(ServiceAccountTokens::new(
        objects.reader(),
        clock.clone(),
        "https://issuer".to_owned(),
        Vec::new(),
        Arc::new(pki.token_signer),
        verifier,
    ));
    (Authenticators::new(objects.reader(), clock, tokens, accounts), dir)
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pairs =
        pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()));
    let mut map = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}

fn show(user: &UserInfo) -> String {
    format!("{} {} {:?} {:?}", user.name, user.uid, user.groups, user.extra)
}

fn check(pairs: &[(&str, &str)], want: Expect) {
    let (all, _dir) = authenticators();
    let text = match all.authenticate(&headers(pairs), &[]) {
        Ok(Some(found)) => show(&found.user),
        Ok(None) => "nobody".to_owned(),
        Err(status) => format!("{} {}", status.code, status.message),
    };
    want.assert_eq(&text);
}

#[test]
fn tokens() {
    check(&[], expect!["nobody"]);
    check(&[("authorization", "Basic eDp5")], expect!["nobody"]);
    check(&[("authorization", "Bearer wrong")], expect!["401 Unauthorized"]);
    check(&[("authorization", "Bearer boss")], expect![[r#"admin  ["system:masters", "system:authenticated"] {}"#]]);
    check(&[("authorization", "bearer t1")], expect![[r#"ann u1 ["dev", "ops", "system:authenticated"] {}"#]]);
    let protocol = format!("base64url.bearer.authorization.k8s.io.{}, v5.channel.k8s.io", URL_SAFE_NO_PAD.encode("t2"));
    check(&[("sec-websocket-protocol", &protocol)], expect![[r#"bea u2 ["system:authenticated"] {}"#]]);
    check(
        &[("authorization", "Bearer abcdef.0123456789abcdef")],
        expect![[
            r#"system:bootstrap:abcdef  ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token", "system:authenticated"] {}"#
        ]],
    );
    for id in ["ended0", "groups", "unused", "absent"] {
        check(&[("authorization", &format!("Bearer {id}.0123456789abcdef"))], expect!["401 Unauthorized"]);
    }
    check(&[("authorization", "Bearer abcdef.0123456789abcdee")], expect!["401 Unauthorized"]);
}

#[test]
fn certificates_come_before_tokens() {
    let (all, dir) = authenticators();
    let pem = std::fs::read_to_string(dir.path().join("apiserver-kubelet-client.crt")).unwrap();
    let chain = certs::certificates_from_pem(&pem).unwrap();
    let user = all.authenticate(&headers(&[("authorization", "Bearer wrong")]), &chain).unwrap().unwrap().user;
    assert_eq!(user.name, "kube-apiserver-kubelet-client");
    assert_eq!(user.groups, ["kubeadm:cluster-admins", "system:authenticated"]);
    assert!(user.extra[CREDENTIAL_ID][0].starts_with("X509SHA256="));
}

#[test]
fn token_files() {
    for (text, want) in [
        ("a,b", Err(StaticTokenError::Columns { line: 1, columns: 2 })),
        ("\n,b,c", Err(StaticTokenError::Empty(2))),
        ("a,\"b \"\"x\"\"\",c", Ok(())),
    ] {
        let mut tokens = StaticTokens::default();
        assert_eq!(tokens.add_file(text), want, "{text}");
        if want.is_ok() {
            assert_eq!(tokens.authenticate("a").unwrap().name, "b \"x\"");
        }
    }
}
