//! Leader election by a Lease, as `client-go/tools/leaderelection` does it: of several schedulers or controller managers
//! one works, the others stand by.
//!
//! What to do next is a pure function ([`plan`]); the loop around it asks the API and waits. A holder counts as gone when
//! its record has not changed for the lease's duration *by our own clock*: clocks of different machines are never compared.

use crate::{Client, Error, ObjectKey, Shutdown};
use clock::SharedClock;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use std::time::Duration;

/// The flags `--leader-elect-*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderElection {
    /// `--leader-elect-resource-namespace` and `-name`.
    pub lease: ObjectKey,
    /// Who we are: differs between processes, as `<host name>_<random>`.
    pub identity: String,
    /// `--leader-elect-lease-duration`: how long others wait after the holder's last sign of life.
    pub lease_duration: Duration,
    /// `--leader-elect-renew-deadline`: a holder that could not renew for so long gives up.
    pub renew_deadline: Duration,
    /// `--leader-elect-retry-period`: how often to try.
    pub retry_period: Duration,
}

/// How leading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// We were told to stop; the lease was given back.
    Stopped,
    /// The lease could not be renewed in time: whoever led must stop at once.
    Lost,
}

/// What we have seen of the lease, and when by our monotonic clock.
#[derive(Clone, Debug)]
struct Observed {
    lease: Lease,
    at: Duration,
}

#[derive(Debug, PartialEq)]
enum Step {
    Create(Box<Lease>),
    Update(Box<Lease>),
    /// Somebody else holds it.
    StandBy,
}

/// Upstream's jitter: retries are spread over one to 2.2 periods.
const JITTER_FACTOR: f64 = 1.2;

/// Waits until this process leads, then runs `work` until it is told to stop or loses the lease. `work` gets a token of
/// its own that is cancelled in both cases. `jitter` gives numbers from 0 to 1.
pub async fn lead<F: Future<Output = ()>>(
    election: &LeaderElection,
    client: &Client,
    clock: &SharedClock,
    jitter: &mut (dyn FnMut() -> f64 + Send),
    shutdown: &Shutdown,
    work: impl FnOnce(Shutdown) -> F,
) -> Ended {
    let mut candidate = Candidate { election, client, clock, observed: None };
    loop {
        if candidate.attempt().await.unwrap_or_else(|error| failed(election, &error)) {
            break;
        }
        let wait = election.retry_period.mul_f64(1.0 + jitter() * JITTER_FACTOR);
        tokio::select! {
            () = clock.sleep(wait) => {}
            () = shutdown.cancelled() => return Ended::Stopped,
        }
    }
    tracing::info!(lease = %election.lease, identity = election.identity, "became leader");
    let own = shutdown.child_token();
    let working = work(own.clone());
    futures::pin_mut!(working);
    let (ended, finished) = tokio::select! {
        () = &mut working => (Ended::Stopped, true),
        () = shutdown.cancelled() => (Ended::Stopped, false),
        () = candidate.renew() => (Ended::Lost, false),
    };
    own.cancel();
    if ended == Ended::Stopped {
        if !finished {
            working.await; // it has been told
        }
        candidate.release().await;
    }
    ended
}

fn failed(election: &LeaderElection, error: &Error) -> bool {
    tracing::warn!(lease = %election.lease, %error, "cannot get or renew the leader's lease");
    false
}

struct Candidate<'a> {
    election: &'a LeaderElection,
    client: &'a Client,
    clock: &'a SharedClock,
    observed: Option<Observed>,
}

impl Candidate<'_> {
    /// Whether we hold the lease now.
    async fn attempt(&mut self) -> Result<bool, Error> {
        let found = self.client.get_opt::<Lease>(&self.election.lease).await?;
        self.observe(found.as_ref());
        let step = plan(self.election, found, self.observed.as_ref(), self.clock.monotonic(), self.clock.now());
        let written = match step {
            Step::StandBy => return Ok(false),
            Step::Create(lease) => self.client.create(&*lease).await,
            Step::Update(lease) => self.client.update(&*lease).await,
        };
        match written {
            Ok(lease) => {
                self.observe(Some(&lease));
                Ok(true)
            }
            // somebody was quicker
            Err(error) if error.is_conflict() || error.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn observe(&mut self, lease: Option<&Lease>) {
        let Some(lease) = lease else { return };
        if self.observed.as_ref().is_none_or(|seen| seen.lease.spec != lease.spec) {
            self.observed = Some(Observed { lease: lease.clone(), at: self.clock.monotonic() });
        }
    }

    /// Renews until that fails for the whole deadline.
    async fn renew(&mut self) {
        let mut renewed = self.clock.monotonic();
        loop {
            self.clock.sleep(self.election.retry_period).await;
            let left = self.election.renew_deadline.saturating_sub(self.clock.monotonic().saturating_sub(renewed));
            let clock = self.clock.clone();
            match clock::timeout(&*clock, left, self.attempt()).await {
                Some(Ok(true)) => renewed = self.clock.monotonic(),
                Some(Err(error)) => {
                    failed(self.election, &error);
                }
                Some(Ok(false)) | None => {}
            }
            if self.clock.monotonic().saturating_sub(renewed) >= self.election.renew_deadline {
                tracing::error!(lease = %self.election.lease, "leaderelection lost");
                return;
            }
        }
    }

    /// Gives the lease back, so that another need not wait for its end. Failing costs others that wait alone.
    async fn release(&self) {
        let Some(observed) = &self.observed else { return };
        let mut lease = observed.lease.clone();
        let Some(spec) = lease.spec.as_mut().filter(|s| s.holder_identity.as_ref() == Some(&self.election.identity))
        else {
            return;
        };
        let now = Some(MicroTime(self.clock.now()));
        // upstream's form: nobody holds it, and it ends in a second
        (spec.holder_identity, spec.lease_duration_seconds) = (Some(String::new()), Some(1));
        (spec.renew_time, spec.acquire_time) = (now.clone(), now);
        let update = self.client.update(&lease);
        if let Some(Err(error)) = clock::timeout(&**self.clock, self.election.retry_period, update).await {
            tracing::warn!(%error, "cannot give the leader's lease back");
        }
    }
}

/// What to do about a lease that was just read.
fn plan(
    election: &LeaderElection,
    found: Option<Lease>,
    observed: Option<&Observed>,
    monotonic: Duration,
    now: Timestamp,
) -> Step {
    let fresh = |transitions: i32, acquired: Option<MicroTime>| LeaseSpec {
        holder_identity: Some(election.identity.clone()),
        lease_duration_seconds: Some(i32::try_from(election.lease_duration.as_secs()).unwrap_or(i32::MAX)),
        acquire_time: Some(acquired.unwrap_or(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(transitions),
        ..LeaseSpec::default()
    };
    let Some(mut lease) = found else {
        let mut lease = Lease { spec: Some(fresh(0, None)), ..Lease::default() };
        lease.metadata.name = Some(election.lease.name.clone());
        lease.metadata.namespace = Some(election.lease.namespace.clone());
        return Step::Create(Box::new(lease));
    };
    let spec = lease.spec.take().unwrap_or_default();
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    let transitions = spec.lease_transitions.unwrap_or(0);
    if holder == election.identity {
        lease.spec = Some(fresh(transitions, spec.acquire_time));
        return Step::Update(Box::new(lease));
    }
    let seconds = u64::try_from(spec.lease_duration_seconds.unwrap_or(0)).unwrap_or(0);
    let lives = observed.is_some_and(|seen| seen.at + Duration::from_secs(seconds) > monotonic);
    if !holder.is_empty() && lives {
        return Step::StandBy;
    }
    lease.spec = Some(fresh(transitions.saturating_add(1), None));
    Step::Update(Box::new(lease))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn election() -> LeaderElection {
        LeaderElection {
            lease: ObjectKey::namespaced("kube-system", "kube-scheduler"),
            identity: "a".to_owned(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }

    fn held(by: &str) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(by.to_owned()),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(3),
            acquire_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    fn step(lease: Option<Lease>, seen_seconds_ago: u64) -> Step {
        let now = Duration::from_secs(100);
        let at = now - Duration::from_secs(seen_seconds_ago);
        let observed = lease.clone().map(|lease| Observed { lease, at });
        plan(&election(), lease, observed.as_ref(), now, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_missing_lease_is_made_and_an_own_one_renewed() {
        let Step::Create(lease) = step(None, 0) else { panic!("not created") };
        assert_eq!(lease.spec.unwrap().lease_transitions, Some(0));
        let Step::Update(lease) = step(Some(held("a")), 60) else { panic!("not renewed") };
        let spec = lease.spec.unwrap();
        assert_eq!((spec.lease_transitions, spec.acquire_time), (Some(3), held("a").spec.unwrap().acquire_time));
    }

    #[test]
    fn another_holder_is_respected_until_its_lease_has_ended() {
        assert_eq!(step(Some(held("b")), 14), Step::StandBy);
        for (lease, seen) in [(held("b"), 15), (held(""), 0)] {
            let Step::Update(lease) = step(Some(lease), seen) else { panic!("not taken over") };
            let spec = lease.spec.unwrap();
            assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("a"), Some(4)));
        }
    }
}
