//! `--leader-elect…`: the flags, and what follows from losing the lease.

use clap::{ArgAction, Args};
use client::{Client, Ended, LeaderElection, ObjectKey, Shutdown, lead};
use clock::SharedClock;
use rand::RngExt;
use std::time::Duration;

/// Upstream's flags of leader election.
#[derive(Clone, Debug, Args)]
pub struct ElectionFlags {
    /// Work only while holding the lease, so that several may run and one works.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub leader_elect: bool,
    /// How long others wait after the leader's last renewal.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub leader_elect_lease_duration: Duration,
    /// How long the leader tries to renew before it gives up.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub leader_elect_renew_deadline: Duration,
    /// How often to try.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub leader_elect_retry_period: Duration,
    /// The lease's name.
    #[arg(long, value_name = "NAME")]
    pub leader_elect_resource_name: Option<String>,
    /// The lease's namespace.
    #[arg(long, value_name = "NAMESPACE", default_value = "kube-system")]
    pub leader_elect_resource_namespace: String,
}

/// Parses a Go duration for a flag.
pub fn duration(text: &str) -> Result<Duration, String> {
    let nanos = api::duration::parse(text).map_err(|error| error.to_string())?;
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| format!("time: invalid duration {text:?}"))
}

/// The lease is lost: the process must end, since another works now.
#[derive(Debug, thiserror::Error)]
#[error("leaderelection lost")]
pub struct LeadershipLost;

impl ElectionFlags {
    /// Upstream's rules for the three times.
    fn check(&self) -> Result<(), String> {
        if self.leader_elect_lease_duration <= self.leader_elect_renew_deadline {
            return Err(
                "leaderElection.renewDeadline: Invalid value: LeaseDuration must be greater than RenewDeadline"
                    .to_owned(),
            );
        }
        if self.leader_elect_renew_deadline <= self.leader_elect_retry_period {
            return Err(
                "leaderElection.retryPeriod: Invalid value: RenewDeadline must be greater than RetryPeriod".to_owned()
            );
        }
        Ok(())
    }

    /// Runs `work` while this process leads, or at once without election.
    ///
    /// # Errors
    /// [`LeadershipLost`], or times that cannot be.
    pub async fn run<F: Future<Output = ()>>(
        &self,
        component: &str,
        client: &Client,
        clock: &SharedClock,
        shutdown: &Shutdown,
        work: impl FnOnce(Shutdown) -> F,
    ) -> Result<(), Box<dyn std::error::Error>> {
        self.check()?;
        if !self.leader_elect {
            work(shutdown.clone()).await;
            return Ok(());
        }
        let mut random = rand::make_rng::<rand::rngs::StdRng>();
        let hostname = nix::unistd::gethostname()?.to_string_lossy().to_lowercase();
        let name = self.leader_elect_resource_name.clone().unwrap_or_else(|| component.to_owned());
        let election = LeaderElection {
            lease: ObjectKey::namespaced(&self.leader_elect_resource_namespace, name),
            identity: format!("{hostname}_{:016x}", random.random::<u64>()),
            lease_duration: self.leader_elect_lease_duration,
            renew_deadline: self.leader_elect_renew_deadline,
            retry_period: self.leader_elect_retry_period,
        };
        let mut jitter = move || random.random::<f64>();
        match lead(&election, client, clock, &mut jitter, shutdown, work).await {
            Ended::Stopped => Ok(()),
            Ended::Lost => Err(LeadershipLost.into()),
        }
    }
}
