//! `pintle down`: stops everything that runs in a cluster. Its state stays, unless told otherwise.

use super::layout::Layout;
use super::lifecycle::{ClusterError, system};
use super::lock::Lock;
use super::record::Record;
use super::{cgroups, node, supervisor, view};
use clock::SharedClock;
use network::Switch;
use std::fs;
use std::time::Duration;

/// How long the supervisor may take to stop everything.
const DOWN_LIMIT: Duration = Duration::from_secs(30);
/// How often `down` looks whether processes that it killed are gone.
const DOWN_PERIOD: Duration = Duration::from_millis(20);

/// Stops the cluster of `layout`, and deletes its state if `delete`.
pub async fn down(layout: &Layout, delete: bool, clock: SharedClock) -> Result<(), ClusterError> {
    Record::read(layout)?;
    let _lock = Lock::take(layout)?;
    stop(layout, &clock).await?;
    if delete {
        fs::remove_dir_all(layout.data_dir()).map_err(system(layout.data_dir().display().to_string()))?;
    }
    Ok(())
}

/// Components first, then whatever still runs on the nodes, then the nodes themselves.
pub async fn stop(layout: &Layout, clock: &SharedClock) -> Result<(), ClusterError> {
    let record = Record::read(layout)?;
    if let Some(pid) = node::supervisor_pid(layout) {
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM); // gone this moment is as good
        if clock::timeout(&**clock, DOWN_LIMIT, supervisor::gone(layout, pid, clock)).await.is_none() {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
    // processes die when the kernel gets to it; there is nothing of theirs to wait on
    let wait = || wait_a_moment(clock);
    cgroups::kill(&layout.cgroup(), wait).map_err(system("end the cluster's processes"))?;
    for node in record.nodes() {
        view::remove(layout, &node.name);
    }
    Switch::remove(&layout.switch())?;
    while nix::mount::umount2(&layout.run_dir(), nix::mount::MntFlags::MNT_DETACH).is_ok() {}
    Ok(())
}

fn wait_a_moment(clock: &SharedClock) {
    let sleep = clock.sleep(DOWN_PERIOD);
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(sleep));
}
