//! Addresses and node ports of Services: `spec.clusterIP(s)` out of the service range, `nodePort`s.
//!
//! What is taken is read off the Services in the watch cache, plus what writes in flight hold.
//! What not: defaulting and validation of Services; those are the registry's.

use crate::cache::Cache;
use crate::call::Call;
use crate::reader::ObjectReader;
use api::field::{Error, Path};
use api::status::{Status, Subject};
use registry::Resource;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

/// `--service-node-port-range`
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30000..=32767;

/// What writes in flight hold.
#[derive(Debug, Default)]
struct Held {
    addresses: HashSet<Ipv4Addr>,
    ports: HashSet<u16>,
}

/// The allocators.
#[derive(Debug)]
pub struct Services {
    cache: Arc<Cache>,
    base: u32,
    size: u32,
    held: Arc<Mutex<Held>>,
}

/// What one write holds until it is stored, or dropped.
#[derive(Debug, Default)]
pub struct Allocation {
    held: Option<Arc<Mutex<Held>>>,
    addresses: Vec<Ipv4Addr>,
    ports: Vec<u16>,
}

impl Allocation {
    /// The write is stored: from now on the cache knows.
    pub fn keep(self) {}
}

impl Drop for Allocation {
    fn drop(&mut self) {
        let Some(held) = &self.held else { return };
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        self.addresses.iter().for_each(|address| {
            held.addresses.remove(address);
        });
        self.ports.iter().for_each(|port| {
            held.ports.remove(port);
        });
    }
}

impl Services {
    /// Allocators over a range such as `10.96.0.0/12`. `None` when it is no IPv4 range.
    pub fn new(cache: Arc<Cache>, range: &str) -> Option<Self> {
        let (address, bits) = range.split_once('/')?;
        let (address, bits): (Ipv4Addr, u32) = (address.parse().ok()?, bits.parse().ok()?);
        let size = 1u32.checked_shl(32u32.checked_sub(bits)?)?;
        Some(Self { cache, base: u32::from(address) & !(size - 1), size, held: Arc::default() })
    }

    /// The first address: that of the service `kubernetes`.
    pub fn first_address(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    fn taken(&self) -> (HashSet<Ipv4Addr>, HashSet<u16>) {
        let (mut addresses, mut ports) = (HashSet::new(), HashSet::new());
        for service in self.cache.list("", "services", None) {
            let all = service["spec"]["clusterIPs"].as_array().cloned().unwrap_or_default();
            addresses.extend(all.iter().filter_map(|ip| ip.as_str()?.parse::<Ipv4Addr>().ok()));
            let list = service["spec"]["ports"].as_array().cloned().unwrap_or_default();
            ports.extend(list.iter().filter_map(|port| u16::try_from(port["nodePort"].as_u64()?).ok()));
        }
        (addresses, ports)
    }

    /// Gives a new or changed Service what it lacks. Other kinds pass.
    ///
    /// # Errors
    /// 422 for addresses and ports that are taken or out of range; 500 when there are none left.
    pub fn allocate(&self, call: &Call<'_>, object: &mut Value, old: Option<&Value>) -> Result<Allocation, Status> {
        if !(call.row.group.is_empty() && &*call.row.plural == "services") {
            return Ok(Allocation::default());
        }
        let (mut addresses, mut ports) = self.taken();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.extend(held.addresses.iter());
        ports.extend(held.ports.iter());
        let held_by_all = Some(self.held.clone());
        let mut allocation = Allocation { held: held_by_all, addresses: Vec::new(), ports: Vec::new() };
        let mut errors = Vec::new();
        self.allocate_address(object, old, &addresses, &mut allocation, &mut errors)?;
        allocate_ports(object, old, &mut ports, &mut allocation, &mut errors)?;
        if !errors.is_empty() {
            drop(held);
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            return Err(Status::invalid(&Subject { group: "", resource: "Service", name: &name }, &errors));
        }
        held.addresses.extend(allocation.addresses.iter());
        held.ports.extend(allocation.ports.iter());
        Ok(allocation)
    }

    fn allocate_address(
        &self,
        object: &mut Value,
        old: Option<&Value>,
        taken: &HashSet<Ipv4Addr>,
        allocation: &mut Allocation,
        errors: &mut Vec<Error>,
    ) -> Result<(), Status> {
        let spec = &mut object["spec"];
        if spec["type"] == "ExternalName" {
            return Ok(());
        }
        if let Some(fields) = spec.as_object_mut() {
            fields.entry("ipFamilyPolicy").or_insert_with(|| "SingleStack".into());
            fields.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
        }
        let families = spec["ipFamilies"].as_array().cloned().unwrap_or_default();
        if let Some(index) = families.iter().position(|family| family == "IPv6") {
            let path = Path::new("spec").child("ipFamilies").index(index);
            errors.push(Error::invalid(&path, "IPv6", "not configured on this cluster"));
            return Ok(());
        }
        let given = spec["clusterIP"].as_str().unwrap_or_default().to_owned();
        let before = old.and_then(|old| old["spec"]["clusterIP"].as_str()).unwrap_or_default();
        if given == "None" {
            spec["clusterIPs"] = json!(["None"]);
            return Ok(());
        }
        if !given.is_empty() && given == before {
            return Ok(());
        }
        if given.is_empty() {
            if !before.is_empty() && before != "None" {
                spec["clusterIP"] = before.into();
                spec["clusterIPs"] = json!([before]);
                return Ok(());
            }
            let address = self
                .free_address(taken)
                .ok_or_else(|| Status::internal("failed to allocate a serviceIP: range is full"))?;
            spec["clusterIP"] = address.to_string().into();
            spec["clusterIPs"] = json!([address.to_string()]);
            allocation.addresses.push(address);
            return Ok(());
        }
        let path = Path::new("spec").child("clusterIPs");
        let failed =
            |why: String| Error::invalid(&path, json!([given]), format!("failed to allocate IP {given}: {why}"));
        match given.parse::<Ipv4Addr>() {
            Ok(address) if u32::from(address).wrapping_sub(self.base) >= self.size => {
                errors.push(failed("the provided network does not match the current range".to_owned()));
            }
            Ok(address) if taken.contains(&address) => {
                errors.push(failed("provided IP is already allocated".to_owned()))
            }
            Ok(address) => {
                spec["clusterIPs"] = json!([given]);
                allocation.addresses.push(address);
            }
            Err(_) => {} // validation says so
        }
        Ok(())
    }

    /// A free address, from the upper part of the range, as upstream keeps the lower one for chosen addresses.
    fn free_address(&self, taken: &HashSet<Ipv4Addr>) -> Option<Ipv4Addr> {
        let reserved = (self.size / 16).clamp(16, 256).min(self.size / 2);
        let usable = self.size.saturating_sub(reserved + 1).max(1);
        let start = rand::random_range(0..usable);
        (0..usable)
            .map(|step| reserved + (start + step) % usable)
            .chain(2..reserved)
            .map(|offset| Ipv4Addr::from(self.base + offset))
            .find(|address| !taken.contains(address))
    }

    /// A Service is gone. What is taken is read off the cache, so there is nothing to do but say so.
    pub fn release(&self, _row: &Resource, _object: &Value) {}
}

fn allocate_ports(
    object: &mut Value,
    old: Option<&Value>,
    taken: &mut HashSet<u16>,
    allocation: &mut Allocation,
    errors: &mut Vec<Error>,
) -> Result<(), Status> {
    let spec = &mut object["spec"];
    let wants = match spec["type"].as_str() {
        Some("NodePort") => true,
        Some("LoadBalancer") => spec["allocateLoadBalancerNodePorts"] != json!(false),
        _ => false,
    };
    let own: HashSet<u16> = old
        .and_then(|old| old["spec"]["ports"].as_array())
        .into_iter()
        .flatten()
        .filter_map(|port| u16::try_from(port["nodePort"].as_u64()?).ok())
        .collect();
    let mut mine: HashSet<u16> = HashSet::new();
    let checks_health = spec["type"] == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local";
    if checks_health && spec["healthCheckNodePort"].as_u64().unwrap_or(0) == 0 {
        let kept = old.and_then(|old| old["spec"]["healthCheckNodePort"].as_u64()).filter(|port| *port != 0);
        let port = match kept.and_then(|port| u16::try_from(port).ok()) {
            Some(port) => port,
            None => {
                let port = free_port(taken)?;
                allocation.ports.push(port);
                port
            }
        };
        spec["healthCheckNodePort"] = port.into();
    }
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
    let used: HashSet<u64> =
        ports.iter().flat_map(|ports| ports.iter()).filter_map(|port| port["nodePort"].as_u64()).collect();
    for (index, port) in ports.into_iter().flatten().enumerate() {
        let given = port["nodePort"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
        if given != 0 {
            let path = Path::new("spec").child("ports").index(index).child("nodePort");
            if own.contains(&given) || mine.contains(&given) {
                mine.insert(given);
            } else if !NODE_PORTS.contains(&given) {
                let why = format!(
                    "provided port is not in the valid range. The range of valid ports is {}-{}",
                    NODE_PORTS.start(),
                    NODE_PORTS.end()
                );
                errors.push(Error::invalid(&path, given, why));
            } else if !taken.insert(given) {
                errors.push(Error::invalid(&path, given, "provided port is already allocated"));
            } else {
                mine.insert(given);
                allocation.ports.push(given);
            }
        } else if wants && let Some(kept) = kept_port(old, port).filter(|kept| !used.contains(&u64::from(*kept))) {
            port["nodePort"] = kept.into();
        } else if wants {
            let free = free_port(taken)?;
            port["nodePort"] = free.into();
            allocation.ports.push(free);
        }
    }
    Ok(())
}

/// The node port that an update leaves out: that of the old port of the same number and protocol.
fn kept_port(old: Option<&Value>, port: &Value) -> Option<u16> {
    let ports = old?["spec"]["ports"].as_array()?;
    let same = ports.iter().find(|one| one["port"] == port["port"] && one["protocol"] == port["protocol"])?;
    u16::try_from(same["nodePort"].as_u64()?).ok().filter(|port| *port != 0)
}

/// A free node port, which is taken from now on.
fn free_port(taken: &mut HashSet<u16>) -> Result<u16, Status> {
    let start = rand::random_range(0..NODE_PORTS.count());
    let free = NODE_PORTS.skip(start).chain(NODE_PORTS.take(start)).find(|port| !taken.contains(port));
    let free = free.ok_or_else(|| Status::internal("failed to allocate a nodePort: range is full"))?;
    taken.insert(free);
    Ok(free)
}
