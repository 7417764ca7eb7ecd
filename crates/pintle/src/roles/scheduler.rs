//! `pintle kube-scheduler`: the scheduler alone, with upstream's flags.

use super::election::ElectionFlags;
use super::serving::Serving;
use super::{health, shutdown};
use clap::Args;
use client::{Client, Shutdown};
use clock::SharedClock;
use kubelet::{KUBELET_VERSION, parse_duration};
use serde_json::Value;
use std::error::Error;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// kube-scheduler's flags, as far as they mean something here.
#[derive(Debug, Args)]
pub struct SchedulerFlags {
    /// How to reach the API server.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// A KubeSchedulerConfiguration; what it says wins over the flags.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address of the health port.
    #[arg(long, value_name = "IP", default_value = "0.0.0.0")]
    bind_address: IpAddr,
    /// The health port.
    #[arg(long, value_name = "PORT", default_value_t = 10259)]
    secure_port: u16,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    election: ElectionFlags,
    /// How much to log.
    #[arg(long, short, default_value_t = 2)]
    v: i32,
}

/// The component's name, as its lease has it.
pub const NAME: &str = "kube-scheduler";

/// Runs until told to stop, or until the lease is lost.
pub async fn run(mut flags: SchedulerFlags, clock: SharedClock) -> Result<(), Box<dyn Error>> {
    let shutdown = shutdown::on_signal()?;
    if let Some(path) = flags.config.clone() {
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let document = api::codec::decode_yaml(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        apply_file(&mut flags, &document.value)?;
    }
    let kubeconfig =
        flags.kubeconfig.ok_or("--kubeconfig: Required value: the scheduler works through an API server")?;
    let client = Client::from_kubeconfig(&kubeconfig, &format!("{NAME}/{KUBELET_VERSION}")).await?;
    health::serve(flags.bind_address, flags.secure_port, flags.serving, clock.clone(), shutdown.clone()).await?;
    let hostname = nix::unistd::gethostname()?.to_string_lossy().to_lowercase();
    let work = |stop| schedule(client.clone(), client.clone(), clock.clone(), hostname, stop);
    flags.election.run(NAME, &client, &clock, &shutdown, work).await
}

/// The scheduler itself; also what `pintle server` runs, where `informers` is shared with the controllers.
pub async fn schedule(client: Client, informers: Client, clock: SharedClock, hostname: String, shutdown: Shutdown) {
    let rng = Box::new(rand::make_rng::<rand::rngs::StdRng>());
    let dependencies = scheduler::Dependencies { client, informers, clock, rng };
    let config = scheduler::Config { scheduler_name: "default-scheduler".to_owned(), hostname };
    scheduler::run(config, dependencies, shutdown).await;
}

/// Takes over what a configuration file says.
fn apply_file(flags: &mut SchedulerFlags, document: &Value) -> Result<(), String> {
    let (version, kind) = (&document["apiVersion"], &document["kind"]);
    if version != "kubescheduler.config.k8s.io/v1" || kind != "KubeSchedulerConfiguration" {
        return Err(format!("no kind {kind} is registered for version {version}"));
    }
    let profiles = document["profiles"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_default = |profile: &Value| {
        let fields = profile.as_object();
        fields.is_some_and(|f| f.iter().all(|(key, value)| key == "schedulerName" && value == "default-scheduler"))
    };
    if !profiles.iter().all(is_default) {
        return Err("profiles: only the profile of default-scheduler without changes is part of this build".to_owned());
    }
    if document["extenders"].as_array().is_some_and(|all| !all.is_empty()) {
        return Err("extenders: not part of this build".to_owned());
    }
    if let Some(path) = document.pointer("/clientConnection/kubeconfig").and_then(Value::as_str) {
        flags.kubeconfig = Some(PathBuf::from(path)).filter(|path| path != Path::new(""));
    }
    let election = &document["leaderElection"];
    let flag = &mut flags.election;
    flag.leader_elect = election["leaderElect"].as_bool().unwrap_or(flag.leader_elect);
    let times: [(&str, &mut Duration); 3] = [
        ("leaseDuration", &mut flag.leader_elect_lease_duration),
        ("renewDeadline", &mut flag.leader_elect_renew_deadline),
        ("retryPeriod", &mut flag.leader_elect_retry_period),
    ];
    for (field, to) in times {
        if let Some(text) = election[field].as_str() {
            *to = parse_duration(text)
                .ok_or_else(|| format!("leaderElection.{field}: Invalid value: {text:?}: not a duration"))?;
        }
    }
    if let Some(name) = election["resourceName"].as_str() {
        flag.leader_elect_resource_name = Some(name.to_owned());
    }
    if let Some(namespace) = election["resourceNamespace"].as_str() {
        namespace.clone_into(&mut flag.leader_elect_resource_namespace);
    }
    Ok(())
}
