//! IPv4 ranges: parsing, membership, the nth address. IPv6 comes with dual-stack.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 range such as `10.244.1.0/24`; the address is always the first of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    first: u32,
    prefix_len: u8,
}

/// Why a text is no range.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid CIDR address: {0}")]
pub struct CidrError(String);

impl Cidr {
    /// The range of `prefix_len` leading bits that holds `address`; `None` for a length over 32.
    pub fn new(address: Ipv4Addr, prefix_len: u8) -> Option<Self> {
        (prefix_len <= 32).then(|| Self { first: u32::from(address) & mask(prefix_len), prefix_len })
    }

    /// The network address.
    pub fn network(self) -> Ipv4Addr {
        self.first.into()
    }

    /// Leading bits that are fixed, 0 to 32.
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// How many addresses the range holds, network and broadcast address included.
    pub fn size(self) -> u64 {
        1 << (32 - self.prefix_len)
    }

    /// The address `index` places after the network address; `None` beyond the end.
    pub fn nth(self, index: u64) -> Option<Ipv4Addr> {
        let offset = u32::try_from(index).ok().filter(|_| index < self.size())?;
        Some((self.first + offset).into())
    }

    /// Whether `address` lies in the range.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.prefix_len) == self.first
    }
}

fn mask(prefix_len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let parse = || {
            let (address, prefix_len) = text.split_once('/')?;
            Self::new(address.parse().ok()?, prefix_len.parse().ok()?)
        };
        parse().ok_or_else(|| CidrError(text.to_owned()))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), self.prefix_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_ranges_or_errors() {
        for (text, want) in [
            ("10.244.1.7/24", Some(("10.244.1.0/24", 256))),
            ("0.0.0.0/0", Some(("0.0.0.0/0", 1 << 32))),
            ("1.2.3.4/32", Some(("1.2.3.4/32", 1))),
            ("1.2.3.4/33", None),
            ("1.2.3.4", None),
            ("x/8", None),
        ] {
            let got = text.parse::<Cidr>().ok().map(|c| (c.to_string(), c.size()));
            assert_eq!(got, want.map(|(t, s)| (t.to_owned(), s)), "{text}");
        }
    }

    #[test]
    fn addresses_inside_and_outside() {
        let cidr: Cidr = "10.244.1.0/30".parse().unwrap();
        assert_eq!(cidr.nth(3), Some(Ipv4Addr::new(10, 244, 1, 3)));
        assert_eq!(cidr.nth(4), None);
        assert!(cidr.contains(Ipv4Addr::new(10, 244, 1, 2)));
        assert!(!cidr.contains(Ipv4Addr::new(10, 244, 1, 4)));
    }
}
