//! All controllers against a running API server, for trying things out: `manager URL TOKEN ROOT_CA_FILE`. The token is an
//! administrator's; each controller impersonates its own service account, so that its rights are tried too.

use client::{Client, Shutdown};
use controllers::{Context, Settings};
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, root_ca] = arguments.as_slice() else { return Err("manager URL TOKEN ROOT_CA_FILE".into()) };
    tracing_subscriber::fmt().with_env_filter("info").init();
    let mut config = kube::Config::new(url.parse()?);
    config.accept_invalid_certs = true; // a throw-away server on loopback
    config.auth_info.token = Some(token.clone().into());
    let as_user = move |user: String| {
        let mut config = config.clone();
        let account = user.starts_with("system:serviceaccount:");
        config.auth_info.impersonate = Some(user);
        let groups = ["system:serviceaccounts".to_owned(), "system:authenticated".to_owned()];
        config.auth_info.impersonate_groups = Some(groups[usize::from(!account)..].to_vec());
        Client::from_config(config, "kube-controller-manager/v1.36.2").expect("a plain configuration")
    };
    let informers = as_user("system:kube-controller-manager".to_owned());
    let client_for = move |name: &'static str| as_user(format!("system:serviceaccount:kube-system:{name}"));
    let settings = Settings {
        signing: None,
        token_signer: None,
        selection: controllers::ControllerSelection::all(),
        cluster_cidr: "10.244.0.0/16".to_owned(),
        node_cidr_mask_size: 24,
        root_ca: std::fs::read_to_string(root_ca)?,
    };
    controllers::run(Context {
        client_for: Arc::new(client_for),
        informers,
        clock: clock::system(),
        shutdown: Shutdown::new(),
        settings,
    })
    .await;
    Ok(())
}
