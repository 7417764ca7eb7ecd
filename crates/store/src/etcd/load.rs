//! Reading everything, page by page at one revision.

use super::Link;
use super::ask::{Failure, revision, revision_of};
use super::wire::{RangeRequest, RangeResponse};
use crate::{Entry, Loaded, ReadError, Revision};
use bytes::Bytes;

/// Keys in a page. At etcd's limit of 1.5 MiB for a value it is 750 MiB at worst, some 2 MiB as a rule.
const PAGE: i64 = 500;
/// Tries before giving up when each was overtaken by a compaction.
const MAX_TRIES: usize = 5;

impl Link {
    pub(super) async fn load(&self) -> Result<Loaded, ReadError> {
        for _ in 1..MAX_TRIES {
            match self.load_once().await {
                Err(failure) if failure.is_out_of_range() => {} // compacted while we read: begin anew
                answer => return Ok(answer?),
            }
        }
        Ok(self.load_once().await?)
    }

    async fn load_once(&self) -> Result<Loaded, Failure> {
        let mut loaded = Loaded::default();
        let mut start = self.place.root().as_bytes().to_vec();
        loop {
            let page = self.page(start, loaded.revision).await?;
            if loaded.revision == Revision(0) {
                loaded.revision = revision(page.header);
            }
            let last = page.kvs.last().map(|kv| kv.key.clone());
            for kv in page.kvs {
                let Some(key) = self.place.inside(&kv.key) else { continue }; // not one of ours
                loaded.entries.push(Entry {
                    key: key.into(),
                    revision: revision_of(kv.mod_revision),
                    value: Bytes::copy_from_slice(&kv.value), // else each would keep the whole page
                });
            }
            match last {
                Some(last) if page.more => start = [&last[..], &[0]].concat(),
                _ => return Ok(loaded),
            }
        }
    }

    async fn page(&self, start: Vec<u8>, at: Revision) -> Result<RangeResponse, Failure> {
        let request = RangeRequest {
            key: start.into(),
            range_end: after_prefix(self.place.root()).into(),
            limit: PAGE,
            revision: i64::try_from(at.0).unwrap_or(i64::MAX),
            keys_only: false,
        };
        self.range(&request).await
    }
}

/// The first key after all that begin with the prefix.
fn after_prefix(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![0] // all keys
}
