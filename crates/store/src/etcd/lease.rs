//! Leases for values with a time to live. Writes within a short while share one, as upstream does, since each costs etcd
//! a round of its log and a timer.

use super::Link;
use super::ask::Failure;
use std::num::NonZeroU64;
use std::time::Duration;

/// A lease is shared for so long, or a twentieth of its time if that is less; it lasts longer by as much.
const MAX_SHARED_SECONDS: u64 = 60;
/// Values on one lease: they are deleted together, in one transaction. Upstream's bound.
const MAX_VALUES: usize = 1000;

/// The lease that writes share at present.
#[derive(Debug)]
pub(super) struct Lease {
    id: i64,
    ttl: NonZeroU64,
    /// Monotonic time until which it may be given to writes.
    shared_until: Duration,
    values: usize,
}

impl Link {
    /// A lease that lasts at least `ttl` seconds from now.
    pub(super) async fn lease(&self, ttl: NonZeroU64, deadline: Duration) -> Result<i64, Failure> {
        let mut current = self.lease.lock().await;
        let now = self.clock.monotonic();
        if let Some(lease) = &mut *current
            && lease.ttl == ttl
            && lease.values < MAX_VALUES
            && now < lease.shared_until
        {
            lease.values += 1;
            return Ok(lease.id);
        }
        let shared_seconds = (ttl.get() / 20).min(MAX_SHARED_SECONDS);
        let seconds = i64::try_from(ttl.get().saturating_add(shared_seconds)).unwrap_or(i64::MAX);
        let granted = self.once(deadline, self.client.grant_lease(seconds)).await;
        let id = granted.map_err(|failure| match failure {
            // A lease that nobody knows of harms nobody: ask again.
            Failure::Broken(_) => Failure::NotSent,
            other => other,
        })?;
        let shared_until = now + Duration::from_secs(shared_seconds);
        let lease = current.insert(Lease { id, ttl, shared_until, values: 1 });
        Ok(lease.id)
    }

    /// Takes a lease out of use that etcd no longer knows.
    pub(super) async fn forget_lease(&self, id: Option<i64>) {
        let mut current = self.lease.lock().await;
        if current.as_ref().map(|lease| lease.id) == id {
            *current = None;
        }
    }
}
