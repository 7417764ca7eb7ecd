//! A watch for someone in this process: JSON of objects as it stands in the cache, without frames around it.

use super::super::view;
use super::teller::{Teller, Told};
use crate::accept::Form;
use crate::answer;
use crate::cache::{ChangeKind, Entry};
use crate::call::Call;
use crate::conversion;
use crate::server::Api;
use api::status::Status;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use registry::{Resource, Storage};
use std::sync::Arc;

/// What an observer is told.
#[derive(Clone, Debug)]
pub enum Observed {
    /// An object that is there, or has changed.
    Applied(Bytes),
    /// The last state of an object that has gone, or has left the selection, with the revision of that change.
    Deleted(Bytes),
    /// All changes up to a revision have been told.
    Bookmark {
        /// The revision.
        revision: u64,
        /// Everything that was there in the beginning has been told.
        initial_end: bool,
    },
}

/// In order; an error is the last.
pub type Observation = BoxStream<'static, Result<Observed, Status>>;

struct Observer {
    teller: Teller,
    row: Arc<Resource>,
    /// `meta.k8s.io/v1`, where only metadata is wanted.
    partial: Option<&'static str>,
}

pub(super) fn stream(teller: Teller, call: &Call<'_>) -> Observation {
    let partial = (call.accept.form == Form::Partial).then_some(call.accept.meta_version);
    let observer = Observer { teller, row: call.row.clone(), partial };
    stream::unfold(observer, |mut observer| async move {
        let told = observer.teller.next().await?;
        Some((observer.see(told).await, observer))
    })
    .boxed()
}

impl Observer {
    async fn see(&mut self, told: Told) -> Result<Observed, Status> {
        match told {
            Told::Object(ChangeKind::Deleted, entry) => self.json(&entry).await.map(Observed::Deleted),
            Told::Object(_, entry) => self.json(&entry).await.map(Observed::Applied),
            Told::Bookmark { revision, initial_end } => Ok(Observed::Bookmark { revision, initial_end }),
            Told::Error(status) => Err(status),
        }
    }

    async fn json(&mut self, entry: &Entry) -> Result<Bytes, Status> {
        let api: &Api = self.teller.api();
        match self.partial {
            None => conversion::served_json(api, &self.row, entry).await,
            Some(version) if matches!(self.row.storage, Storage::Own) => {
                Ok(view::partial_json(entry.json_of_metadata().get(), version).into())
            }
            Some(version) => {
                let object = conversion::served_value(api, &self.row, entry).await?;
                Ok(answer::wire(&view::partial(&object, version)))
            }
        }
    }
}
