//! SIGTERM and SIGINT end a role cleanly.

use client::Shutdown;
use tokio::signal::unix::{SignalKind, signal};

/// A token that is cancelled by the first SIGTERM or SIGINT.
///
/// # Errors
/// When the signals cannot be caught.
pub fn on_signal() -> std::io::Result<Shutdown> {
    let shutdown = Shutdown::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    });
    Ok(shutdown)
}
