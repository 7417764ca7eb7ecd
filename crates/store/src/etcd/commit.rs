//! One write: one transaction, and what becomes of it when the connection breaks.

use super::Link;
use super::ask::{Failure, Pauses, revision, revision_of};
use super::wire::{
    Compare, CompareResult, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, Request, RequestOp, Response,
    Target, TxnRequest, TxnResponse,
};
use crate::{CommitError, Committed, Expect, Mutation, Revision, Write};
use bytes::Bytes;
use std::sync::PoisonError;
use std::time::Duration;

/// How a transaction ended.
enum Outcome {
    Done(Revision),
    /// The expectation did not hold: what is there instead, and the store's revision.
    Lost {
        actual: Option<(Revision, Bytes)>,
        latest: Revision,
    },
}

impl Link {
    pub(super) async fn commit(&self, write: Write) -> Result<Committed, CommitError> {
        let _place = self.in_flight.acquire().await.map_err(|_| CommitError::Closed)?;
        let noted = match &write.mutation {
            Mutation::Put(value) => Some(value.clone()),
            Mutation::Delete => None,
        };
        if let Some(value) = &noted {
            self.notes.lock().unwrap_or_else(PoisonError::into_inner).add(&write.key, value, &write.note);
        }
        let committed = self.try_commit(&write, noted.as_ref()).await;
        if let (Err(_), Some(value)) = (&committed, &noted) {
            self.notes.lock().unwrap_or_else(PoisonError::into_inner).drop_if(&write.key, value);
        }
        committed
    }

    async fn try_commit(&self, write: &Write, value: Option<&Bytes>) -> Result<Committed, CommitError> {
        let deadline = self.deadline();
        let mut pauses = Pauses::default();
        // Whether a try may have been carried out without our knowing.
        let mut doubt = false;
        loop {
            let failure = match self.attempt(write, deadline).await {
                Ok(Outcome::Done(revision)) => return Ok(Committed { revision }),
                Ok(Outcome::Lost { actual, latest }) => {
                    let lost = actual.as_ref().map(|(revision, _)| *revision);
                    return match (value, actual) {
                        // Lost to itself: what is there is what an earlier try wrote.
                        (Some(value), Some((revision, found))) if doubt && found == *value => {
                            Ok(Committed { revision })
                        }
                        // It is gone, as was asked; who took it away cannot be told.
                        (None, None) if doubt => Ok(Committed { revision: latest }),
                        _ => Err(CommitError::Conflict { actual: lost, latest }),
                    };
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::NotSent => {}
                // A compare makes trying again safe; without one it might undo what someone else wrote meanwhile.
                Failure::Broken(_) if write.expect != Expect::Any => doubt = true,
                failure => return Err(failure.into()),
            }
            if self.clock.monotonic() >= deadline {
                return Err(CommitError::Timeout);
            }
            if !pauses.wait(self).await {
                return Err(CommitError::Closed);
            }
        }
    }

    async fn attempt(&self, write: &Write, deadline: Duration) -> Result<Outcome, Failure> {
        let mut lease = match write.ttl_seconds {
            Some(ttl) => Some(self.lease(ttl, deadline).await?),
            None => None,
        };
        loop {
            match self.once(deadline, self.client.txn(transaction(write, self.place.outside(&write.key), lease))).await
            {
                // The lease ran out, or someone revoked it: nothing was written.
                Err(failure) if failure.is_not_found() && lease.is_some() => {
                    let Some(ttl) = write.ttl_seconds else { return Err(failure) };
                    self.forget_lease(lease).await;
                    lease = Some(self.lease(ttl, deadline).await?);
                }
                answer => return answer.map(outcome),
            }
        }
    }
}

/// The write in etcd's terms.
fn transaction(write: &Write, key: Bytes, lease: Option<i64>) -> TxnRequest {
    let at = |result: CompareResult, revision| {
        vec![Compare {
            result: result.into(),
            target: CompareTarget::Mod.into(),
            key: key.clone(),
            target_union: Some(Target::ModRevision(revision)),
        }]
    };
    let compare = match (write.expect, &write.mutation) {
        (Expect::Absent, Mutation::Put(_)) => at(CompareResult::Equal, 0),
        (Expect::Any, Mutation::Put(_)) => Vec::new(),
        (Expect::Any, Mutation::Delete) => at(CompareResult::Greater, 0),
        (Expect::At(Revision(revision)), _) => match i64::try_from(revision) {
            Ok(revision @ 1..) => at(CompareResult::Equal, revision),
            _ => at(CompareResult::Less, 0), // no key was ever written at 0, or beyond what etcd counts to
        },
        (Expect::Absent, Mutation::Delete) => at(CompareResult::Less, 0),
    };
    let success = match &write.mutation {
        Mutation::Put(value) => {
            Request::Put(PutRequest { key: key.clone(), value: value.clone(), lease: lease.unwrap_or(0) })
        }
        Mutation::Delete => Request::DeleteRange(DeleteRangeRequest { key: key.clone() }),
    };
    let failure = Request::Range(RangeRequest { key, ..RangeRequest::default() });
    let only = |request| vec![RequestOp { request: Some(request) }];
    TxnRequest { compare, success: only(success), failure: only(failure) }
}

fn outcome(answer: TxnResponse) -> Outcome {
    let latest = revision(answer.header);
    if answer.succeeded {
        return Outcome::Done(latest);
    }
    let found = answer.responses.into_iter().find_map(|op| match op.response {
        Some(Response::Range(range)) => range.kvs.into_iter().next(),
        _ => None,
    });
    Outcome::Lost { actual: found.map(|kv| (revision_of(kv.mod_revision), kv.value)), latest }
}
