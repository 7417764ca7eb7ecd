//! A bare API server on loopback, for trying things out: `serve DIR [PORT]`. The token is `admin`; DIR/admin.conf is a
//! kubeconfig.

use apiserver::security::{DEFAULT_ISSUER, SecurityConfig};
use apiserver::{Config, Server, StaticTokens};
use std::path::PathBuf;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("usage: serve DIR [PORT]")?);
    let port: u16 = arguments.next().unwrap_or_else(|| "0".to_owned()).parse()?;
    let clock = clock::system();
    std::fs::create_dir_all(&directory)?;
    let authority = certs::Authority::create("serve", 86_400, clock.now())?;
    let signer = certs::TokenSigner::from_pem(&authority.key_pem())?;
    let pair = authority.issue(
        &certs::Issue {
            common_name: "serve".to_owned(),
            organization: None,
            alt_names: vec!["127.0.0.1".to_owned()],
            usage: certs::Usage::Server,
            validity_seconds: 86_400,
        },
        clock.now(),
    )?;
    let clients = certs::ClientAuth::Optional(authority.certificate_pem());
    let tls = certs::server_config(&pair, clients, &[b"h2", b"http/1.1"])?;
    let mut static_tokens = StaticTokens::default();
    static_tokens.add_administrator("admin");
    let store = store::Embedded::open(&directory.join("state.db"), clock::system())?;
    let server = Server::start(Config {
        store: Arc::new(store.clone()),
        clock: clock.clone(),
        bind: ([127, 0, 0, 1], port).into(),
        tls: Some(tls),
        chain: apiserver::security::chain(SecurityConfig {
            clock,
            issuer: DEFAULT_ISSUER.to_owned(),
            audiences: Vec::new(),
            verifier: certs::TokenVerifier::new([signer.jwk().clone()]),
            signer: Arc::new(signer),
            static_tokens,
            anonymous: true,
            kubelet: None,
        }),
        advertise_address: [127, 0, 0, 1].into(),
        service_cluster_ip_range: "10.96.0.0/12".to_owned(),
        event_ttl_seconds: None,
        front_proxy: None,
        bootstrap: true,
        listeners: Vec::new(),
    })
    .await?;
    let kubeconfig = certs::Kubeconfig {
        cluster: "serve".to_owned(),
        server: format!("https://{}", server.address()),
        certificate_authority: Some(authority.certificate_pem().to_owned()),
        user: "admin".to_owned(),
        credentials: certs::Credentials::Token("admin".to_owned()),
    };
    std::fs::write(directory.join("admin.conf"), kubeconfig.to_yaml())?;
    println!("https://{}", server.address());
    let mut signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    signal.recv().await;
    server.shutdown().await;
    store.close().await;
    Ok(())
}
