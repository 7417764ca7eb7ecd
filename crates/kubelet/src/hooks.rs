//! Handlers: what probes and lifecycle hooks do. Commands here; what goes over the network in the parts.

mod endpoint;
mod grpc;
mod http;
#[cfg(test)]
mod tests;

pub(crate) use endpoint::{Endpoint, tcp};
pub(crate) use grpc::check as grpc;
pub(crate) use http::{Purpose, get as http_get};

use crate::go_duration::go_duration;
use crate::shared::Shared;
use k8s_openapi::api::core::v1::{Container, LifecycleHandler};
use runtime::service::{ContainerId, ExecError};
use std::net::IpAddr;
use std::time::Duration;

/// Why a handler failed, in upstream's words for the Unhealthy event.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The command said no.
    #[error("{output}")]
    ExitCode {
        /// What it printed.
        output: String,
        /// Its exit code.
        code: i32,
    },
    /// The command took too long.
    #[error("command timed out: {command:?} timed out after {}", go_duration(*.timeout))]
    CommandTimeout {
        /// The words, with blanks between.
        command: String,
        /// How long it had.
        timeout: Duration,
    },
    /// The server said no.
    #[error("HTTP probe failed with statuscode: {0}")]
    StatusCode(u16),
    /// The server was not reached, or broke off, or is not well.
    #[error("{0}")]
    Server(String),
    /// It could not be tried: this says nothing about the container's health.
    #[error("{0}")]
    NotTried(String),
}

impl HandlerError {
    /// Whether the container is to be blamed.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::NotTried(_))
    }
}

/// Bytes of an answer that are looked at (`maxRespBodyLength`).
const MAX_BODY_BYTES: usize = 10 << 10;

/// Runs a lifecycle hook.
///
/// # Errors
/// The handler failed.
pub async fn run(
    shared: &Shared,
    id: &ContainerId,
    container: &Container,
    handler: &LifecycleHandler,
    addresses: &[IpAddr],
) -> Result<(), HandlerError> {
    if let Some(exec) = &handler.exec {
        return self::exec(shared, id, exec.command.clone().unwrap_or_default(), Duration::ZERO).await;
    }
    if let Some(get) = &handler.http_get {
        let endpoint = Endpoint::new(container, get.host.as_deref(), &get.port, addresses)?;
        // as upstream: what counts is that the server answers
        return match http_get(get, endpoint, Purpose::Lifecycle, &*shared.clock, None).await {
            Ok(_) | Err(HandlerError::StatusCode(_)) => Ok(()),
            Err(error) => Err(error),
        };
    }
    if let Some(sleep) = &handler.sleep {
        shared.clock.sleep(Duration::from_secs(sleep.seconds.unsigned_abs())).await;
        return Ok(());
    }
    // upstream takes tcpSocket for compatibility, and fails when it comes to it
    Err(HandlerError::NotTried("invalid handler: neither exec, httpGet nor sleep".to_owned()))
}

/// Runs a command in the container. A `timeout` of zero means none.
///
/// # Errors
/// An exit code other than 0; it could not be run.
pub async fn exec(
    shared: &Shared,
    id: &ContainerId,
    command: Vec<String>,
    timeout: Duration,
) -> Result<(), HandlerError> {
    let words = command.join(" ");
    let output = match shared.runtime.exec_sync(id, command, timeout).await {
        Ok(output) => output,
        Err(ExecError::Timeout(_)) => return Err(HandlerError::CommandTimeout { command: words, timeout }),
        Err(error) => return Err(HandlerError::NotTried(error.to_string())),
    };
    if output.exit_code == 0 {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text.truncate(text.floor_char_boundary(MAX_BODY_BYTES));
    Err(HandlerError::ExitCode { output: text.trim_end().to_owned(), code: output.exit_code })
}
