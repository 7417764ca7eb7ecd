//! Addresses and node ports of Services: `spec.clusterIP(s)` out of the service range, `nodePort`s.
//!
//! Each is claimed in the store before a Service that has it is written, by a compare-and-swap: servers on one etcd never
//! give the same out twice. Claims on addresses are IPAddress objects, as upstream's are. What is free is read off the
//! claims and Services in the watch cache; a claim that is lost all the same makes the choice be made again.
//! What not: defaulting and validation of Services; those are the registry's.

mod claims;
mod endpoints;
mod families;
mod ports;
mod range;
pub mod repair;

pub use claims::Claims;

use crate::cache::Cache;
use crate::call::Call;
use crate::endpoints::create::storage_error;
use crate::reader::ObjectReader;
use api::field::Error;
use api::meta::ObjectMeta;
use api::status::{Status, Subject};
use claims::{Claim, Owner};
use range::Range;
use registry::Resource;
use serde_json::Value;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// How often a choice is made again after another server was faster. Each time what was lost is known to be taken.
const CHOICES_MAX: usize = 16;

/// The allocators.
#[derive(Debug)]
pub struct Services {
    cache: Arc<Cache>,
    claims: Arc<Claims>,
    range: Range,
}

/// What a Service is to get that it did not have.
#[derive(Debug, Default)]
struct Chosen {
    addresses: Vec<Ipv4Addr>,
    ports: Vec<u16>,
}

impl Chosen {
    fn claims(&self) -> impl Iterator<Item = Claim> {
        let addresses = self.addresses.iter().map(|address| Claim::Address(*address));
        addresses.chain(self.ports.iter().map(|port| Claim::Port(*port)))
    }
}

/// What one write has claimed; given up again when this is dropped and the write was not kept.
#[derive(Debug)]
pub struct Allocation {
    claims: Arc<Claims>,
    owner: Owner,
    taken: Vec<Claim>,
}

impl Allocation {
    /// The write is stored: what it has claimed is its own.
    pub fn keep(mut self) {
        self.taken.clear();
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if self.taken.is_empty() {
            return;
        }
        let (claims, owner, taken) = (self.claims.clone(), self.owner.clone(), std::mem::take(&mut self.taken));
        // whatever keeps this from being done, the repair finds the claims that nobody uses
        tokio::spawn(async move { claims.give_up_all(taken, &owner).await });
    }
}

fn is_service(row: &Resource) -> bool {
    row.group.is_empty() && &*row.plural == "services"
}

fn invalid(service: &Value, errors: &[Error]) -> Status {
    Status::invalid(&Subject { group: "", resource: "Service", name: service.name() }, errors)
}

/// Everything that a Service has: not what it only names, as a type without node ports may.
fn holdings(service: &Value) -> HashSet<Claim> {
    let spec = &service["spec"];
    let addresses = spec["clusterIPs"].as_array().into_iter().flatten();
    let addresses = addresses.filter_map(|ip| ip.as_str()?.parse().ok()).map(Claim::Address);
    let ports = spec["ports"].as_array().filter(|_| ports::has_node_ports(service));
    let ports = ports.into_iter().flatten().map(|port| &port["nodePort"]);
    let check = ports::needs_health_check(service).then_some(&spec["healthCheckNodePort"]);
    let ports = ports.chain(check).filter_map(|port| u16::try_from(port.as_u64()?).ok());
    addresses.chain(ports.filter(|port| *port != 0).map(Claim::Port)).collect()
}

impl Services {
    /// Allocators over a range such as `10.96.0.0/12`. `None` when it is no IPv4 range.
    pub fn new(cache: Arc<Cache>, claims: Claims, range: &str) -> Option<Self> {
        Some(Self { cache, claims: Arc::new(claims), range: Range::parse(range)? })
    }

    /// The first address: that of the service `kubernetes`.
    pub fn first_address(&self) -> Ipv4Addr {
        self.range.first()
    }

    fn taken(&self) -> HashSet<Claim> {
        let services = self.cache.list("", "services", None);
        services.iter().flat_map(|service| holdings(service)).chain(self.claims.all()).collect()
    }

    /// Gives a new or changed Service what it lacks. Other kinds pass.
    ///
    /// # Errors
    /// 422 for addresses and ports that are taken or out of range; 500 when there are none left; what the store says.
    pub async fn allocate(
        &self,
        call: &Call<'_>,
        object: &mut Value,
        old: Option<&Value>,
    ) -> Result<Option<Allocation>, Status> {
        if !is_service(&call.row) {
            return Ok(None);
        }
        let owner = Owner::of(object);
        let mut taken = self.taken();
        for _ in 0..CHOICES_MAX {
            let mut wanted = object.clone();
            let chosen = self.choose(&mut wanted, old, &taken)?;
            let mut allocation = Allocation { claims: self.claims.clone(), owner: owner.clone(), taken: Vec::new() };
            let mut lost = None;
            for claim in chosen.claims().filter(|_| !call.dry_run()) {
                if !self.claims.take(claim, &owner).await.map_err(|error| storage_error(&error))? {
                    lost = Some(claim);
                    break;
                }
                allocation.taken.push(claim);
            }
            match lost {
                Some(lost) => taken.insert(lost),
                None => {
                    *object = wanted;
                    return Ok(Some(allocation));
                }
            };
        }
        Err(Status::internal("failed to allocate: others were faster each time"))
    }

    /// Addresses come first, and the first thing that is wrong ends it, as upstream allocates.
    fn choose(&self, object: &mut Value, old: Option<&Value>, taken: &HashSet<Claim>) -> Result<Chosen, Status> {
        families::init_families(object, old).map_err(|errors| invalid(object, &errors))?;
        let addresses = taken.iter().filter_map(|claim| claim.address()).collect();
        let addresses = self.range.choose(object, old, &addresses)?.into_iter().collect();
        let mut ports = ports::Operation::new(taken.iter().filter_map(|claim| claim.port()).collect());
        ports.run(object, old)?;
        Ok(Chosen { addresses, ports: ports.into_chosen() })
    }

    /// What `old` had and `new` has no more is free again: `None`, the Service is gone.
    pub async fn release(&self, row: &Resource, old: &Value, new: Option<&Value>) {
        if !is_service(row) {
            return;
        }
        let kept = new.map(holdings).unwrap_or_default();
        let free: Vec<Claim> = holdings(old).into_iter().filter(|claim| !kept.contains(claim)).collect();
        let owner = Owner::of(old);
        if new.is_none() {
            self.remove_endpoints(&owner).await;
        }
        self.claims.give_up_all(free, &owner).await;
    }
}
