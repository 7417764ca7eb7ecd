//! Finding again, at start, what an earlier process of this runtime left running.

use super::record::{ContainerRecord, Phase, SandboxRecord, is_broken, read_json};
use super::{Container, Inner, Sandbox, containers};
use crate::service::{ContainerId, RuntimeError, SandboxId};
use crate::shim::STATUS;
use crate::shim::protocol::{ContainerRun, Request, Response};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

impl Inner {
    pub(super) async fn recover(self: &Arc<Self>) -> Result<(), RuntimeError> {
        let sandboxes = self.read_sandboxes()?;
        self.read_containers()?;
        for record in sandboxes {
            let id = record.id.clone();
            let stopped = record.stopped;
            self.lock().sandboxes.insert(id.clone(), Sandbox { record, shim: None, lost: !stopped });
            if !stopped && !self.reattach(&id).await {
                // After a reboot nobody can say whether a container that was made also ran: its start may not have reached the disk.
                let rebooted = !self.sandbox_run(&id).exists();
                self.lose_containers(&id, rebooted);
            }
        }
        self.drop_orphans().await;
        Ok(())
    }

    fn read_sandboxes(&self) -> Result<Vec<SandboxRecord>, RuntimeError> {
        let directory = self.config.root.join("sandboxes");
        let doing = || RuntimeError::io(format!("read {}", directory.display()));
        let mut out = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(doing())? {
            let path = entry.map_err(doing())?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read_json::<SandboxRecord>(&path) {
                Ok(record) => out.extend(record),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a sandbox's record cannot be read");
                    if is_broken(&error) {
                        let _ = std::fs::remove_file(&path); // else at the next start
                    }
                }
            }
        }
        Ok(out)
    }

    fn read_containers(&self) -> Result<(), RuntimeError> {
        let directory = self.config.root.join("containers");
        let doing = || RuntimeError::io(format!("read {}", directory.display()));
        for entry in std::fs::read_dir(&directory).map_err(doing())? {
            let path = entry.map_err(doing())?.path();
            let record = match read_json::<ContainerRecord>(&path.join(containers::RECORD)) {
                Err(error) if is_broken(&error) => {
                    tracing::warn!(path = %path.display(), %error, "a container's record is broken: it goes");
                    Ok(None)
                }
                other => other,
            };
            let record = match record {
                Ok(Some(record)) => record,
                Ok(None) => {
                    // Its making was cut off before anyone had its id.
                    super::rootfs::RootFs { directory: path.clone() }.unmount();
                    let _ = std::fs::remove_dir_all(&path);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a container's record cannot be read");
                    continue;
                }
            };
            let run = read_json::<ContainerRun>(&path.join(STATUS)).ok().flatten();
            let phase = watch::Sender::new(Phase::of(&record, run));
            self.lock().containers.insert(record.id.clone(), Container { record, phase });
        }
        Ok(())
    }

    /// Connects to the shim and takes over what it knows. False when it is gone.
    async fn reattach(self: &Arc<Self>, id: &SandboxId) -> bool {
        let Ok(shim) = self.connect(id) else { return false };
        let Ok(Response::Containers(runs)) = shim.call(Request::Hello, Vec::new()).await else { return false };
        let runs: HashMap<ContainerId, ContainerRun> = runs.into_iter().collect();
        let mut state = self.lock();
        for container in state.containers.values_mut().filter(|container| container.record.sandbox_id == *id) {
            // The shim's word is newer than the file that was read before.
            if let Some(run) = runs.get(&container.record.id) {
                container.phase.send_replace(Phase::of(&container.record, Some(run.clone())));
            }
        }
        if let Some(sandbox) = state.sandboxes.get_mut(id) {
            sandbox.lost = shim.is_gone();
            sandbox.shim = Some(shim);
        }
        true
    }

    /// Containers whose sandbox has no record, and run directories that no sandbox owns.
    async fn drop_orphans(self: &Arc<Self>) {
        let orphans: Vec<ContainerId> = {
            let state = self.lock();
            let orphan = |container: &&Container| !state.sandboxes.contains_key(&container.record.sandbox_id);
            state.containers.values().filter(orphan).map(|container| container.record.id.clone()).collect()
        };
        for id in orphans {
            if let Err(error) = self.remove_container(&id).await {
                tracing::warn!(%id, %error, "an orphaned container could not be removed");
            }
        }
        let Ok(entries) = std::fs::read_dir(self.config.run.join("sandboxes")) else { return };
        for entry in entries.flatten() {
            let id = SandboxId(entry.file_name().to_string_lossy().into_owned());
            if self.lock().sandboxes.contains_key(&id) {
                continue;
            }
            if let Ok(shim) = self.connect(&id) {
                let _ = shim.call(Request::Shutdown, Vec::new()).await; // it may end before it answers
            }
            super::namespaces::release(&entry.path());
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
