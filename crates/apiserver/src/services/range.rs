//! The range of Services' addresses, and choosing from it. Pure but for chance.

use super::invalid;
use api::field::{Error, Path};
use api::status::Status;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::Ipv4Addr;

/// `--service-cluster-ip-range`
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    base: u32,
    size: u32,
}

impl Range {
    /// `None` for what is no IPv4 range.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits): (Ipv4Addr, u32) = (address.parse().ok()?, bits.parse().ok()?);
        let size = 1u32.checked_shl(32u32.checked_sub(bits)?)?;
        Some(Self { base: u32::from(address) & !(size - 1), size })
    }

    pub(super) fn first(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address).wrapping_sub(self.base) < self.size
    }

    /// Gives a Service its address, or checks the one that it names, and tells which it has taken. A Service that had one
    /// keeps it: validation refuses another.
    ///
    /// # Errors
    /// 422 for an address that cannot be had; 500 when there is none left.
    pub(super) fn choose(
        &self,
        service: &mut Value,
        old: Option<&Value>,
        taken: &HashSet<Ipv4Addr>,
    ) -> Result<Option<Ipv4Addr>, Status> {
        let spec = &mut service["spec"];
        let had = old.is_some_and(|old| old["spec"]["type"] != "ExternalName");
        if had || spec["type"] == "ExternalName" || spec["clusterIPs"][0] == "None" {
            return Ok(None);
        }
        let given = spec["clusterIPs"][0].as_str().unwrap_or_default().to_owned();
        if given.is_empty() {
            let free = self
                .free_address(taken)
                .ok_or_else(|| Status::internal("failed to allocate a serviceIP: range is full"))?;
            spec["clusterIP"] = free.to_string().into();
            spec["clusterIPs"] = json!([free.to_string()]);
            return Ok(Some(free));
        }
        self.claim(&given, taken).map(Some).map_err(|why| {
            let path = Path::new("spec").child("clusterIPs");
            let why = format!("failed to allocate IP {given}: {why}");
            invalid(service, &[Error::invalid(&path, service["spec"]["clusterIPs"].clone(), why)])
        })
    }

    /// The first and the last address are the network's and everybody's.
    fn claim(&self, given: &str, taken: &HashSet<Ipv4Addr>) -> Result<Ipv4Addr, String> {
        const ELSEWHERE: &str = "the provided network does not match the current range";
        let address: Ipv4Addr = given.parse().map_err(|_| ELSEWHERE.to_owned())?;
        let offset = u32::from(address).wrapping_sub(self.base);
        if !self.contains(address) {
            return Err(ELSEWHERE.to_owned());
        }
        if offset == 0 || offset == self.size - 1 {
            let (base, bits) = (Ipv4Addr::from(self.base), self.size.leading_zeros() + 1);
            return Err(format!(
                "the provided IP ({address}) is not in the valid range. The range of valid IPs is {base}/{bits}"
            ));
        }
        if taken.contains(&address) { Err("provided IP is already allocated".to_owned()) } else { Ok(address) }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_named() {
        let range = Range::parse("10.96.0.0/12").unwrap();
        let taken = HashSet::from([Ipv4Addr::new(10, 96, 0, 1)]);
        let claim = |text: &str| range.claim(text, &taken).map_or_else(|why| why, |_| "ok".to_owned());
        assert_eq!(claim("10.96.0.2"), "ok");
        assert_eq!(claim("10.96.0.1"), "provided IP is already allocated");
        assert_eq!(claim("10.112.0.1"), "the provided network does not match the current range");
        let first = "the provided IP (10.96.0.0) is not in the valid range. The range of valid IPs is 10.96.0.0/12";
        assert_eq!(claim("10.96.0.0"), first);
        let last = "the provided IP (10.111.255.255) is not in the valid range. The range of valid IPs is 10.96.0.0/12";
        assert_eq!(claim("10.111.255.255"), last);
    }
}
