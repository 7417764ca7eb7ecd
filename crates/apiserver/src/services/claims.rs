//! Claims on addresses and node ports in the store: who makes one first has it, whichever server he asked.
//!
//! A claim on an address is its IPAddress object; one on a port is an entry below `/registry/ranges/servicenodeports`,
//! which no resource shows (upstream keeps a bitmap there).

use crate::cache::Cache;
use crate::rows::Rows;
use crate::storage::Storage;
use api::meta::ObjectMeta;
use clock::SharedClock;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use store::{CommitError, Expect};

/// Where claims on addresses are.
const ADDRESSES: (&str, &str) = ("networking.k8s.io", "ipaddresses");
/// Where claims on ports are.
const PORTS: (&str, &str) = ("ranges", "servicenodeports");
/// Upstream's mark of addresses that the allocator looks after.
const MANAGED_BY: (&str, &str) = ("ipaddress.kubernetes.io/managed-by", "ipallocator");

/// Something that only one Service may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    Address(Ipv4Addr),
    Port(u16),
}

impl Claim {
    pub(super) fn address(self) -> Option<Ipv4Addr> {
        if let Self::Address(address) = self { Some(address) } else { None }
    }

    pub(super) fn port(self) -> Option<u16> {
        if let Self::Port(port) = self { Some(port) } else { None }
    }

    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Address(_) => ADDRESSES,
            Self::Port(_) => PORTS,
        }
    }

    fn key(self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Port(port) => port.to_string(),
        }
    }
}

/// The Service that has something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Owner {
    pub(super) fn of(service: &Value) -> Self {
        Self { namespace: service.namespace().to_owned(), name: service.name().to_owned() }
    }

    fn reference(&self) -> Value {
        json!({"group": "", "resource": "services", "namespace": self.namespace, "name": self.name})
    }

    /// `None` for what belongs to something else than a Service.
    fn from_reference(reference: &Value) -> Option<Self> {
        let text = |key: &str| reference[key].as_str().unwrap_or_default().to_owned();
        (text("resource") == "services").then(|| Self { namespace: text("namespace"), name: text("name") })
    }
}

/// A claim as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) claim: Claim,
    pub(super) owner: Owner,
    pub(super) revision: u64,
}

/// The claims of all servers.
#[derive(Debug)]
pub struct Claims {
    cache: Arc<Cache>,
    rows: Arc<Rows>,
    pub(super) storage: Storage,
    clock: SharedClock,
}

impl Claims {
    /// Those in this store.
    pub fn new(cache: Arc<Cache>, rows: Arc<Rows>, storage: Storage, clock: SharedClock) -> Self {
        Self { cache, rows, storage, clock }
    }

    /// Claims something for a Service; false when somebody has it.
    pub(super) async fn take(&self, claim: Claim, owner: &Owner) -> Result<bool, CommitError> {
        let key = claim.key();
        let object = self.object(claim, owner);
        let (group, plural) = claim.place();
        let made = match self.rows.stored(group, plural) {
            Some(row) => self.storage.put(&row, &key, &object, Expect::Absent).await.map(drop),
            None => self.storage.put_key((group, plural), &key, &object, Expect::Absent, None).await,
        };
        match made {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn object(&self, claim: Claim, owner: &Owner) -> Value {
        let mut object = json!({"metadata": {"name": claim.key()}, "spec": {"parentRef": owner.reference()}});
        if let Claim::Address(_) = claim {
            object["apiVersion"] = "networking.k8s.io/v1".into();
            object["kind"] = "IPAddress".into();
            object["metadata"] = json!({
                "name": claim.key(),
                "uid": crate::metadata::uuid(),
                "creationTimestamp": api::time::format_seconds(self.clock.now()),
                "labels": {"ipaddress.kubernetes.io/ip-family": "IPv4", MANAGED_BY.0: MANAGED_BY.1},
            });
        }
        object
    }

    /// Gives up those of these that the owner has.
    pub(super) async fn give_up_all(&self, claims: Vec<Claim>, owner: &Owner) {
        for claim in claims {
            let (group, plural) = claim.place();
            let Some(entry) = self.cache.shelf(group, plural).get(&claim.key()) else { continue };
            let stored = self.read(claim, &entry.value(), entry.revision);
            if let Some(stored) = stored.filter(|stored| stored.owner == *owner) {
                self.remove(&stored).await;
            }
        }
    }

    /// Takes a claim away, if it is still the same.
    pub(super) async fn remove(&self, stored: &Stored) {
        let (group, plural) = stored.claim.place();
        match self.storage.delete_key(group, plural, &stored.claim.key(), stored.revision).await {
            Ok(_) | Err(CommitError::Conflict { .. }) => {}
            // the repair takes it away later
            Err(error) => tracing::warn!(claim = ?stored.claim, %error, "a claim could not be given up"),
        }
    }

    fn read(&self, claim: Claim, object: &Value, revision: u64) -> Option<Stored> {
        let managed = match claim {
            Claim::Address(_) => object.labels().get(MANAGED_BY.0).is_some_and(|by| by == MANAGED_BY.1),
            Claim::Port(_) => true,
        };
        let owner = Owner::from_reference(&object["spec"]["parentRef"]).filter(|_| managed)?;
        Some(Stored { claim, owner, revision })
    }

    /// Everything that is claimed, by whomever.
    pub(super) fn all(&self) -> Vec<Claim> {
        let keys = |place: (&str, &str)| {
            let snapshot = self.cache.snapshot(&self.cache.shelf(place.0, place.1));
            snapshot.range(None, None).map(|entry| entry.key.clone()).collect::<Vec<_>>()
        };
        let addresses = keys(ADDRESSES).into_iter().filter_map(|key| key.parse().ok()).map(Claim::Address);
        addresses.chain(keys(PORTS).into_iter().filter_map(|key| key.parse().ok()).map(Claim::Port)).collect()
    }

    /// The claims that allocators made for Services.
    pub(super) fn stored(&self) -> Vec<Stored> {
        let read = |claim: Claim| {
            let (group, plural) = claim.place();
            let entry = self.cache.shelf(group, plural).get(&claim.key())?;
            self.read(claim, &entry.value(), entry.revision)
        };
        self.all().into_iter().filter_map(read).collect()
    }
}
