//! Addresses and ranges of addresses.

use super::{Outcome, failed};
use crate::evaluate::EvaluateError;
use crate::value::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address; IPv4 in the clothes of IPv6 is refused, as upstream does.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let mapped = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    text.parse().ok().filter(|address| !mapped(address))
}

fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let address = parse_ip(address)?;
    let plain = bits.bytes().all(|b| b.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    let bits: u8 = bits.parse().ok().filter(|_| plain)?;
    (bits <= width(&address)).then_some((address, bits))
}

fn width(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with the bits behind the prefix cleared.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
        }
    }
}

fn holds(range: (IpAddr, u8), address: IpAddr) -> bool {
    range.0.is_ipv4() == address.is_ipv4() && masked(range.0, range.1) == masked(address, range.1)
}

/// Functions of one text.
pub(super) fn function(name: &str, a: &Value) -> Outcome {
    let Value::String(text) = a else { return Err(EvaluateError::NoOverload) };
    let address = parse_ip(text);
    match (name, address) {
        ("isIP", address) => Ok(Value::Bool(address.is_some())),
        ("ip", Some(address)) => Ok(Value::Ip(address)),
        ("ip.isCanonical", Some(address)) => Ok(Value::Bool(address.to_string() == **text)),
        ("ip" | "ip.isCanonical", None) => {
            failed(format!("IP Address {text:?} parse error during conversion from string"))
        }
        ("isCIDR", _) => Ok(Value::Bool(parse_cidr(text).is_some())),
        ("cidr", _) => match parse_cidr(text) {
            Some((address, bits)) => Ok(Value::Cidr(address, bits)),
            None => failed(format!("network address parse error during conversion from string: {text:?}")),
        },
        _ => Err(EvaluateError::NoOverload),
    }
}

/// Functions on addresses and ranges.
pub(super) fn method(name: &str, target: &Value, args: &[Value]) -> Outcome {
    match (target, args) {
        (Value::Ip(address), []) => property(name, *address),
        (Value::Cidr(address, bits), []) => match name {
            "ip" => Ok(Value::Ip(*address)),
            "masked" => Ok(Value::Cidr(masked(*address, *bits), *bits)),
            "prefixLength" => Ok(Value::Int((*bits).into())),
            _ => Err(EvaluateError::NoOverload),
        },
        (Value::Cidr(address, bits), [other]) => contains(name, (*address, *bits), other),
        _ => Err(EvaluateError::NoOverload),
    }
}

fn contains(name: &str, range: (IpAddr, u8), other: &Value) -> Outcome {
    match (name, other) {
        ("containsIP", Value::Ip(address)) => Ok(Value::Bool(holds(range, *address))),
        ("containsIP", Value::String(text)) => match parse_ip(text) {
            Some(address) => Ok(Value::Bool(holds(range, address))),
            None => failed(format!("IP Address {text:?} parse error during conversion from string")),
        },
        ("containsCIDR", Value::Cidr(address, bits)) => Ok(Value::Bool(*bits >= range.1 && holds(range, *address))),
        ("containsCIDR", Value::String(text)) => match parse_cidr(text) {
            Some((address, bits)) => Ok(Value::Bool(bits >= range.1 && holds(range, address))),
            None => failed(format!("network address parse error during conversion from string: {text:?}")),
        },
        _ => Err(EvaluateError::NoOverload),
    }
}

fn property(name: &str, address: IpAddr) -> Outcome {
    let link_local_multicast = match address {
        IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    };
    let link_local_unicast = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    };
    Ok(match name {
        "family" => Value::Int(if address.is_ipv4() { 4 } else { 6 }),
        "isUnspecified" => Value::Bool(address.is_unspecified()),
        "isLoopback" => Value::Bool(address.is_loopback()),
        "isLinkLocalMulticast" => Value::Bool(link_local_multicast),
        "isLinkLocalUnicast" => Value::Bool(link_local_unicast),
        "isGlobalUnicast" => Value::Bool(
            !address.is_unspecified()
                && !address.is_loopback()
                && !address.is_multicast()
                && !link_local_unicast
                && address != IpAddr::V4(Ipv4Addr::BROADCAST),
        ),
        _ => return Err(EvaluateError::NoOverload),
    })
}
