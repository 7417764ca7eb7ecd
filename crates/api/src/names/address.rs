//! Addresses and prefixes, in the words of upstream's validation.

use std::net::{IpAddr, Ipv6Addr};

/// `IsValidIPForLegacyField`, strict as since v1.36 (KEP-4858): what several programs read differently is refused.
pub fn ip(text: &str) -> Vec<String> {
    match (text.parse::<IpAddr>(), parse_ip_sloppy(text)) {
        (_, None) => vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()],
        (Err(_), Some(_)) => vec!["must not have leading 0s".to_owned()],
        (Ok(address), Some(_)) if is_mapped(address) => {
            vec!["must not be an IPv4-mapped IPv6 address".to_owned()]
        }
        (Ok(_), Some(_)) => Vec::new(),
    }
}

/// `IsValidCIDRForLegacyField`, as strict: an address and a prefix length, without bits beyond it.
pub fn cidr(text: &str) -> Vec<String> {
    let Some((address, bits)) = parse_cidr_sloppy(text) else {
        return vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".to_owned()];
    };
    let why = match parse_cidr(text) {
        None => "must not have leading 0s in IP or prefix length",
        Some((exact, _)) if is_mapped(exact) => "must not have an IPv4-mapped IPv6 address",
        Some(_) if masked(address, bits) != address => "must not have bits set beyond the prefix length",
        Some(_) => return Vec::new(),
    };
    vec![why.to_owned()]
}

/// Address and prefix length in bits of a CIDR; host bits may be set.
pub fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    if bits.len() > 1 && bits.starts_with('0') {
        return None;
    }
    prefix(address.parse().ok()?, bits)
}

/// `GetWarningsForIP`: what is good enough, but should be written otherwise.
pub fn ip_warning(path: &str, text: &str) -> Option<String> {
    let plain = parse_ip_sloppy(text)?;
    let use_instead =
        || Some(format!("{path}: non-standard IP address {text:?} is invalid: use {:?}", plain.to_string()));
    match text.parse::<IpAddr>() {
        Err(_) => use_instead(),
        Ok(address) if is_mapped(address) => use_instead(),
        Ok(address @ IpAddr::V6(_)) if address.to_string() != text => {
            let canonical = address.to_string();
            Some(format!("{path}: IPv6 address {text:?} should be in RFC 5952 canonical format ({canonical:?})"))
        }
        Ok(_) => None,
    }
}

/// `GetWarningsForCIDR`: the same of prefixes.
pub fn cidr_warnings(path: &str, text: &str) -> Vec<String> {
    let Some((address, bits)) = parse_cidr_sloppy(text) else { return Vec::new() };
    let mut warnings = Vec::new();
    let network = format!("{}/{bits}", masked(address, bits));
    if masked(address, bits) != address {
        let all = if address.is_ipv4() { 32 } else { 128 };
        let single = format!("{address}/{all}");
        warnings.push(format!(
            "{path}: CIDR value {text:?} is ambiguous in this context (should be {network:?} or {single:?}?)"
        ));
    }
    match parse_cidr(text) {
        Some((exact, _)) if !is_mapped(exact) => {
            let canonical = format!("{exact}/{bits}");
            if warnings.is_empty() && exact.is_ipv6() && canonical != text {
                let why = format!("should be in RFC 5952 canonical format ({canonical:?})");
                warnings.push(format!("{path}: IPv6 CIDR value {text:?} {why}"));
            }
        }
        _ => warnings.push(format!("{path}: non-standard CIDR value {text:?} is invalid: use {network:?}")),
    }
    warnings
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

/// `ParseIPSloppy`: zeros may lead the numbers of an IPv4 address, and a mapped address is the one that it maps.
pub fn parse_ip_sloppy(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        let v6: Ipv6Addr = text.parse().ok()?;
        return Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4));
    }
    let plain = |part: &str| match part.trim_start_matches('0') {
        "" if !part.is_empty() => "0".to_owned(),
        rest => rest.to_owned(),
    };
    let parts: Vec<String> = text.split('.').map(plain).collect();
    parts.join(".").parse().ok()
}

/// `ParseCIDRSloppy`: the same of a CIDR, but a mapped address stays one; host bits may be set.
pub fn parse_cidr_sloppy(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let v6: Option<Ipv6Addr> = address.parse().ok();
    prefix(v6.map_or_else(|| parse_ip_sloppy(address), |v6| Some(IpAddr::V6(v6)))?, bits)
}

fn prefix(address: IpAddr, bits: &str) -> Option<(IpAddr, u8)> {
    if bits.is_empty() || !bits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bits: u8 = bits.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    (bits <= most).then_some((address, bits))
}

/// The address without the bits beyond the prefix.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}
