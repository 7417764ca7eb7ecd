//! `logs -f`: woken by inotify when the file grows or is rotated, ended by the container's end. Nothing polls.

use super::options::Options;
use super::reader::{Reader, Stop};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use inotify::{EventMask, Inotify, WatchMask};
use runtime::service::{ContainerEvent, ContainerEventKind, ContainerId};
use std::ffi::OsStr;
use std::path::Path;
use tokio::sync::mpsc;

/// One read of inotify events: each has 16 bytes and a name of at most 256.
const EVENT_BUFFER_BYTES: usize = 4096;

/// Resolves when the container has ended, or when it can no longer be known.
pub(super) async fn ended(mut events: BoxStream<'static, ContainerEvent>, id: ContainerId) {
    while let Some(event) = events.next().await {
        match event {
            ContainerEvent::Container { id: of, kind, .. } if of == id => {
                if matches!(kind, ContainerEventKind::Stopped | ContainerEventKind::Deleted) {
                    return;
                }
            }
            // What was missed may have been the end: clients reconnect.
            ContainerEvent::Lagged => return,
            _ => {}
        }
    }
}

/// What woke us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    Grown,
    Rotated,
    Ended,
}

/// Copies what is there and what comes, until the container ends.
pub(super) async fn follow(
    mut reader: Reader,
    path: &Path,
    mut options: Options,
    to: &mpsc::Sender<Bytes>,
    ended: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let inotify = Inotify::init()?;
    // The directory tells of both: writes to the file, and a new file under its name.
    let directory = path.parent().unwrap_or(Path::new("/"));
    inotify.watches().add(directory, WatchMask::MODIFY | WatchMask::CREATE | WatchMask::MOVED_TO)?;
    let mut events = inotify.into_event_stream(vec![0; EVENT_BUFFER_BYTES])?;
    let name = path.file_name().unwrap_or(OsStr::new(""));
    let mut ended = std::pin::pin!(ended);
    loop {
        if reader.copy(&mut options, to).await? == Stop::Enough {
            return Ok(());
        }
        let wake = loop {
            tokio::select! {
                () = &mut ended => break Wake::Ended,
                event = events.next() => match event {
                    Some(Ok(event)) if event.name.as_deref() == Some(name) => {
                        let new = event.mask.intersects(EventMask::CREATE | EventMask::MOVED_TO);
                        break if new { Wake::Rotated } else { Wake::Grown };
                    }
                    Some(Ok(event)) if event.mask.contains(EventMask::Q_OVERFLOW) => break Wake::Grown,
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                },
            }
        };
        match wake {
            Wake::Grown => {}
            Wake::Rotated => {
                // What came into the old file before the change.
                if reader.copy(&mut options, to).await? == Stop::Enough {
                    return Ok(());
                }
                reader.reopen(path).await?;
            }
            Wake::Ended => return reader.copy_all(options, to).await,
        }
    }
}
