//! The scheduler against a running API server, for trying things out: `schedule URL TOKEN`. The token is an
//! administrator's; the scheduler impersonates its own user, so that its rights are tried too.

use client::{Client, Shutdown};
use rand::SeedableRng;
use scheduler::{Config, Dependencies};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token] = arguments.as_slice() else { return Err("schedule URL TOKEN".into()) };
    tracing_subscriber::fmt().with_env_filter("info").init();
    let mut config = kube::Config::new(url.parse()?);
    config.accept_invalid_certs = true; // a throw-away server on loopback
    config.auth_info.token = Some(token.clone().into());
    config.auth_info.impersonate = Some("system:kube-scheduler".to_owned());
    config.auth_info.impersonate_groups = Some(vec!["system:authenticated".into()]);
    let client = Client::from_config(config, "kube-scheduler/v1.36.2")?;
    let rng = Box::new(rand::rngs::SmallRng::seed_from_u64(1));
    let config = Config { scheduler_name: "default-scheduler".to_owned(), hostname: "here".to_owned() };
    scheduler::run(
        config,
        Dependencies { informers: client.clone(), client, clock: clock::system(), rng },
        Shutdown::new(),
    )
    .await;
    Ok(())
}
