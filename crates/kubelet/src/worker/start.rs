//! Starting one container: image, configuration, create, start; each failure with upstream's reason, event and words.

use super::Worker;
use super::image::{Ensured, Images, MISCONFIGURED_RETRY};
use crate::container_config::{ContainerInput, container_config};
use crate::env::{self, EnvironmentInput};
use crate::hooks;
use crate::plan::StartContainer;
use crate::pod::{self, Role};
use crate::security;
use crate::status::Waiting;
use crate::step::step;
use crate::volumes;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use runtime::service::{ContainerConfig, ContainerId};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tracing::Instrument;

/// What came of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Started {
    /// It runs, or there is an instance that could not be started: look again.
    Changed,
    /// Nothing yet; something will wake the worker.
    Waiting,
}

/// A start that ended before there was an instance.
struct NotCreated {
    reason: &'static str,
    message: String,
}

impl Worker {
    /// Starts one container of a sandbox that is ready.
    pub(super) async fn start_container(&mut self, start: &StartContainer) -> Started {
        let Some((role, container)) = pod::container(&self.pod, &start.name) else { return Started::Waiting };
        let step = step!("kubelet: image", &self.pod);
        let images = match self.ensure_images(role, &container).instrument(step).await {
            Ensured::Present(images) => images,
            Ensured::Pulling => return Started::Waiting,
            Ensured::Failed(waiting, until) => {
                let words = format!("Error: {}", waiting.reason);
                self.events().warning(role, &container, "Failed", &words);
                return self.hold(&container.name, waiting, until);
            }
        };
        let step = step!("runtime: create container", &self.pod);
        let created = match self.create_container(role, &container, start.attempt, &images).instrument(step).await {
            Ok(id) => id,
            Err(NotCreated { reason, message }) => {
                self.events().warning(role, &container, "Failed", &format!("Error: {message}"));
                let waiting = Waiting { reason: reason.to_owned(), message };
                let until = self.shared.clock.now() + MISCONFIGURED_RETRY;
                return self.hold(&container.name, waiting, until);
            }
        };
        self.held.remove(&container.name);
        self.events().normal(role, &container, "Created", "Container created");
        let step = step!("runtime: start container", &self.pod);
        if let Err(error) = self.shared.runtime.start_container(&created).instrument(step).await {
            let message = error.to_string();
            self.events().warning(role, &container, "Failed", &format!("Error: {message}"));
            let waiting = Waiting { reason: "RunContainerError".to_owned(), message };
            let exits_for_good = !pod::restarts_after(&self.pod, role, &container, START_ERROR_EXIT_CODE);
            if exits_for_good {
                self.waiting.remove(&container.name);
            } else {
                self.waiting.insert(container.name.clone(), waiting);
            }
            return Started::Changed;
        }
        self.waiting.remove(&container.name);
        self.events().normal(role, &container, "Started", "Container started");
        self.link_log(&container, start.attempt, &created);
        if !self.post_start(role, &container, &created).await {
            return Started::Changed;
        }
        self.prober.started(&self.pod, role, &container, &created, &self.pod_addresses());
        Started::Changed
    }

    /// The postStart hook; until it is done the container counts as being created. False: it failed, and the container is
    /// stopped. The end of the pod does not wait for it.
    async fn post_start(&mut self, role: Role, container: &Container, id: &ContainerId) -> bool {
        let Some(hook) = container.lifecycle.as_ref().and_then(|l| l.post_start.clone()) else { return true };
        // upstream tells a pod's addresses after the hook only, if it has not told them before
        let untold = self.addresses.replace(Vec::new());
        self.publish_status();
        self.addresses = untold;
        let addresses = self.pod_addresses();
        let outcome = {
            let run = hooks::run(&self.shared, id, container, &hook, &addresses);
            let ends = async {
                while !self.inbox.peek().ends() {
                    self.inbox.changed().await;
                }
            };
            futures::pin_mut!(run, ends);
            match futures::future::select(run, ends).await {
                futures::future::Either::Left((outcome, _)) => outcome,
                futures::future::Either::Right(_) => return true,
            }
        };
        let Err(error) = outcome else { return true };
        tracing::warn!(container = %id, %error, "postStart hook failed");
        self.events().warning(role, container, "FailedPostStartHook", "PostStartHook failed");
        self.events().normal(role, container, "Killing", "FailedPostStartHook");
        let grace = Duration::from_secs(pod::grace_period_seconds(&self.pod).unsigned_abs());
        if let Err(error) = self.shared.runtime.stop_container(id, grace).await {
            tracing::warn!(container = %id, %error, "cannot stop a container whose hook failed");
        }
        false
    }

    fn hold(&mut self, name: &str, waiting: Waiting, until: Timestamp) -> Started {
        self.waiting.insert(name.to_owned(), waiting);
        self.held.insert(name.to_owned(), until);
        if until <= self.shared.clock.now() { Started::Changed } else { Started::Waiting }
    }

    async fn create_container(
        &mut self,
        role: Role,
        container: &Container,
        attempt: u32,
        images: &Images,
    ) -> Result<ContainerId, NotCreated> {
        let config = self.configure(role, container, attempt, images).await?;
        let Some(sandbox) = self.observed.ready_sandbox().map(|s| s.id.clone()) else {
            return Err(NotCreated { reason: "CreateContainerError", message: "the sandbox is gone".to_owned() });
        };
        let created = self.shared.runtime.create_container(&sandbox, config).await;
        created.map_err(|error| NotCreated { reason: "CreateContainerError", message: error.to_string() })
    }

    async fn configure(
        &mut self,
        role: Role,
        container: &Container,
        attempt: u32,
        images: &Images,
    ) -> Result<ContainerConfig, NotCreated> {
        let wrong = |message: String| NotCreated { reason: "CreateContainerConfigError", message };
        let references = self.fetch_references().await.map_err(|error| wrong(error.to_string()))?;
        security::verify_non_root(&self.pod, container, &images.own).map_err(|error| wrong(error.to_string()))?;
        let node = self.shared.node();
        let mounted = self.volumes.clone().unwrap_or_default();
        let files = env::files::read(container, &mounted);
        let environment = self.environment(container, &references, &files, &node.allocatable).map_err(wrong)?;
        let mounts = volumes::container_mounts(container, &mounted, &images.mounted, &environment)
            .map_err(|error| wrong(error.to_string()))?;
        let file = self.message_file(container, attempt).map_err(|error| wrong(error.to_string()))?;
        let directory = self.shared.config.paths.log_directory(&self.pod).join(&container.name);
        fs::create_dir_all(&directory).map_err(|error| wrong(format!("make {}: {error}", directory.display())))?;
        let target = pod::ephemeral_containers(&self.pod)
            .iter()
            .find(|c| c.name == container.name)
            .and_then(|c| c.target_container_name.clone());
        let input = ContainerInput {
            pod: &self.pod,
            role,
            container,
            attempt,
            image: &images.own,
            environment: &environment,
            mounts,
            termination_message_file: file,
            pid_target: target.and_then(|name| self.observed.current(&name)).map(|c| c.id.clone()),
            node_memory_bytes: node.memory_bytes(),
            config: &self.shared.config,
        };
        Ok(container_config(input))
    }

    fn environment(
        &self,
        container: &Container,
        references: &env::References,
        files: &env::files::EnvFiles,
        allocatable: &crate::resources::Amounts,
    ) -> Result<BTreeMap<String, String>, String> {
        let services = match self.shared.services.services() {
            Some(services) => services,
            // a static pod needs no API server: it may be the API server
            None if pod::is_static(&self.pod) => Vec::new(),
            None => return Err("services have not yet been read at least once, cannot construct envvars".to_owned()),
        };
        let mut services = env::service_environment(&self.pod, &services);
        // as container runtimes set it
        let hostname = crate::dns::sandbox_hostname(&self.pod, &self.shared.config.cluster_domain);
        services.insert("HOSTNAME".to_owned(), hostname);
        let (addresses, host) = (self.pod_addresses(), self.shared.node().addresses);
        let input = EnvironmentInput {
            pod: &self.pod,
            container,
            references,
            pod_addresses: &addresses,
            host_addresses: &host,
            allocatable,
            files,
            services: &services,
        };
        env::environment(&input).map_err(|error| error.to_string())
    }

    /// An empty file that any user of the container may write its last words to.
    fn message_file(&self, container: &Container, attempt: u32) -> io::Result<std::path::PathBuf> {
        let file = self.shared.config.paths.termination_message(&pod::uid(&self.pod).0, &container.name, attempt);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, b"")?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666))?;
        Ok(file)
    }

    /// The link that log collectors look for. Its failure harms nobody else.
    fn link_log(&self, container: &Container, attempt: u32, id: &ContainerId) {
        let paths = &self.shared.config.paths;
        let link = paths.log_link(&self.pod, &container.name, &id.0);
        let log = paths.log(&self.pod, &container.name, attempt);
        let made = fs::create_dir_all(&paths.container_logs).and_then(|()| std::os::unix::fs::symlink(&log, &link));
        if let Err(error) = made
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            tracing::debug!(link = %link.display(), %error, "cannot link a container's log");
        }
    }
}

/// The exit code of an instance that could not be started.
const START_ERROR_EXIT_CODE: i32 = 128;
