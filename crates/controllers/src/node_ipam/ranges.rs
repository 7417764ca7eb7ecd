//! Cutting a range of IPv4 addresses into equal parts, and who has which. Pure.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

/// A cluster's range and the size of the parts.
#[derive(Clone, Copy, Debug)]
pub struct Ranges {
    first: u32,
    part_len: u8,
    parts: u32,
}

impl Ranges {
    /// `None` when the texts are no ranges, or the parts do not fit.
    pub fn new(cluster: &str, part_len: u8) -> Option<Self> {
        let (address, prefix_len) = parse(cluster)?;
        if prefix_len > part_len || part_len > 30 {
            return None;
        }
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0);
        let parts = 1u32.checked_shl(u32::from(part_len - prefix_len))?;
        Some(Self { first: address & mask, part_len, parts })
    }

    fn size(&self) -> u32 {
        1 << (32 - self.part_len)
    }

    fn text(&self, part: u32) -> String {
        format!("{}/{}", Ipv4Addr::from(self.first + part * self.size()), self.part_len)
    }

    /// The parts that a range touches; `None` when it is no range, or lies elsewhere.
    fn touched(&self, cidr: &str) -> Option<RangeInclusive<u32>> {
        let (address, prefix_len) = parse(cidr)?;
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0);
        let (from, to) = (address & mask, address | !mask);
        let end = u64::from(self.first) + u64::from(self.parts) * u64::from(self.size()) - 1;
        if to < self.first || u64::from(from) > end {
            return None;
        }
        let part = |address: u32| (address.saturating_sub(self.first) / self.size()).min(self.parts - 1);
        Some(part(from)..=part(to))
    }
}

fn parse(cidr: &str) -> Option<(u32, u8)> {
    let (address, prefix_len) = cidr.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let prefix_len: u8 = prefix_len.parse().ok().filter(|len| *len <= 32)?;
    Some((u32::from(address), prefix_len))
}

/// Which node has which parts. Bounded by the number of nodes.
#[derive(Debug)]
pub struct Given {
    ranges: Ranges,
    by_node: HashMap<String, RangeInclusive<u32>>,
    /// How many nodes have a part: two when somebody gave it to both.
    holders: BTreeMap<u32, usize>,
    /// Every part below this is taken.
    lowest: u32,
}

impl Given {
    /// Nobody has anything.
    pub fn new(ranges: Ranges) -> Self {
        Self { ranges, by_node: HashMap::new(), holders: BTreeMap::new(), lowest: 0 }
    }

    /// What the node says that it has.
    pub fn note(&mut self, node: &str, cidr: &str) {
        let touched = self.ranges.touched(cidr);
        if self.by_node.get(node) == touched.as_ref() {
            return;
        }
        self.release(node);
        if let Some(parts) = touched {
            self.hold(node, parts);
        }
    }

    /// The node's range, which it gets now if it has none; `None`: there are no more.
    pub fn of(&mut self, node: &str) -> Option<String> {
        if let Some(parts) = self.by_node.get(node) {
            return Some(self.ranges.text(*parts.start()));
        }
        let free = (self.lowest..self.ranges.parts).find(|part| !self.holders.contains_key(part))?;
        self.lowest = free;
        self.hold(node, free..=free);
        Some(self.ranges.text(free))
    }

    /// The node is gone.
    pub fn release(&mut self, node: &str) {
        for part in self.by_node.remove(node).into_iter().flatten() {
            if let Some(holders) = self.holders.get_mut(&part) {
                *holders -= 1;
                if *holders == 0 {
                    self.holders.remove(&part);
                    self.lowest = self.lowest.min(part);
                }
            }
        }
    }

    fn hold(&mut self, node: &str, parts: RangeInclusive<u32>) {
        parts.clone().for_each(|part| *self.holders.entry(part).or_default() += 1);
        self.by_node.insert(node.to_owned(), parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(cluster: &str) -> Given {
        Given::new(Ranges::new(cluster, 24).unwrap())
    }

    #[test]
    fn parts_are_given_in_order_and_run_out() {
        let mut given = given("10.244.0.0/23");
        assert_eq!(given.of("a").as_deref(), Some("10.244.0.0/24"));
        assert_eq!(given.of("b").as_deref(), Some("10.244.1.0/24"));
        assert_eq!(given.of("a").as_deref(), Some("10.244.0.0/24"), "asked again, the same");
        assert_eq!(given.of("c"), None);
        given.release("a");
        assert_eq!(given.of("c").as_deref(), Some("10.244.0.0/24"), "what is free again is the first");
    }

    #[test]
    fn what_nodes_have_already_is_not_given_again() {
        let mut given = given("10.244.0.0/16");
        given.note("a", "10.244.0.0/24");
        given.note("wide", "10.244.2.0/23");
        given.note("elsewhere", "192.168.0.0/24");
        given.note("odd", "nonsense");
        assert_eq!(given.of("b").as_deref(), Some("10.244.1.0/24"));
        assert_eq!(given.of("c").as_deref(), Some("10.244.4.0/24"));
        given.note("twin", "10.244.0.0/24");
        given.release("a");
        assert_eq!(given.of("d").as_deref(), Some("10.244.5.0/24"), "its twin has it still");
    }

    #[test]
    fn ranges_that_do_not_fit_are_none() {
        assert!(Ranges::new("10.0.0.0/25", 24).is_none());
        assert!(Ranges::new("nonsense", 24).is_none());
    }
}
