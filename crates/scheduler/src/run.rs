//! The shell: informers in, decisions, bindings, conditions and events out.

use crate::decide::Decider;
use crate::fit_error::FitError;
use crate::pod::PodInfo;
use crate::view::View;
use client::lean::Pod;
use client::{
    CONTROL_PLANE_NODES, CONTROL_PLANE_PODS, Change, Client, Error, EventRecorder, EventSource, EventType,
    InformerBuilder, Object, ObjectKey, PatchKind, Selection, Shutdown, Subscription, reference,
};
use clock::SharedClock;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{self, Node, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tracing::Instrument;

/// Requests to the API under way at once; while there are so many, no further pod is decided about.
const MAX_REQUESTS_IN_FLIGHT: usize = 128;
/// Decisions made before changes from the API are looked at again.
const DECISIONS_PER_TURN: usize = 64;

/// What the scheduler is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// `spec.schedulerName` of the pods that it cares for, and its name in events.
    pub scheduler_name: String,
    /// The machine's name, for `reportingInstance`.
    pub hostname: String,
}

/// What the scheduler uses.
pub struct Dependencies {
    /// The API, under the identity `system:kube-scheduler`.
    pub client: Client,
    /// What informers read with: the same, or one whose informers other parts of this process share.
    pub informers: Client,
    /// Time.
    pub clock: SharedClock,
    /// Chooses among equal nodes.
    pub rng: Box<dyn rand::Rng + Send>,
}

impl std::fmt::Debug for Dependencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dependencies").field("client", &self.client).finish_non_exhaustive()
    }
}

/// Schedules until `shutdown`.
pub async fn run(config: Config, dependencies: Dependencies, shutdown: Shutdown) {
    let Dependencies { client, informers, clock, rng } = dependencies;
    let source = EventSource::Series {
        controller: config.scheduler_name.clone(),
        instance: format!("{}-{}", config.scheduler_name, config.hostname),
    };
    let (recorder, task) = EventRecorder::new(client.clone(), clock.clone(), source);
    tokio::spawn(task.run(shutdown.clone()));
    let pods = InformerBuilder::<Pod>::new(&informers, clock.clone(), Selection::all())
        .trim(CONTROL_PLANE_PODS)
        .start(shutdown.clone());
    let nodes = InformerBuilder::<Node>::new(&informers, clock.clone(), Selection::all())
        .trim(CONTROL_PLANE_NODES)
        .start(shutdown.clone());
    let services = InformerBuilder::<Service>::new(&informers, clock.clone(), Selection::all()).start(shutdown.clone());
    let sets = InformerBuilder::<ReplicaSet>::new(&informers, clock.clone(), Selection::all()).start(shutdown.clone());
    let inputs = Inputs {
        pods: pods.subscribe(),
        nodes: nodes.subscribe(),
        services: services.subscribe(),
        sets: sets.subscribe(),
    };
    if !(nodes.wait_synced().await && pods.wait_synced().await) {
        return;
    }
    let scheduler = Scheduler {
        config,
        client,
        clock,
        rng,
        recorder,
        view: View::default(),
        decider: Decider::default(),
        requests: FuturesUnordered::new(),
    };
    let work = scheduler.work(inputs);
    let stopped = shutdown.cancelled();
    futures::pin_mut!(work, stopped);
    futures::future::select(work, stopped).await;
}

struct Inputs {
    pods: Subscription<Pod>,
    nodes: Subscription<Node>,
    services: Subscription<Service>,
    sets: Subscription<ReplicaSet>,
}

struct Scheduler {
    config: Config,
    client: Client,
    clock: SharedClock,
    rng: Box<dyn rand::Rng + Send>,
    recorder: EventRecorder,
    view: View,
    decider: Decider,
    requests: FuturesUnordered<BoxFuture<'static, Answer>>,
}

/// What became of a request.
enum Answer {
    Bound { pod: Arc<PodInfo>, node: String, result: Result<(), Error> },
    Patched,
}

impl Scheduler {
    async fn work(mut self, mut inputs: Inputs) {
        loop {
            self.drain(&mut inputs);
            self.schedule_some();
            let may_go_on = self.view.queue.active_len() > 0 && self.requests.len() < MAX_REQUESTS_IN_FLIGHT;
            let clock = self.clock.clone();
            let deadline = self.view.queue.next_deadline();
            let until = async {
                match deadline {
                    _ if may_go_on => tokio::task::yield_now().await,
                    Some(deadline) => clock.sleep(deadline.saturating_sub(clock.monotonic())).await,
                    None => std::future::pending().await,
                }
            };
            let now = self.clock.monotonic();
            tokio::select! {
                Some(answer) = self.requests.next(), if !self.requests.is_empty() => self.on_answer(answer),
                change = inputs.pods.next() => match change {
                    Some(change) => self.view.on_pod(change, &self.config.scheduler_name, now),
                    None => return,
                },
                change = inputs.nodes.next() => match change {
                    Some(change) => self.view.on_node(change, now),
                    None => return,
                },
                Some(change) = inputs.services.next() => keep(&mut self.view.cluster.services, change),
                Some(change) = inputs.sets.next() => keep(&mut self.view.cluster.replica_sets, change),
                () = until => {}
            }
        }
    }

    /// Takes in everything that has changed meanwhile, nodes first: a pod may be on a new one.
    fn drain(&mut self, inputs: &mut Inputs) {
        let now = self.clock.monotonic();
        while let Some(change) = inputs.nodes.try_next() {
            self.view.on_node(change, now);
        }
        while let Some(change) = inputs.services.try_next() {
            keep(&mut self.view.cluster.services, change);
        }
        while let Some(change) = inputs.sets.try_next() {
            keep(&mut self.view.cluster.replica_sets, change);
        }
        while let Some(change) = inputs.pods.try_next() {
            self.view.on_pod(change, &self.config.scheduler_name, now);
        }
        while let Some(Some(answer)) = futures::FutureExt::now_or_never(self.requests.next()) {
            self.on_answer(answer);
        }
    }

    fn schedule_some(&mut self) {
        let now = self.clock.monotonic();
        for _ in 0..DECISIONS_PER_TURN {
            if self.requests.len() >= MAX_REQUESTS_IN_FLIGHT {
                return;
            }
            let Some(pod) = self.view.queue.pop(now) else { return };
            let step =
                tracing::trace_span!(target: "pintle::trace", "scheduler: decide", pod = %ObjectKey::of(&*pod.pod));
            let decided = step.in_scope(|| self.decider.decide(&pod, &self.view.cluster, &mut *self.rng));
            match decided {
                Ok(node) => self.bind(pod, node),
                Err(error) => self.give_up_for_now(&pod, error),
            }
        }
    }

    fn bind(&mut self, pod: Arc<PodInfo>, node: String) {
        self.view.cluster.assume(pod.clone(), &node);
        let client = self.client.clone();
        let key = ObjectKey::of(&*pod.pod);
        let step = tracing::trace_span!(target: "pintle::trace", "scheduler: bind", pod = %key);
        let bind = async move {
            let result = client.bind(&key, &pod.uid, &node).await;
            Answer::Bound { pod, node, result }
        };
        self.requests.push(Box::pin(bind.instrument(step)));
    }

    fn give_up_for_now(&mut self, pod: &Arc<PodInfo>, error: FitError) {
        let may_preempt = pod.spec().preemption_policy.as_deref() != Some("Never");
        let message = error.message(may_preempt);
        let now = self.clock.monotonic();
        if error.node_count == 0 {
            // No plugin was asked, so any node may help: the filter that every new node passes by.
            self.view.queue.unschedulable(&pod.uid, ["NoNodes"].into(), now);
        } else {
            self.view.queue.unschedulable(&pod.uid, error.plugins, now);
        }
        self.fail(pod, "Unschedulable", message);
    }

    /// Tells the user why: event and condition.
    fn fail(&mut self, pod: &Arc<PodInfo>, reason: &'static str, message: String) {
        tracing::info!(pod = %ObjectKey::of(&*pod.pod), reason, message, "cannot schedule");
        let about = reference(&*pod.pod);
        self.recorder.event_with_action(&about, None, EventType::Warning, "FailedScheduling", "Scheduling", &*message);
        let Some(patch) = condition_patch(&pod.pod, reason, &message, self.clock.now()) else { return };
        let (client, key) = (self.client.clone(), ObjectKey::of(&*pod.pod));
        self.requests.push(Box::pin(async move {
            let patched = client.patch_status::<v1::Pod>(&key, PatchKind::Strategic, &patch).await;
            if let Err(error) = patched.map(drop) {
                tracing::debug!(pod = %key, %error, "cannot patch the PodScheduled condition");
            }
            Answer::Patched
        }));
    }

    fn on_answer(&mut self, answer: Answer) {
        let Answer::Bound { pod, node, result } = answer else { return };
        let key = ObjectKey::of(&*pod.pod);
        let now = self.clock.monotonic();
        match result {
            Ok(()) => {
                let message = format!("Successfully assigned {key} to {node}");
                let about = reference(&*pod.pod);
                self.recorder.event_with_action(&about, None, EventType::Normal, "Scheduled", "Binding", message);
            }
            // The informer was faster: it is bound, by us or by someone else.
            Err(_) if !self.view.queue.contains(&pod.uid) => {}
            Err(error) => {
                tracing::warn!(pod = %key, node, %error, "cannot bind");
                self.view.release(&pod.uid, now);
                if error.is_not_found() {
                    self.view.queue.remove(&pod.uid);
                } else {
                    self.view.queue.back_off(&pod.uid, now);
                    self.fail(&pod, "SchedulerError", format!("binding rejected: {error}"));
                }
            }
        }
    }
}

fn keep<K: Object>(map: &mut BTreeMap<ObjectKey, Arc<K>>, change: Change<K>) {
    match change.new {
        Some(new) => map.insert(change.key, new),
        None => map.remove(&change.key),
    };
}

/// The patch that sets PodScheduled=False; `None` when the pod says so already.
fn condition_patch(pod: &Pod, reason: &str, message: &str, now: jiff::Timestamp) -> Option<serde_json::Value> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let known = conditions.into_iter().flatten().find(|condition| condition.type_ == "PodScheduled");
    let generation = pod.metadata.generation;
    if let Some(known) = known
        && known.status == "False"
        && known.reason.as_deref() == Some(reason)
        && known.message.as_deref() == Some(message)
        && known.observed_generation == generation
    {
        return None;
    }
    let unchanged = known.filter(|known| known.status == "False").and_then(|known| known.last_transition_time.clone());
    let condition = json!({
        "type": "PodScheduled",
        "status": "False",
        "reason": reason,
        "message": message,
        "lastProbeTime": null,
        "lastTransitionTime": unchanged.unwrap_or(Time(now)),
        "observedGeneration": generation,
    });
    Some(json!({"status": {"conditions": [condition]}}))
}
