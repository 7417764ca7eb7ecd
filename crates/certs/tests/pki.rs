//! The PKI directory: what is made, what is kept, and that the parts fit each other under TLS.

use certs::{ClientAuth, KubeconfigFile, PkiConfig, certificate_info, ensure, peer_identity};
use expect_test::expect;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

fn config() -> PkiConfig {
    PkiConfig {
        node_name: "master".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        service_address: "10.96.0.1".to_owned(),
        extra_names: vec!["10.0.0.5".to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned()],
        etcd_names: vec!["master".to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned()],
    }
}

/// A fixed moment at which this machine's rustls, which has no clock of ours, finds the certificates valid.
fn now() -> jiff::Timestamp {
    let made = std::fs::metadata("/proc/self").unwrap().modified().unwrap();
    jiff::Timestamp::try_from(made).unwrap()
}

fn files(dir: &Path, prefix: &str) -> BTreeMap<String, (u32, String)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            found.extend(files(&path, &format!("{name}/")));
        } else {
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            found.insert(name, (mode, std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

#[test]
fn the_directory_is_kubeadms_and_a_second_ensure_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    ensure(dir.path(), &config(), now()).unwrap();
    let first = files(dir.path(), "");
    let listing: Vec<String> = first.iter().map(|(name, (mode, _))| format!("{mode:o} {name}")).collect();
    expect![[r#"
        600 apiserver-etcd-client.key
        600 apiserver-kubelet-client.key
        600 apiserver.key
        600 ca.key
        600 etcd/ca.key
        600 etcd/healthcheck-client.key
        600 etcd/peer.key
        600 etcd/server.key
        600 front-proxy-ca.key
        600 front-proxy-client.key
        600 sa.key"#]]
    .assert_eq(&listing.iter().filter(|line| line.ends_with(".key")).cloned().collect::<Vec<_>>().join("\n"));
    expect![[r#"
        644 apiserver-etcd-client.crt
        644 apiserver-kubelet-client.crt
        644 apiserver.crt
        644 ca.crt
        644 etcd/ca.crt
        644 etcd/healthcheck-client.crt
        644 etcd/peer.crt
        644 etcd/server.crt
        644 front-proxy-ca.crt
        644 front-proxy-client.crt
        644 sa.pub"#]]
    .assert_eq(&listing.iter().filter(|line| !line.ends_with(".key")).cloned().collect::<Vec<_>>().join("\n"));
    std::fs::remove_file(dir.path().join("apiserver.crt")).unwrap();
    ensure(dir.path(), &config(), now()).unwrap();
    let second = files(dir.path(), "");
    for (name, content) in &first {
        assert_eq!(second[name] == *content, !name.starts_with("apiserver."), "{name}");
    }
}

#[test]
fn an_authority_without_its_key_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    ensure(dir.path(), &config(), now()).unwrap();
    std::fs::remove_file(dir.path().join("ca.key")).unwrap();
    assert!(ensure(dir.path(), &config(), now()).is_err());
}

#[test]
fn what_the_certificates_say() {
    let dir = tempfile::tempdir().unwrap();
    let pki = ensure(dir.path(), &config(), now()).unwrap();
    let info = certificate_info(&pki.api_server.certificate_pem).unwrap();
    expect![[r#"
        kube-apiserver [] by kubernetes for master kubernetes kubernetes.default kubernetes.default.svc kubernetes.default.svc.cluster.local 10.96.0.1 10.0.0.5 localhost 127.0.0.1"#]]
    .assert_eq(&format!(
        "{} {:?} by {} for {}",
        info.common_name,
        info.organizations,
        info.issuer,
        info.alt_names.join(" ")
    ));
    let lifetime = info.not_after.as_second() - info.not_before.as_second();
    assert_eq!(lifetime, 365 * 24 * 3600 + 300);
    assert!(certificate_info(pki.authority.certificate_pem()).unwrap().is_authority);
    let mut who = String::new();
    for file in [
        KubeconfigFile::Admin,
        KubeconfigFile::SuperAdmin,
        KubeconfigFile::ControllerManager,
        KubeconfigFile::Scheduler,
        KubeconfigFile::Kubelet("node1".to_owned()),
    ] {
        let pair = pki.authority.issue(&file.issue(), now()).unwrap();
        let der = certs::certificates_from_pem(&pair.certificate_pem).unwrap();
        let peer = peer_identity(&der[0]).unwrap().unwrap();
        who += &format!("{} {} {:?}\n", file.file_name(), peer.name, peer.groups);
    }
    expect![[r#"
        admin.conf kubernetes-admin ["kubeadm:cluster-admins"]
        super-admin.conf kubernetes-super-admin ["system:masters"]
        controller-manager.conf system:kube-controller-manager []
        scheduler.conf system:kube-scheduler []
        kubelet.conf system:node:node1 ["system:nodes"]
    "#]]
    .assert_eq(&who);
}

/// Runs a TLS handshake in memory; the client's certificate as the server sees it.
fn handshake(
    client: Arc<rustls::ClientConfig>,
    server: Arc<rustls::ServerConfig>,
    name: &str,
) -> Result<Option<Vec<u8>>, rustls::Error> {
    let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(client, name)?;
    let mut server = rustls::ServerConnection::new(server)?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(server.peer_certificates().map(|chain| chain[0].to_vec()))
}

#[test]
fn tls_between_the_parts() {
    let dir = tempfile::tempdir().unwrap();
    let pki = ensure(dir.path(), &config(), now()).unwrap();
    let stranger = tempfile::tempdir().unwrap();
    let stranger = ensure(stranger.path(), &config(), now()).unwrap();
    let ca = pki.authority.certificate_pem();
    let server = certs::server_config(&pki.api_server, ClientAuth::Optional(ca), &[b"h2"]).unwrap();
    let admin = pki.authority.issue(&KubeconfigFile::Admin.issue(), now()).unwrap();
    let client = |pair| certs::client_config(ca, pair, &[b"h2"]).unwrap();
    let peer = handshake(client(Some(&admin)), server.clone(), "kubernetes.default").unwrap().unwrap();
    assert_eq!(peer_identity(&peer).unwrap().unwrap().name, "kubernetes-admin");
    assert_eq!(handshake(client(None), server.clone(), "127.0.0.1").unwrap(), None);
    assert!(handshake(client(None), server.clone(), "example.com").is_err());
    let foreign = stranger.authority.issue(&KubeconfigFile::Admin.issue(), now()).unwrap();
    assert!(handshake(client(Some(&foreign)), server.clone(), "kubernetes").is_err());
    let trusting_others = certs::client_config(stranger.authority.certificate_pem(), None, &[]).unwrap();
    assert!(handshake(trusting_others, server, "kubernetes").is_err());
}

fn grant(usages: &[&str], validity_seconds: u64) -> certs::Grant {
    certs::Grant { usages: usages.iter().map(|usage| (*usage).to_owned()).collect(), validity_seconds }
}

#[test]
fn a_signed_request_keeps_its_subject_and_names_and_serves_tls() {
    let authority = certs::Authority::create("kubernetes", 30 * 24 * 3600, now()).unwrap();
    let key = certs::private_key().unwrap();
    let names = ["node2".to_owned(), "10.0.0.2".to_owned()];
    let request = certs::certificate_request("system:node:node2", Some("system:nodes"), &names, &key).unwrap();
    let asked = certs::request_info(&request.request_pem).unwrap();
    assert_eq!((asked.common_name.as_str(), asked.organizations.len()), ("system:node:node2", 1));
    assert_eq!((asked.dns_names.len(), asked.ip_addresses.len()), (1, 1));
    let usages = grant(&["digital signature", "server auth", "client auth"], 3600);
    let pem = authority.sign_request(&request.request_pem, &usages, now()).unwrap();
    let info = certificate_info(&pem).unwrap();
    assert_eq!(info.organizations, ["system:nodes"]);
    assert_eq!(info.alt_names, names);
    assert!(!info.is_authority);
    assert_eq!(info.not_after.as_second() - now().as_second(), 3600);
    let pair = certs::KeyCertificate { certificate_pem: pem, key_pem: request.key_pem };
    let server = certs::server_config(&pair, ClientAuth::Optional(authority.certificate_pem()), &[]).unwrap();
    let client = certs::client_config(authority.certificate_pem(), Some(&pair), &[]).unwrap();
    let peer = handshake(client, server, "node2").unwrap().unwrap();
    assert_eq!(peer_identity(&peer).unwrap().unwrap().groups, ["system:nodes"]);
}

/// Made with `openssl req -new -newkey rsa:2048 -subj /O=dev/O=ops/O=qa/CN=jane`: three groups, another kind of key.
const THREE_GROUPS: &str = include_str!("three-groups.csr");

#[test]
fn all_groups_of_a_request_are_kept_and_nothing_outlives_the_authority() {
    let authority = certs::Authority::create("kubernetes", 600, now()).unwrap();
    let pem = authority.sign_request(THREE_GROUPS, &grant(&["client auth"], 24 * 3600), now()).unwrap();
    let info = certificate_info(&pem).unwrap();
    assert_eq!((info.common_name.as_str(), info.organizations.len()), ("jane", 3));
    let end = certificate_info(authority.certificate_pem()).unwrap().not_after;
    assert_eq!(info.not_after, end);
}

#[test]
fn requests_that_cannot_be_signed() {
    let authority = certs::Authority::create("kubernetes", 600, now()).unwrap();
    let broken = THREE_GROUPS.replace("MIIC", "MIID");
    for (request, usage) in [(broken.as_str(), "client auth"), ("no PEM", "client auth"), (THREE_GROUPS, "juggling")] {
        assert!(authority.sign_request(request, &grant(&[usage], 60), now()).is_err());
    }
}

#[test]
fn the_hash_is_of_the_public_key_info() {
    let authority = certs::Authority::create("kubernetes", 3600, now()).unwrap();
    let again = certs::Authority::from_pem(authority.certificate_pem(), &authority.key_pem()).unwrap();
    let hash = certs::ca_cert_hash(again.certificate_pem()).unwrap();
    assert!(hash.starts_with("sha256:") && hash.len() == 7 + 64);
    let renewed = certs::Authority::create("kubernetes", 3600, now()).unwrap();
    assert_ne!(hash, certs::ca_cert_hash(renewed.certificate_pem()).unwrap());
}
