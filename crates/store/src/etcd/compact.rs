//! Bounding etcd's history: every few minutes what is older than one period goes, whoever of the API servers does it.
//!
//! The servers agree by upstream's protocol: the one whose compare-and-swap of the version of one key succeeds compacts.
//! Upstream's own API server on the same etcd takes part in it.

use super::Link;
use super::ask::{Failure, revision};
use super::wire::{
    Compare, CompareResult, CompareTarget, PutRequest, RangeRequest, Request, RequestOp, Response, Target, TxnRequest,
};
use crate::Revision;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Upstream's key. Outside of the prefix, as there.
const KEY: Bytes = Bytes::from_static(b"compact_rev_key");

/// What one server knows: the version of the key, and the revision at the beginning of the period.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    version: i64,
    revision: i64,
}

/// Until the store is closed.
pub(super) async fn run(link: Arc<Link>, interval: Duration) {
    let mut turn = Turn::default();
    loop {
        tokio::select! {
            () = link.clock.sleep(interval) => {}
            () = link.closed.cancelled() => return,
        }
        match step(&link, turn).await {
            Ok(next) => turn = next,
            Err(Failure::Closed) => return,
            // Whoever is next, or we in the next period.
            Err(Failure::Refused(_, message)) => tracing::warn!(message, "etcd was not compacted"),
            Err(_) => tracing::warn!("etcd was not compacted: it does not answer"),
        }
    }
}

async fn step(link: &Link, turn: Turn) -> Result<Turn, Failure> {
    let deadline = link.deadline();
    let compare = Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Version.into(),
        key: KEY,
        target_union: Some(Target::Version(turn.version)),
    };
    let put = Request::Put(PutRequest { key: KEY, value: turn.revision.to_string().into(), lease: 0 });
    let get = Request::Range(RangeRequest { key: KEY, ..RangeRequest::default() });
    let only = |request| vec![RequestOp { request: Some(request) }];
    let transaction = TxnRequest { compare: vec![compare], success: only(put), failure: only(get) };
    let answer = link.once(deadline, link.client.txn(transaction)).await?;
    let Revision(now) = revision(answer.header);
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    if !answer.succeeded {
        let version = answer.responses.into_iter().find_map(|op| match op.response {
            Some(Response::Range(range)) => range.kvs.first().map(|kv| kv.version),
            _ => None,
        });
        return Ok(Turn { version: version.unwrap_or(0), revision: now });
    }
    if turn.revision > 0 {
        match link.once(deadline, link.client.compact(turn.revision)).await {
            Err(failure) if failure.is_out_of_range() => {} // someone has compacted further
            answer => drop(answer?),
        }
        tracing::debug!(revision = turn.revision, "etcd is compacted");
    }
    Ok(Turn { version: turn.version + 1, revision: now })
}
