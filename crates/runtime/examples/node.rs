//! A node's runtime without a kubelet: the shim for the tests of this crate, and a bench of the start path.
//!
//! `cargo run --release --example node` (as root) prints the time of each step from sandbox to running container, and a shim's
//! memory. Run as `node shim …` it is a shim.

use runtime::native::{NativeConfig, NativeRuntime};
use runtime::service::{
    ContainerConfig, ImageService, NamespaceMode, PodSandboxConfig, PodSandboxMetadata, RuntimeService,
};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

#[path = "../tests/native/busybox.rs"]
mod busybox;

/// Pods started one after the other.
const PODS: usize = 30;

fn main() -> ExitCode {
    if let Some(code) = runtime::shim::run_if_asked(std::env::args_os()) {
        return code;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(bench()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn bench() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let clock = clock::system();
    let native = NativeRuntime::open(NativeConfig::new(
        directory.path().join("root"),
        directory.path().join("run"),
        clock.clone(),
    ))
    .await?;
    let archive = directory.path().join("busybox.tar");
    busybox::archive(&archive, &["busybox:latest"])?;
    native.import_image(archive, None).await?;
    let mut steps: [Vec<Duration>; 5] = Default::default();
    let mut memory = 0;
    for number in 0..PODS {
        let config = PodSandboxConfig {
            metadata: PodSandboxMetadata {
                name: format!("bench{number}"),
                uid: format!("{number}"),
                namespace: "default".into(),
                attempt: 0,
            },
            hostname: "bench".into(),
            log_directory: directory.path().join("logs").join(number.to_string()),
            pid: NamespaceMode::Container,
            cgroup_parent: format!("/pintle-test-bench-{}/pod{number}", std::process::id()),
            ..PodSandboxConfig::default()
        };
        let container = ContainerConfig {
            image: "busybox".into(),
            command: vec!["sleep".into(), "3600".into()],
            log_path: "c.log".into(),
            ..ContainerConfig::default()
        };
        let mut marks = vec![clock.monotonic()];
        let sandbox = native.run_pod_sandbox(config).await?;
        marks.push(clock.monotonic());
        let id = native.create_container(&sandbox.id, container).await?;
        marks.push(clock.monotonic());
        native.start_container(&id).await?;
        marks.push(clock.monotonic());
        memory = shim_private_kib(&native.container_status(&id).await?.pid.unwrap_or(0).to_string()).unwrap_or(0);
        let before_stop = clock.monotonic();
        native.remove_pod_sandbox(&sandbox.id).await?;
        let stopped = clock.monotonic() - before_stop;
        for (step, pair) in steps.iter_mut().zip(marks.windows(2)) {
            step.push(pair[1] - pair[0]);
        }
        steps[3].push(marks[3] - marks[0]);
        steps[4].push(stopped);
    }
    for (name, mut times) in
        ["run sandbox", "create container", "start container", "all three", "remove"].into_iter().zip(steps)
    {
        times.sort();
        println!("{name:18} p50 {:6.2} ms   p90 {:6.2} ms", millis(times[PODS / 2]), millis(times[PODS * 9 / 10]));
    }
    println!("shim: {memory} KiB private");
    let _ = std::fs::remove_dir(format!("/sys/fs/cgroup/pintle-test-bench-{}", std::process::id()));
    for entry in std::fs::read_dir("/sys/fs/cgroup")?.flatten() {
        let _ = std::fs::remove_dir(entry.path().join(format!("pintle-test-bench-{}", std::process::id())));
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Private memory of the parent of this process: the shim of a container.
fn shim_private_kib(pid: &str) -> Option<u64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().to_owned();
    let rollup = std::fs::read_to_string(Path::new("/proc").join(parent).join("smaps_rollup")).ok()?;
    let private =
        rollup.lines().filter_map(|line| line.strip_prefix("Private_")?.split_whitespace().nth(1)?.parse::<u64>().ok());
    Some(private.sum())
}
