//! The stream of one watch: what the teller tells, as frames, which are made when the client takes them.

use super::super::view::{self, Include};
use super::frame;
use super::teller::{Teller, Told};
use crate::accept::{Form, Media};
use crate::cache::{ChangeKind, Entry};
use crate::conversion;
use api::status::Status;
use bytes::Bytes;
use registry::{Resource, Storage};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// The annotation of the bookmark after the initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
/// Frames are put together up to this size: fewer system calls when events come in bursts.
const PIECE_BYTES: usize = 64 << 10;

/// How the client sees objects.
pub(super) struct View {
    pub(super) row: Arc<Resource>,
    pub(super) media: Media,
    pub(super) form: Form,
    pub(super) meta_version: &'static str,
    pub(super) include: Include,
    /// A Table's columns go along with the first event only.
    pub(super) columns_sent: bool,
}

pub(super) struct Watcher {
    teller: Teller,
    view: View,
    pending: VecDeque<Bytes>,
    /// Nothing comes after what is pending.
    ended: bool,
}

impl Watcher {
    pub(super) fn new(teller: Teller, view: View) -> Self {
        Self { teller, view, pending: VecDeque::new(), ended: false }
    }

    /// The stream of its pieces, which holds the watcher alone between them.
    pub(super) fn into_stream(self) -> impl futures::Stream<Item = Bytes> + Send {
        futures::stream::unfold(self, |mut watcher| async move { watcher.next().await.map(|piece| (piece, watcher)) })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.gather().await;
            if !self.pending.is_empty() {
                return Some(self.piece());
            }
            if self.ended {
                return None;
            }
            let told = self.teller.next().await?;
            self.put(told).await;
        }
    }

    /// What can be told already, but no more than one piece at a time.
    async fn gather(&mut self) {
        let mut bytes: usize = self.pending.iter().map(Bytes::len).sum();
        while bytes < PIECE_BYTES && !self.ended {
            let Some(told) = self.teller.try_next().await else { return };
            let before = self.pending.len();
            self.put(told).await;
            bytes += self.pending.iter().skip(before).map(Bytes::len).sum::<usize>();
        }
    }

    /// The first frames that wait, in one piece where they are small.
    fn piece(&mut self) -> Bytes {
        let first = self.pending.pop_front().unwrap_or_default();
        if self.pending.is_empty() || first.len() > PIECE_BYTES {
            return first;
        }
        let waiting: usize = self.pending.iter().map(Bytes::len).sum();
        let mut piece = Vec::with_capacity(PIECE_BYTES.min(first.len() + waiting));
        piece.extend_from_slice(&first);
        while let Some(next) = self.pending.pop_front_if(|next| piece.len() + next.len() <= PIECE_BYTES) {
            piece.extend_from_slice(&next);
        }
        piece.into()
    }

    /// Makes the frame of what is told; an error ends the watch.
    async fn put(&mut self, told: Told) {
        let framed = match told {
            Told::Object(kind, entry) => self.push(kind, &entry).await,
            Told::Bookmark { revision, initial_end } => {
                let now = self.teller.api().clock.now();
                self.view.push_bookmark(revision, initial_end, now, &mut self.pending);
                Ok(())
            }
            Told::Error(status) => Err(status),
        };
        if let Err(status) = framed {
            self.pending.push_back(frame::of(self.view.media, "ERROR", &status.to_value()));
            self.ended = true;
        }
    }

    async fn push(&mut self, kind: ChangeKind, entry: &Entry) -> Result<(), Status> {
        let view = &mut self.view;
        let frame = match (view.form, &view.row.storage, view.media) {
            (Form::Object, Storage::Own, Media::Json) => entry.frame_as(kind),
            (Form::Partial, Storage::Own, Media::Json) => {
                frame::partial(kind, view.meta_version, entry.json_of_metadata().get())
            }
            (Form::Object, Storage::Shared { .. }, Media::Json) => {
                frame::of_json(kind, &conversion::served_json(self.teller.api(), &view.row, entry).await?)
            }
            _ => {
                let object = conversion::served_value(self.teller.api(), &view.row, entry).await?;
                let object = view.transform(object, self.teller.api().clock.now());
                frame::of(view.media, frame::word(kind), &object)
            }
        };
        self.pending.push_back(frame);
        Ok(())
    }
}

impl View {
    fn transform(&mut self, object: Value, now: jiff::Timestamp) -> Value {
        match self.form {
            Form::Object | Form::PartialList => object,
            Form::Partial => view::partial(&object, self.meta_version),
            Form::Table => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let columns = !std::mem::replace(&mut self.columns_sent, true);
                view::table(&self.row, std::iter::once(object), metadata, self.include, now, columns, self.meta_version)
            }
        }
    }

    fn push_bookmark(
        &mut self,
        revision: u64,
        initial_events_end: bool,
        now: jiff::Timestamp,
        pending: &mut VecDeque<Bytes>,
    ) {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_events_end {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let mut object = json!({"kind": &*self.row.kind, "apiVersion": self.row.api_version(), "metadata": metadata});
        if let Some(schema) = self.row.schema() {
            // Upstream sends Go's empty object of the type; the codec knows which zero values show. Best effort.
            let _ = api::codec::conform(&mut object, schema);
        }
        let object = self.transform(object, now);
        pending.push_back(frame::of(self.media, "BOOKMARK", &object));
    }
}
