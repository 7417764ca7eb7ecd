//! Bringing claims and Services together again (upstream's repair of ranges and its IPAddress controller): a Service
//! without claims is one of an older store, or somebody took its IPAddress away; a claim without a Service is what a
//! server left that died between the two writes.

use super::claims::{Owner, Stored};
use super::{Services, holdings};
use crate::reader::ObjectReader;
use crate::server::Api;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Upstream's `repairLoopInterval`. A claim that no Service had used at two looks in a row is a leak: no write takes so long.
const PERIOD: Duration = Duration::from_secs(3 * 60);

/// Claims without a Service at the last look, with the revisions that they were at.
#[derive(Debug, Default)]
pub struct Suspects(HashSet<(super::Claim, u64)>);

/// Until the server stops.
pub async fn run(api: Arc<Api>, mut suspects: Suspects) {
    loop {
        tokio::select! {
            () = api.clock.sleep(PERIOD) => api.services.repair(&mut suspects).await,
            () = api.stopping.cancelled() => return,
        }
    }
}

impl Services {
    /// One look.
    pub async fn repair(&self, suspects: &mut Suspects) {
        let used: HashMap<super::Claim, Owner> = self
            .cache
            .list("", "services", None)
            .iter()
            .flat_map(|service| holdings(service).into_iter().map(|claim| (claim, Owner::of(service))))
            .filter(|(claim, _)| claim.address().is_none_or(|address| self.range.contains(address)))
            .collect();
        let claimed: HashSet<super::Claim> = self.claims.all().into_iter().collect();
        for (claim, owner) in used.iter().filter(|(claim, _)| !claimed.contains(claim)) {
            if let Err(error) = self.claims.take(*claim, owner).await {
                tracing::warn!(?claim, %error, "a service's claim could not be written");
            }
        }
        let unused = |stored: &Stored| used.get(&stored.claim) != Some(&stored.owner);
        let found: Vec<Stored> = self.claims.stored().into_iter().filter(unused).collect();
        for stored in found.iter().filter(|stored| suspects.0.contains(&(stored.claim, stored.revision))) {
            tracing::warn!(claim = ?stored.claim, owner = ?stored.owner, "no service uses this any more: it is free again");
            self.claims.remove(stored).await;
        }
        suspects.0 = found.iter().map(|stored| (stored.claim, stored.revision)).collect();
    }
}
