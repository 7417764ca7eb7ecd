//! Cutting a range of IPv4 addresses into equal parts. Pure.

use std::net::Ipv4Addr;

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
        let (address, prefix_len) = cluster.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let prefix_len: u8 = prefix_len.parse().ok()?;
        if prefix_len > part_len || part_len > 30 {
            return None;
        }
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0);
        let parts = 1u32.checked_shl(u32::from(part_len - prefix_len))?;
        Some(Self { first: u32::from(address) & mask, part_len, parts })
    }

    /// The first part that is not in `taken`.
    pub fn first_free(&self, taken: &[&str]) -> Option<String> {
        let size = 1u32 << (32 - self.part_len);
        let part = |index: u32| format!("{}/{}", Ipv4Addr::from(self.first + index * size), self.part_len);
        (0..self.parts).map(part).find(|part| !taken.contains(&part.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_given_in_order_and_run_out() {
        let ranges = Ranges::new("10.244.0.0/16", 24).unwrap();
        assert_eq!(ranges.first_free(&[]).as_deref(), Some("10.244.0.0/24"));
        assert_eq!(ranges.first_free(&["10.244.0.0/24", "10.244.2.0/24"]).as_deref(), Some("10.244.1.0/24"));
        let small = Ranges::new("10.0.0.0/23", 24).unwrap();
        assert_eq!(small.first_free(&["10.0.0.0/24", "10.0.1.0/24"]), None);
        assert!(Ranges::new("10.0.0.0/25", 24).is_none());
        assert!(Ranges::new("nonsense", 24).is_none());
    }
}
