//! The hub of container events: one sender, many bounded readers.

use crate::service::ContainerEvent;
use futures::stream::BoxStream;
use tokio::sync::broadcast;

/// Events that a reader may be behind before it is told to list anew: several for each container of a full node
/// (110 pods of some containers).
const EVENT_BACKLOG_MAX: usize = 4096;

/// Sends each event to every reader; never blocks.
#[derive(Debug, Clone)]
pub(crate) struct EventHub {
    sender: broadcast::Sender<ContainerEvent>,
}

impl Default for EventHub {
    fn default() -> Self {
        Self { sender: broadcast::channel(EVENT_BACKLOG_MAX).0 }
    }
}

impl EventHub {
    /// Hands `event` to whoever reads.
    pub(crate) fn send(&self, event: ContainerEvent) {
        let _ = self.sender.send(event); // without readers nobody minds
    }

    /// Events from now on; ends when the hub is gone.
    pub(crate) fn subscribe(&self) -> BoxStream<'static, ContainerEvent> {
        let receiver = self.sender.subscribe();
        Box::pin(futures::stream::unfold(receiver, |mut receiver| async move {
            match receiver.recv().await {
                Ok(event) => Some((event, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((ContainerEvent::Lagged, receiver)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        }))
    }
}
