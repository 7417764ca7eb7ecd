//! The shell around pods: one watch for all nodes, a queue of what is due, and a few workers.

use crate::pod::SimulatedPod;
use crate::{Config, SHARDS, plan};
use client::{Client, DeleteParams, Error, InformerBuilder, ObjectKey, Outcome, Preconditions, Selection, Shutdown};
use clock::SharedClock;
use kube::Resource;
use kube::api::{Patch, PatchParams};
use kube::core::Request;
use plan::Step;
use serde::de::IgnoredAny;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Pods that still need something from their nodes. Pods without a node are the scheduler's.
const OPEN_PODS: &str = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed";

/// Pods get addresses out of 100.64.0.0/10 (RFC 6598), in turn: they are looked at, never reached.
struct Addresses(AtomicU32);

impl Addresses {
    const SIZE: u32 = 1 << 22;

    fn next(&self) -> Ipv4Addr {
        let offset = 1 + self.0.fetch_add(1, Ordering::Relaxed) % (Self::SIZE - 2);
        Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 64, 0, 0)) + offset)
    }
}

/// Moves pods through their lives until `shutdown`.
pub async fn run(config: &Config, client: &Client, clock: &SharedClock, shutdown: &Shutdown) {
    let queue: client::WorkQueue<ObjectKey> = client::WorkQueue::new(clock.clone());
    let (due, settings) = (queue.clone(), config.clone());
    let pods = InformerBuilder::<SimulatedPod>::new(client, clock.clone(), Selection::fields(OPEN_PODS))
        .on_change(move |change| {
            let Some(pod) = &change.new else { return };
            if let Some((_, wait)) = plan::next(&settings, pod) {
                due.add_after(change.key.clone(), wait);
            }
        })
        .start(shutdown.clone());
    let addresses = Addresses(AtomicU32::new(0));
    client::run_workers("simulated-pods", &queue, SHARDS, shutdown, |key| {
        let pod = pods.store().get(&key);
        let addresses = &addresses;
        async move {
            let Some(pod) = pod else { return Ok::<_, Error>(Outcome::Done) };
            act(config, client, clock, addresses, pod).await?;
            Ok(Outcome::Done)
        }
    })
    .await;
}

async fn act(
    config: &Config,
    client: &Client,
    clock: &SharedClock,
    addresses: &Addresses,
    pod: Arc<SimulatedPod>,
) -> Result<(), Error> {
    let Some((step, _)) = plan::next(config, &pod) else { return Ok(()) };
    let key = ObjectKey::of(&*pod);
    let resource = Request::new(SimulatedPod::url_path(&(), Some(&key.namespace)));
    let request = match step {
        Step::Remove => {
            let uid = Some(pod.uid().to_owned());
            let preconditions = Some(Preconditions { uid, resource_version: None });
            let params = DeleteParams { grace_period_seconds: Some(0), preconditions, ..DeleteParams::default() };
            resource.delete(&key.name, &params)?
        }
        Step::Start | Step::Succeed => {
            let patch = plan::patch(config, &pod, step, addresses.next(), clock.now());
            resource.patch_subresource("status", &key.name, &PatchParams::default(), &Patch::Strategic(patch))?
        }
    };
    match client.kube().request::<IgnoredAny>(request).await.map_err(Error::from) {
        Ok(_) => Ok(()),
        // Gone, or another pod of the same name by now: the watch brings the news.
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}
