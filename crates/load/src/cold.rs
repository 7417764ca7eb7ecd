//! Cold start: from starting the program to `/readyz` and to a ready node; and waiting for a server or for nodes.

use crate::connection::Sent;
use crate::error::LoadError;
use crate::stream::Stream;
use crate::target::Target;
use clock::SharedClock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

/// Between two looks: what is measured is some hundred milliseconds.
const LOOK_PERIOD: Duration = Duration::from_millis(2);
/// Gives up after this.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test; it is stopped when this goes.
struct Program {
    child: Child,
}

impl Drop for Program {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let _ = kill(pid, Signal::SIGTERM); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// Starts `command`, which writes `kubeconfig`, and waits until it is ready, and until the node is unless `node` is
/// `None`.
///
/// # Errors
/// It does not start, or is not ready in a minute.
pub async fn run(
    clock: &SharedClock,
    command: &[String],
    kubeconfig: &Path,
    node: Option<&str>,
) -> Result<Value, LoadError> {
    let (program, arguments) = command.split_first().ok_or_else(|| LoadError::Text("no command".to_owned()))?;
    let started = clock.monotonic();
    let spawned = Command::new(program).args(arguments).spawn();
    let failed = |why: String| LoadError::Program { program: program.clone(), why };
    let mut running = Program { child: spawned.map_err(|error| failed(error.to_string()))? };
    let mut ready = None;
    loop {
        let since = clock.monotonic().saturating_sub(started);
        if since > PATIENCE {
            return Err(LoadError::TimedOut(if ready.is_none() { "/readyz" } else { "the node" }.to_owned()));
        }
        if let Ok(Some(status)) = running.child.try_wait() {
            return Err(failed(status.to_string()));
        }
        match ready {
            None if kubeconfig.exists() && is_ready(kubeconfig).await => ready = Some(since_now(clock, started)),
            Some(ready) => match node {
                None => return Ok(json!({"readyz_ms": ready})),
                Some(node) if node_is_ready(kubeconfig, node).await => {
                    return Ok(json!({"readyz_ms": ready, "node_ready_ms": since_now(clock, started)}));
                }
                Some(_) => {}
            },
            None => {}
        }
        clock.sleep(LOOK_PERIOD).await;
    }
}

/// Waits until a server answers `/readyz` with 200.
///
/// # Errors
/// It does not in a minute.
pub async fn wait_ready(clock: &SharedClock, kubeconfig: &Path) -> Result<(), LoadError> {
    let ready = async {
        while !(kubeconfig.exists() && is_ready(kubeconfig).await) {
            clock.sleep(LOOK_PERIOD).await;
        }
    };
    clock::timeout(&**clock, PATIENCE, ready).await.ok_or_else(|| LoadError::TimedOut("/readyz".to_owned()))
}

/// Waits until `count` nodes are ready and without taints.
///
/// # Errors
/// There are not so many within ten minutes; the watch breaks.
pub async fn wait_nodes(clock: &SharedClock, kubeconfig: &Path, count: usize) -> Result<Value, LoadError> {
    const NODES_PATIENCE: Duration = Duration::from_secs(600);
    let started = clock.monotonic();
    let target = Target::from_kubeconfig(kubeconfig)?;
    let mut stream = Stream::open(target.connect().await?, "/api/v1/nodes?watch=1").await?;
    let counting = async {
        let mut usable: HashSet<String> = HashSet::new();
        while usable.len() < count {
            let Some(frame) = stream.next().await? else {
                return Err(LoadError::TimedOut("nodes: the watch ended".to_owned()));
            };
            let frame: Value = serde_json::from_slice(&frame).unwrap_or_default();
            let node = &frame["object"];
            let name = node["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let has_taints = node["spec"]["taints"].as_array().is_some_and(|taints| !taints.is_empty());
            if is_ready_node(node) && !has_taints {
                usable.insert(name)
            } else {
                usable.remove(&name)
            };
        }
        Ok(())
    };
    let counted = clock::timeout(&**clock, NODES_PATIENCE, counting).await;
    counted.ok_or_else(|| LoadError::TimedOut(format!("{count} usable nodes")))??;
    Ok(json!({"seconds": clock.monotonic().saturating_sub(started).as_secs_f64()}))
}

/// Milliseconds.
fn since_now(clock: &SharedClock, started: Duration) -> f64 {
    clock.monotonic().saturating_sub(started).as_secs_f64() * 1000.0
}

async fn ask(kubeconfig: &Path, path: &str) -> Result<(u16, bytes::Bytes), LoadError> {
    Target::from_kubeconfig(kubeconfig)?.connect().await?.read(&Sent::get(path)).await
}

async fn is_ready(kubeconfig: &Path) -> bool {
    ask(kubeconfig, "/readyz").await.is_ok_and(|(code, _)| code == 200)
}

async fn node_is_ready(kubeconfig: &Path, node: &str) -> bool {
    let answer = ask(kubeconfig, &format!("/api/v1/nodes/{node}")).await;
    let Ok((200, body)) = answer else { return false };
    is_ready_node(&serde_json::from_slice(&body).unwrap_or_default())
}

fn is_ready_node(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
