//! `/containerLogs/NS/POD/CONTAINER`: CRI log files as their plain text.

mod follow;
mod line;
mod options;
mod reader;
mod state;

use super::answer::{Answer, stream, text};
use super::listen::Context;
use super::route::{Query, Target};
use http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use options::Options;
use tokio::sync::mpsc;

/// Pieces of output that wait for a slow client.
const QUEUE_LENGTH: usize = 8;

pub(super) async fn serve(context: &Context, target: &Target, pod: &Pod, query: &Query) -> Answer {
    let options = match Options::read(query, context.clock.now()) {
        Ok(options) => options,
        Err(words) => return text(StatusCode::BAD_REQUEST, words),
    };
    if let Err(words) = state::check(pod, &target.pod, &target.container, options.previous) {
        return text(StatusCode::BAD_REQUEST, words);
    }
    let found = context.access.container(&target.namespace, &target.pod, &target.container, options.previous);
    let Some(instance) = found else {
        let words = format!("container {:?} in pod {:?} is not available", target.container, target.pod);
        return text(StatusCode::BAD_REQUEST, words);
    };
    let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
    // Events from before the first read, so that an end in between is not missed.
    let events = context.access.runtime().container_events();
    let alive = instance.running && options.follow;
    let reader = match reader::Reader::open(&instance.log_path, &options).await {
        Ok(reader) => reader,
        Err(error) => {
            let words = format!("failed to try resolving symlinks in path {:?}: {error}", instance.log_path);
            return text(StatusCode::INTERNAL_SERVER_ERROR, words);
        }
    };
    let (shutdown, path) = (context.shutdown.clone(), instance.log_path.clone());
    let id = instance.id.clone();
    tokio::spawn(async move {
        let work = async {
            if alive {
                let ended = follow::ended(events, id);
                follow::follow(reader, &path, options, &sender, ended).await
            } else {
                reader.copy_all(options, &sender).await
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sender.closed() => {}
            result = work => if let Err(error) = result {
                tracing::warn!(%error, path = %path.display(), "a log could not be read");
            }
        }
    });
    stream(futures::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
    }))
}

#[cfg(test)]
mod tests;
