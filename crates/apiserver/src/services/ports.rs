//! Choosing node ports. Pure but for chance.

use super::Chosen;
use api::field::{Error, Path};
use api::status::Status;
use serde_json::{Value, json};
use std::collections::HashSet;

/// `--service-node-port-range`
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30000..=32767;

/// Gives a Service the ports that it lacks and checks those that it names.
///
/// # Errors
/// 500 when there are none left.
pub(super) fn allocate_ports(
    object: &mut Value,
    old: Option<&Value>,
    taken: &mut HashSet<u16>,
    chosen: &mut Chosen,
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
                chosen.ports.push(port);
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
                chosen.ports.push(given);
            }
        } else if wants && let Some(kept) = kept_port(old, port).filter(|kept| !used.contains(&u64::from(*kept))) {
            port["nodePort"] = kept.into();
        } else if wants {
            let free = free_port(taken)?;
            port["nodePort"] = free.into();
            chosen.ports.push(free);
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

/// The lower part of the range is for ports that people choose (KEP-3668, `calculateRangeOffset`).
const CHOSEN_PORTS: usize = 86; // a 32nd of the range; upstream: from 16 to 128

/// A free node port, which is taken from now on. From the upper part of the range, as long as there is one.
fn free_port(taken: &mut HashSet<u16>) -> Result<u16, Status> {
    let upper = || NODE_PORTS.skip(CHOSEN_PORTS);
    let start = rand::random_range(0..NODE_PORTS.count() - CHOSEN_PORTS);
    let all = upper().skip(start).chain(upper().take(start)).chain(NODE_PORTS.take(CHOSEN_PORTS));
    let free = all.into_iter().find(|port| !taken.contains(port));
    let free = free.ok_or_else(|| Status::internal("failed to allocate a nodePort: range is full"))?;
    taken.insert(free);
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_ports_are_given_out_last() {
        let mut taken: HashSet<u16> = NODE_PORTS.skip(CHOSEN_PORTS + 1).collect();
        assert_eq!(free_port(&mut taken).unwrap(), 30086);
        assert!((30000..30086).contains(&free_port(&mut taken).unwrap()));
        assert!(free_port(&mut NODE_PORTS.collect()).is_err());
    }
}
