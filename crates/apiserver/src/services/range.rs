//! The range of Services' addresses, and choosing from it. Pure but for chance.

use super::Chosen;
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

    /// Gives a Service its address, or checks the one that it names.
    ///
    /// # Errors
    /// 500 when there is none left.
    pub(super) fn choose(
        &self,
        object: &mut Value,
        old: Option<&Value>,
        taken: &HashSet<Ipv4Addr>,
        chosen: &mut Chosen,
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
            chosen.addresses.push(address);
            return Ok(());
        }
        let path = Path::new("spec").child("clusterIPs");
        let failed =
            |why: String| Error::invalid(&path, json!([given]), format!("failed to allocate IP {given}: {why}"));
        match given.parse::<Ipv4Addr>() {
            Ok(address) if !self.contains(address) => {
                errors.push(failed("the provided network does not match the current range".to_owned()));
            }
            Ok(address) if taken.contains(&address) => {
                errors.push(failed("provided IP is already allocated".to_owned()))
            }
            Ok(address) => {
                spec["clusterIPs"] = json!([given]);
                chosen.addresses.push(address);
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
}
