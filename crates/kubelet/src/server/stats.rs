//! `/stats/summary`, `/metrics` and `/metrics/resource`: what the runtime's cgroups say, and nothing made up.

use super::answer::{Answer, json, text};
use super::listen::Context;
use http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use runtime::service::ContainerStats;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

struct Measured {
    pod: Arc<Pod>,
    containers: Vec<(String, ContainerStats)>,
}

fn names(pod: &Pod) -> Vec<String> {
    let status = pod.status.as_ref();
    let lists = status.map(|status| [&status.container_statuses, &status.init_container_statuses]);
    let all = lists.into_iter().flatten().flatten().flatten();
    all.filter(|one| one.state.as_ref().is_some_and(|state| state.running.is_some()))
        .map(|one| one.name.clone())
        .collect()
}

/// The running containers; one that ends meanwhile is left out.
async fn measure(context: &Context) -> Vec<Measured> {
    let runtime = context.access.runtime();
    let mut all = Vec::new();
    for pod in context.access.pods() {
        let (namespace, name) = identity(&pod);
        let mut containers = Vec::new();
        for container in names(&pod) {
            let Some(instance) = context.access.container(namespace, name, &container, false) else {
                continue;
            };
            if let Ok(stats) = runtime.container_stats(&instance.id).await {
                containers.push((container, stats));
            }
        }
        all.push(Measured { pod, containers });
    }
    all
}

fn identity(pod: &Pod) -> (&str, &str) {
    let metadata = &pod.metadata;
    (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default())
}

fn usage(stats: &ContainerStats, time: &str) -> Value {
    json!({
        "cpu": {"time": time, "usageCoreNanoSeconds": stats.cpu_usage_nanoseconds},
        "memory": {
            "time": time, "usageBytes": stats.memory_usage_bytes,
            "workingSetBytes": stats.memory_working_set_bytes, "rssBytes": stats.memory_rss_bytes,
        },
    })
}

fn sum(all: &[(String, ContainerStats)]) -> (u64, u64) {
    let cpu = all.iter().map(|(_, stats)| stats.cpu_usage_nanoseconds).sum();
    (cpu, all.iter().map(|(_, stats)| stats.memory_working_set_bytes).sum())
}

/// `stats/v1alpha1` Summary, of pods and their containers.
pub(super) async fn summary(context: &Context) -> Answer {
    let time = context.clock.now().to_string();
    let pods: Vec<Value> = measure(context)
        .await
        .iter()
        .map(|measured| {
            let (namespace, name) = identity(&measured.pod);
            let (cpu, memory) = sum(&measured.containers);
            let containers: Vec<Value> = measured
                .containers
                .iter()
                .map(|(name, stats)| {
                    let mut value = usage(stats, &time);
                    value["name"] = name.clone().into();
                    value
                })
                .collect();
            json!({
                "podRef": {"name": name, "namespace": namespace, "uid": measured.pod.metadata.uid},
                "containers": containers,
                "cpu": {"time": time, "usageCoreNanoSeconds": cpu},
                "memory": {"time": time, "workingSetBytes": memory},
            })
        })
        .collect();
    json(&json!({"node": {}, "pods": pods}))
}

/// What the kubelet knows of itself.
pub(super) fn metrics(context: &Context) -> Answer {
    let pods = context.access.pods();
    let containers: usize = pods.iter().map(|pod| names(pod).len()).sum();
    let running = pods.iter().filter(|pod| !names(pod).is_empty()).count();
    let mut out = String::new();
    let mut gauge = |name: &str, help: &str, value: usize| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    };
    gauge("kubelet_running_pods", "Number of pods that have a running container", running);
    gauge("kubelet_running_containers", "Number of containers currently running", containers);
    gauge("kubelet_desired_pods", "The number of pods the kubelet is being instructed to run", pods.len());
    text(StatusCode::OK, out)
}

/// KEP-727's resource metrics, which metrics-server reads.
pub(super) async fn resource_metrics(context: &Context) -> Answer {
    let measured = measure(context).await;
    let mut out = String::new();
    let head = |out: &mut String, name: &str, help: &str, kind: &str| {
        let _ = writeln!(out, "# HELP {name} [STABLE] {help}\n# TYPE {name} {kind}");
    };
    let containers = || {
        measured.iter().flat_map(|measured| {
            let (namespace, pod) = identity(&measured.pod);
            measured.containers.iter().map(move |(name, stats)| (namespace, pod, name, stats))
        })
    };
    let seconds = |nanoseconds: u64| std::time::Duration::from_nanos(nanoseconds).as_secs_f64();
    head(
        &mut out,
        "container_cpu_usage_seconds_total",
        "Cumulative cpu time consumed by the container in core-seconds",
        "counter",
    );
    for (namespace, pod, name, stats) in containers() {
        let labels = format!("container={name:?},namespace={namespace:?},pod={pod:?}");
        let _ = writeln!(out, "container_cpu_usage_seconds_total{{{labels}}} {}", seconds(stats.cpu_usage_nanoseconds));
    }
    head(&mut out, "container_memory_working_set_bytes", "Current working set of the container in bytes", "gauge");
    for (namespace, pod, name, stats) in containers() {
        let labels = format!("container={name:?},namespace={namespace:?},pod={pod:?}");
        let _ = writeln!(out, "container_memory_working_set_bytes{{{labels}}} {}", stats.memory_working_set_bytes);
    }
    head(&mut out, "pod_cpu_usage_seconds_total", "Cumulative cpu time consumed by the pod in core-seconds", "counter");
    for measured in &measured {
        let (namespace, pod) = identity(&measured.pod);
        let (cpu, _) = sum(&measured.containers);
        let _ = writeln!(out, "pod_cpu_usage_seconds_total{{namespace={namespace:?},pod={pod:?}}} {}", seconds(cpu));
    }
    head(&mut out, "pod_memory_working_set_bytes", "Current working set of the pod in bytes", "gauge");
    for measured in &measured {
        let (namespace, pod) = identity(&measured.pod);
        let (_, memory) = sum(&measured.containers);
        let _ = writeln!(out, "pod_memory_working_set_bytes{{namespace={namespace:?},pod={pod:?}}} {memory}");
    }
    text(StatusCode::OK, out)
}
