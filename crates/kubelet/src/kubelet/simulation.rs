//! Static pods and their mirrors while everything goes wrong in an order that a seed chooses: files come, change and go; the
//! API server is away, slow, forgetful; kubelets are killed; mirrors are deleted and written to by others. In the end all
//! is well again, and every mirror has to show what runs.
//!
//! `PINTLE_SIMULATION_SEEDS=1000` runs more of it, `PINTLE_SIMULATION_SEED=7` one alone.

use super::{Dependencies, Kubelet};
use crate::config::Config;
use crate::paths::Paths;
use crate::pod::{self, labels};
use crate::sources::file;
use crate::testing::model_server::ModelServer;
use crate::testing::{FakeNetwork, turns};
use client::Shutdown;
use clock::{Clock, ManualClock, SharedClock};
use futures::FutureExt;
use k8s_openapi::api::core::v1::Pod;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use runtime::fake::FakeRuntime;
use runtime::service::{ContainerFilter, ContainerState, ContainerStatus, ExitReason, RuntimeService};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Seeds of a usual run: enough that each order of two mishaps comes up many times.
const SEEDS: u64 = 60;
/// Mishaps of one seed.
const STEPS: usize = 40;
/// All waits of a kubelet are shorter than this: back-offs of requests are 10 s, of containers 5 min.
const SETTLED_WITHIN_SECONDS: u64 = 900;
/// Once all is well it stays so.
const STAYS_SECONDS: u64 = 60;
const NAMES: [&str; 2] = ["a", "b"];
const NODE: &str = "n";

#[derive(Debug, Clone, Copy)]
enum Mishap {
    ServerGoesAndComes,
    ServerLags,
    AnswersArrive,
    WatchesEnd,
    HistoryEnds,
    WritesFail,
    MirrorDeleted,
    StatusOverwritten,
    FileWritten,
    FileRemoved,
    KubeletKilled,
    ContainerEnds,
    TimePasses,
}

const MISHAPS: [Mishap; 17] = [
    Mishap::ServerGoesAndComes,
    Mishap::ServerLags,
    Mishap::AnswersArrive,
    Mishap::AnswersArrive,
    Mishap::WatchesEnd,
    Mishap::HistoryEnds,
    Mishap::WritesFail,
    Mishap::MirrorDeleted,
    Mishap::MirrorDeleted,
    Mishap::StatusOverwritten,
    Mishap::FileWritten,
    Mishap::FileWritten,
    Mishap::FileRemoved,
    Mishap::KubeletKilled,
    Mishap::ContainerEnds,
    Mishap::TimePasses,
    Mishap::TimePasses,
];

/// A kubelet with a tokio runtime of its own: when that is dropped, nothing of it goes on, as after a SIGKILL.
struct Running {
    tokio: tokio::runtime::Runtime,
    kubelet: Arc<Kubelet>,
}

struct Simulation {
    rng: StdRng,
    story: Vec<String>,
    clock: Arc<ManualClock>,
    runtime: FakeRuntime,
    server: Arc<ModelServer>,
    root: tempfile::TempDir,
    running: Option<Running>,
    up: bool,
    lagging: bool,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::from_second(1_700_000_000).unwrap()));
        let runtime = FakeRuntime::new(clock.clone());
        runtime.add_image("busybox");
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("manifests")).unwrap();
        let (rng, server) = (StdRng::seed_from_u64(seed), ModelServer::new(seed));
        let (running, story) = (None, Vec::new());
        Self { rng, story, clock, runtime, server, root, running, up: true, lagging: false }
    }

    fn manifests(&self) -> PathBuf {
        self.root.path().join("manifests")
    }

    fn start_kubelet(&mut self) {
        let path = |name: &str| self.root.path().join(name);
        let config = Config {
            node_name: NODE.to_owned(),
            node_ips: vec![IpAddr::from([192, 0, 2, 1])],
            paths: Paths { root: path("root"), pod_logs: path("pods"), container_logs: path("containers") },
            static_pod_path: Some(self.manifests()),
            ..Config::default()
        };
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let entered = tokio.enter();
        let clock: SharedClock = self.clock.clone();
        let dependencies = Dependencies {
            client: Some(self.server.client()),
            proxy_client: None,
            runtime: Arc::new(self.runtime.clone()),
            images: Arc::new(self.runtime.clone()),
            network: Arc::new(FakeNetwork),
            clock,
        };
        let shutdown = Shutdown::new();
        let kubelet = Kubelet::new(config, dependencies, &shutdown);
        tokio.spawn(kubelet.clone().run(shutdown));
        drop(entered);
        self.running = Some(Running { tokio, kubelet });
    }

    fn turns(&self, count: usize) {
        if let Some(running) = &self.running {
            running.tokio.block_on(turns(count));
        }
    }

    fn random_name(&mut self) -> &'static str {
        NAMES.choose(&mut self.rng).unwrap()
    }

    fn random_mirror(&mut self) -> String {
        format!("{}-{NODE}", self.random_name())
    }

    fn act(&mut self, mishap: Mishap) {
        let mut what = format!("{mishap:?}");
        match mishap {
            Mishap::ServerGoesAndComes => {
                self.up = !self.up;
                self.server.set_up(self.up);
            }
            Mishap::ServerLags => {
                self.lagging = !self.lagging;
                self.server.set_lagging(self.lagging);
            }
            Mishap::AnswersArrive => self.server.release(),
            Mishap::WatchesEnd => self.server.cut_watches(),
            Mishap::HistoryEnds => self.server.compact(),
            Mishap::WritesFail => {
                let percent = *[0, 30, 80].choose(&mut self.rng).unwrap();
                self.server.set_faults(percent);
                what += &format!(" {percent} %");
            }
            Mishap::MirrorDeleted => {
                let (name, at_once) = (self.random_mirror(), self.rng.random());
                self.server.objects(|objects| objects.user_deletes(&name, at_once));
                what += &format!(" {name}, at once: {at_once}");
            }
            Mishap::StatusOverwritten => {
                let name = self.random_mirror();
                let status = json!({"phase": "Unknown", "conditions": [{"type": "Ready", "status": "False"}]});
                self.server.objects(|objects| objects.other_writes(&name, &status));
                what += &format!(" {name}");
            }
            Mishap::FileWritten => {
                let (name, variant) = (self.random_name(), self.rng.random_range(0..3));
                self.write(name, variant);
                what += &format!(" {name}, variant {variant}");
            }
            Mishap::FileRemoved => {
                let name = self.random_name();
                let _ = std::fs::remove_file(self.manifests().join(name)); // it may not be there
                what += &format!(" {name}");
            }
            Mishap::KubeletKilled => match self.running.take() {
                Some(running) => drop(running),
                None => self.start_kubelet(),
            },
            Mishap::ContainerEnds => {
                let running = self.containers();
                if let Some(container) = running.choose(&mut self.rng) {
                    self.runtime.exit_container(&container.id, 1, ExitReason::Error);
                    what += &format!(" {}", container.id);
                }
            }
            Mishap::TimePasses => {
                let seconds = self.rng.random_range(1..25);
                self.clock.advance(Duration::from_secs(seconds));
                what += &format!(" {seconds} s");
            }
        }
        self.story.push(what);
    }

    /// As `mv` and editors do.
    fn write(&self, name: &str, variant: u32) {
        let manifest = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {"variant": variant.to_string()}},
            "spec": {"terminationGracePeriodSeconds": 1,
                "containers": [{"name": "c", "image": "busybox", "imagePullPolicy": "Never"}]}});
        let hidden = self.manifests().join(format!(".{name}"));
        std::fs::write(&hidden, manifest.to_string()).unwrap();
        std::fs::rename(hidden, self.manifests().join(name)).unwrap();
    }

    /// The containers that run.
    fn containers(&self) -> Vec<ContainerStatus> {
        let listed = self.runtime.list_containers(ContainerFilter::default()).now_or_never().unwrap().unwrap();
        listed.into_iter().filter(|container| container.state == ContainerState::Running).collect()
    }

    /// The containers of one pod's name that run, whatever its uid.
    fn containers_of(&self, name: &str) -> Vec<ContainerStatus> {
        let is_of = |c: &ContainerStatus| c.labels.get(labels::POD_NAME).is_some_and(|pod| pod == name);
        self.containers().into_iter().filter(is_of).collect()
    }

    /// What must hold at every moment.
    fn always(&self) -> Result<(), String> {
        for name in NAMES.map(|name| format!("{name}-{NODE}")) {
            let running = self.containers_of(&name);
            if running.len() > 1 {
                return Err(format!("{} containers of {name} at one time: {running:#?}", running.len()));
            }
        }
        Ok(())
    }

    /// What must hold in the end.
    fn settled(&self) -> Result<(), String> {
        self.always()?;
        let wanted = file::read(&self.manifests(), NODE, self.clock.now()).unwrap().pods;
        let objects = self.server.objects(|objects| objects.pods());
        let names = |pods: Vec<&str>| pods.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        let (want, have) = (
            names(wanted.iter().map(pod::name).collect()),
            names(objects.iter().filter_map(|o| o["metadata"]["name"].as_str()).collect()),
        );
        if want != have {
            return Err(format!("mirrors of {have:?} and manifests of {want:?}"));
        }
        if self.containers().len() != wanted.len() {
            return Err(format!("{} containers for {} pods", self.containers().len(), wanted.len()));
        }
        wanted.iter().try_for_each(|pod| {
            let object = objects.iter().find(|object| object["metadata"]["name"] == pod::name(pod)).unwrap();
            self.is_shown(pod, object).map_err(|why| format!("{why}: {object:#}"))
        })
    }

    /// Whether a mirror shows the pod of a manifest as it runs.
    fn is_shown(&self, pod: &Pod, object: &Value) -> Result<(), String> {
        let same = object["metadata"]["annotations"][pod::CONFIG_MIRROR] == json!(pod::uid(pod).0);
        let held = object["metadata"]["deletionTimestamp"].is_null();
        let (same, held) = (same.then_some(()), held.then_some(()));
        same.ok_or("the mirror of another manifest")?;
        held.ok_or("the mirror is to be deleted")?;
        let containers = self.containers_of(pod::name(pod));
        let [running] = containers.as_slice() else { return Err("it does not run".to_owned()) };
        if running.labels.get(labels::POD_UID) != Some(&pod::uid(pod).0) {
            return Err("the container of another manifest".to_owned());
        }
        let status = &object["status"];
        let shown = &status["containerStatuses"][0];
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
        let id = shown["containerID"].as_str().is_some_and(|id| id.ends_with(&running.id.0));
        if status["phase"] == "Running" && ready && id && shown["state"]["running"].is_object() {
            return Ok(());
        }
        Err(format!("the status is not that of {}", running.id))
    }

    fn heal(&mut self) {
        self.server.set_faults(0);
        self.server.set_lagging(false);
        self.server.release();
        if !self.up {
            self.server.set_up(true);
        }
        if self.running.is_none() {
            self.start_kubelet();
        }
        self.story.push("all is well again".to_owned());
    }

    fn second_passes(&self) {
        self.turns(10);
        self.clock.advance(Duration::from_secs(1));
        self.turns(10);
    }

    fn play(&mut self) -> Result<(), String> {
        self.start_kubelet();
        for _ in 0..STEPS {
            let mishap = *MISHAPS.choose(&mut self.rng).unwrap();
            self.act(mishap);
            self.always()?;
            let count = self.rng.random_range(0..30);
            self.turns(count);
            self.always()?;
        }
        self.heal();
        let mut seconds = 0;
        while let Err(why) = self.settled() {
            if seconds > SETTLED_WITHIN_SECONDS {
                return Err(why);
            }
            seconds += 1;
            self.second_passes();
            self.always()?;
        }
        self.story.push(format!("settled after {seconds} s"));
        (0..STAYS_SECONDS).for_each(|_| self.second_passes());
        self.settled()
    }
}

#[test]
fn in_the_end_every_mirror_shows_what_runs() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("PINTLE_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PINTLE_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let mut simulation = Simulation::new(seed);
        if let Err(why) = simulation.play() {
            let kubelet = simulation.running.as_ref().map(|running| running.kubelet.clone());
            let wanted = kubelet.map(|k| k.workers.all());
            panic!("seed {seed}: {why}\n{}\nwanted of workers: {wanted:#?}", simulation.story.join("\n"));
        }
    }
}
