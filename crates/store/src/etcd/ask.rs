//! Asking etcd something: deadlines, trying again, and what its errors mean.

use super::Link;
use super::wire;
use crate::{Cause, CommitError, ReadError, Revision};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Code, Status};

/// The first pause before another try, and the longest; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What an error says about the request.
pub(super) enum Failure {
    /// It never left: there was no connection.
    NotSent,
    /// The connection broke under it; whether it was carried out is not known.
    Broken(Cause),
    /// etcd said no.
    Refused(Code, String),
    /// No answer in time.
    Timeout,
    /// The store was closed.
    Closed,
}

impl Failure {
    /// Sorts an error of the client.
    pub(super) fn of(status: Status) -> Self {
        if never_sent(&status) {
            Self::NotSent
        } else if std::error::Error::source(&status).is_some() {
            Self::Broken(Arc::new(status)) // made on our side, from an error of the transport
        } else {
            Self::Refused(status.code(), status.message().to_owned())
        }
    }

    /// The revision that was asked for has been compacted, or has not been given yet.
    pub(super) fn is_out_of_range(&self) -> bool {
        matches!(self, Self::Refused(Code::OutOfRange, _))
    }

    /// No such lease (any more).
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(Code::NotFound, _))
    }
}

fn never_sent(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// etcd's own words as an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct EtcdSays(pub(super) String);

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent | Failure::Timeout => Self::Timeout,
            Failure::Broken(cause) => Self::Io(cause),
            Failure::Refused(_, message) => Self::Io(Arc::new(EtcdSays(message))),
            Failure::Closed => Self::Closed,
        }
    }
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent | Failure::Timeout => Self::Timeout,
            Failure::Broken(cause) => Self::Io(cause),
            Failure::Refused(_, message) => Self::Refused { message },
            Failure::Closed => Self::Closed,
        }
    }
}

/// The pauses between tries.
pub(super) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pauses {
    /// Waits for the next one; `false`: the store was closed meanwhile.
    pub(super) async fn wait(&mut self, link: &Link) -> bool {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = link.clock.sleep(pause) => true,
            () = link.closed.cancelled() => false,
        }
    }
}

impl Link {
    /// One request within the time that is left until `deadline` (of the monotonic clock).
    pub(super) async fn once<T>(
        &self,
        deadline: Duration,
        request: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Failure> {
        let left = deadline.saturating_sub(self.clock.monotonic());
        tokio::select! {
            answer = request => answer.map_err(Failure::of),
            () = self.clock.sleep(left) => Err(Failure::Timeout),
            () = self.closed.cancelled() => Err(Failure::Closed),
        }
    }

    /// A read: tried again, as long as there is time, until etcd answers.
    pub(super) async fn range(&self, request: &wire::RangeRequest) -> Result<wire::RangeResponse, Failure> {
        let deadline = self.deadline();
        let mut pauses = Pauses::default();
        loop {
            match self.once(deadline, self.client.range(request.clone())).await {
                Err(Failure::NotSent | Failure::Broken(_)) if self.clock.monotonic() < deadline => {
                    if !pauses.wait(self).await {
                        return Err(Failure::Closed);
                    }
                }
                answer => return answer,
            }
        }
    }

    /// When a request that begins now must have its answer.
    pub(super) fn deadline(&self) -> Duration {
        self.clock.monotonic() + self.request_timeout
    }

    /// Asks etcd's leader for the last revision.
    pub(super) async fn ask_latest(&self) -> Result<Revision, ReadError> {
        Ok(revision(self.range(&self.some_key()).await?.header))
    }

    /// Asks for a key that need not exist: for what the header says.
    pub(super) fn some_key(&self) -> wire::RangeRequest {
        let key = format!("{}health", self.place.root()).into();
        wire::RangeRequest { key, keys_only: true, ..wire::RangeRequest::default() }
    }
}

/// The revision in a header.
pub(super) fn revision(header: Option<wire::ResponseHeader>) -> Revision {
    header.map_or(Revision(0), |header| revision_of(header.revision))
}

/// etcd counts with a sign.
pub(super) fn revision_of(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or(0))
}
