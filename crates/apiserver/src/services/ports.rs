//! Choosing node ports (upstream's `initNodePorts`, `updateNodePorts` and the port of health checks). Pure but for chance.

use super::invalid;
use api::field::{Error, Path};
use api::status::Status;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// `--service-node-port-range`
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30000..=32767;
/// The lower part of the range is for ports that people choose (KEP-3668, `calculateRangeOffset`).
const CHOSEN_PORTS: usize = 86; // a 32nd of the range; upstream: from 16 to 128

/// Whether the type has node ports at all.
pub(super) fn has_node_ports(service: &Value) -> bool {
    matches!(service["spec"]["type"].as_str(), Some("NodePort" | "LoadBalancer"))
}

/// `NeedsHealthCheck`
pub(super) fn needs_health_check(service: &Value) -> bool {
    service["spec"]["type"] == "LoadBalancer" && service["spec"]["externalTrafficPolicy"] == "Local"
}

/// One Service's choices: what is taken by now, and what of it is new.
#[derive(Debug)]
pub(super) struct Operation {
    taken: HashSet<u16>,
    chosen: Vec<u16>,
}

impl Operation {
    pub(super) fn new(taken: HashSet<u16>) -> Self {
        Self { taken, chosen: Vec::new() }
    }

    pub(super) fn into_chosen(self) -> Vec<u16> {
        self.chosen
    }

    /// Gives a Service the ports that it lacks and takes those that it names. Upstream stops at the first that cannot be
    /// had.
    ///
    /// # Errors
    /// 422 for a port out of range or taken; 500 when there are none left.
    pub(super) fn run(&mut self, service: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        if has_node_ports(service) {
            match old {
                None => self.init(service)?,
                Some(old) => self.update(service, old)?,
            }
        }
        let had = old.is_some_and(needs_health_check);
        if needs_health_check(service) && !had { self.health_check(service) } else { Ok(()) }
    }

    /// Ports of one number share a node port, whatever their protocols, unless they name others.
    fn init(&mut self, service: &mut Value) -> Result<(), Status> {
        let allocates = allocates(service);
        let ports = ports(service);
        let mut given: HashMap<i64, i64> = HashMap::new();
        for port in ports.iter().filter(|port| port.node_port != 0) {
            given.entry(port.number).or_insert(port.node_port);
        }
        let mut settled: HashMap<i64, i64> = HashMap::new();
        for (index, port) in ports.iter().enumerate().filter(|(_, port)| allocates || port.node_port != 0) {
            let chosen = match settled.get(&port.number) {
                Some(settled) if port.node_port == 0 => *settled,
                Some(settled) => {
                    if port.node_port != *settled {
                        self.take(service, index, port.node_port)?;
                    }
                    continue;
                }
                None => {
                    let chosen = match given.get(&port.number) {
                        Some(given) => self.take(service, index, *given).map(|()| *given)?,
                        None => self.next("nodePort")?,
                    };
                    settled.insert(port.number, chosen);
                    chosen
                }
            };
            service["spec"]["ports"][index]["nodePort"] = chosen.into();
        }
        Ok(())
    }

    fn update(&mut self, service: &mut Value, old: &Value) -> Result<(), Status> {
        let allocates = allocates(service);
        let mut own: HashSet<i64> = ports(old).iter().map(|port| port.node_port).collect();
        let mut seen = HashSet::new();
        for (index, port) in ports(service).iter().enumerate().filter(|(_, port)| allocates || port.node_port != 0) {
            let mut number = port.node_port;
            if number == 0 {
                number = self.next("nodePort")?;
                service["spec"]["ports"][index]["nodePort"] = number.into();
            } else if own.insert(number) {
                self.take(service, index, number)?;
            }
            if !seen.insert((port.protocol.clone(), number)) {
                // no one made this an API error
                return Err(Status::plain(500, "", format!("duplicate nodePort: {{{} {number}}}", port.protocol)));
            }
        }
        Ok(())
    }

    fn health_check(&mut self, service: &mut Value) -> Result<(), Status> {
        match service["spec"]["healthCheckNodePort"].as_i64().unwrap_or(0) {
            0 => service["spec"]["healthCheckNodePort"] = self.next("HealthCheck NodePort 0")?.into(),
            given => self.claim(given).map_err(|why| {
                Status::internal(format_args!("failed to allocate requested HealthCheck NodePort {given}: {why}"))
            })?,
        }
        Ok(())
    }

    fn take(&mut self, service: &Value, index: usize, port: i64) -> Result<(), Status> {
        self.claim(port).map_err(|why| {
            let path = Path::new("spec").child("ports").index(index).child("nodePort");
            invalid(service, &[Error::invalid(&path, port, why)])
        })
    }

    fn claim(&mut self, port: i64) -> Result<(), String> {
        let Some(port) = u16::try_from(port).ok().filter(|port| NODE_PORTS.contains(port)) else {
            let (first, last) = (NODE_PORTS.start(), NODE_PORTS.end());
            return Err(format!("provided port is not in the valid range. The range of valid ports is {first}-{last}"));
        };
        if !self.taken.insert(port) {
            return Err("provided port is already allocated".to_owned());
        }
        self.chosen.push(port);
        Ok(())
    }

    fn next(&mut self, what: &str) -> Result<i64, Status> {
        let free = free_port(&self.taken)
            .ok_or_else(|| Status::internal(format_args!("failed to allocate a {what}: range is full")))?;
        self.taken.insert(free);
        self.chosen.push(free);
        Ok(free.into())
    }
}

/// What matters of a port of a Service.
#[derive(Debug)]
struct Port {
    number: i64,
    protocol: String,
    node_port: i64,
}

fn ports(service: &Value) -> Vec<Port> {
    let number = |port: &Value, field: &str| port[field].as_i64().unwrap_or(0);
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let ports = ports.map(|port| Port {
        number: number(port, "port"),
        protocol: port["protocol"].as_str().unwrap_or_default().to_owned(),
        node_port: number(port, "nodePort"),
    });
    ports.collect()
}

/// `shouldAllocateNodePorts`: a balancer may do without.
fn allocates(service: &Value) -> bool {
    service["spec"]["type"] == "NodePort" || service["spec"]["allocateLoadBalancerNodePorts"] == true
}

/// A free node port. From the upper part of the range, as long as there is one.
fn free_port(taken: &HashSet<u16>) -> Option<u16> {
    let upper = || NODE_PORTS.skip(CHOSEN_PORTS);
    let start = rand::random_range(0..NODE_PORTS.count() - CHOSEN_PORTS);
    let mut all = upper().skip(start).chain(upper().take(start)).chain(NODE_PORTS.take(CHOSEN_PORTS));
    all.find(|port| !taken.contains(port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    /// The node ports that come out, and which of them are new; all but 32000 to 32002 is taken.
    fn chosen(spec: Value, old: Option<Value>, want: Expect) {
        let mut service = json!({"metadata": {"name": "s"}, "spec": spec});
        let old = old.map(|spec| json!({"spec": spec}));
        let mut operation = Operation::new(NODE_PORTS.filter(|port| !(32000..32003).contains(port)).collect());
        let text = match operation.run(&mut service, old.as_ref()) {
            Err(status) => format!("{} {}", status.code, status.message),
            Ok(()) => {
                let ports: Vec<i64> = ports(&service).iter().map(|port| port.node_port).collect();
                let check = &service["spec"]["healthCheckNodePort"];
                let mut new = operation.into_chosen();
                new.sort_unstable();
                format!("{ports:?} {check} new {new:?}").replace("32001", "some").replace("32002", "some")
            }
        };
        want.assert_eq(&text);
    }

    fn port(number: u16, protocol: &str, node_port: u16) -> Value {
        json!({"port": number, "protocol": protocol, "nodePort": node_port})
    }

    #[test]
    fn the_lower_ports_are_given_out_last() {
        let mut taken: HashSet<u16> = NODE_PORTS.skip(CHOSEN_PORTS + 1).collect();
        assert_eq!(free_port(&taken), Some(30086));
        taken.insert(30086);
        assert!((30000..30086).contains(&free_port(&taken).unwrap()));
        assert_eq!(free_port(&NODE_PORTS.collect()), None);
    }

    #[test]
    fn new_ports_of_one_number_share_a_node_port() {
        let spec = |ports: Value| json!({"type": "NodePort", "ports": ports});
        let shared = spec(json!([port(53, "TCP", 0), port(53, "UDP", 32000)]));
        chosen(shared, None, expect!["[32000, 32000] null new [32000]"]);
        let apart = spec(json!([port(53, "TCP", 32000), port(54, "UDP", 32000)]));
        chosen(
            apart,
            None,
            expect![[
                r#"422 Service "s" is invalid: spec.ports[1].nodePort: Invalid value: 32000: provided port is already allocated"#
            ]],
        );
        let range = spec(json!([port(53, "TCP", 1), port(54, "UDP", 2)]));
        chosen(
            range,
            None,
            expect![[
                r#"422 Service "s" is invalid: spec.ports[0].nodePort: Invalid value: 1: provided port is not in the valid range. The range of valid ports is 30000-32767"#
            ]],
        );
        let four = spec(json!([port(1, "TCP", 0), port(2, "TCP", 0), port(3, "TCP", 0), port(4, "TCP", 0)]));
        chosen(four, None, expect!["500 Internal error occurred: failed to allocate a nodePort: range is full"]);
    }

    #[test]
    fn a_changed_service_keeps_its_own_and_takes_what_it_names() {
        let old = json!({"type": "NodePort", "ports": [port(53, "TCP", 30001)]});
        let spec = |ports: Value| json!({"type": "NodePort", "ports": ports});
        let more = spec(json!([port(53, "TCP", 30001), port(53, "UDP", 30001), port(54, "TCP", 32000)]));
        chosen(more, Some(old.clone()), expect!["[30001, 30001, 32000] null new [32000]"]);
        let twice = spec(json!([port(53, "TCP", 30001), port(54, "TCP", 30001)]));
        chosen(twice, Some(old.clone()), expect!["500 duplicate nodePort: {TCP 30001}"]);
        let cluster = json!({"type": "ClusterIP", "ports": [port(53, "TCP", 1)]});
        chosen(cluster, Some(old), expect!["[1] null new []"]);
    }

    #[test]
    fn a_balancer_that_asks_nodes_has_a_port_to_ask_at() {
        let spec = |allocates: bool, policy: &str, check: u16| {
            json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": allocates, "ports": [port(1, "TCP", 0)],
                "externalTrafficPolicy": policy, "healthCheckNodePort": check})
        };
        chosen(spec(false, "Cluster", 0), None, expect!["[0] 0 new []"]);
        chosen(spec(false, "Local", 32000), None, expect!["[0] 32000 new [32000]"]);
        let old = spec(false, "Cluster", 0);
        chosen(spec(false, "Local", 32000), Some(old), expect!["[0] 32000 new [32000]"]);
        let old = spec(false, "Local", 30001);
        chosen(spec(false, "Local", 30001), Some(old), expect!["[0] 30001 new []"]);
        chosen(
            spec(false, "Local", 15),
            None,
            expect![
                "500 Internal error occurred: failed to allocate requested HealthCheck NodePort 15: provided port is not in the valid range. The range of valid ports is 30000-32767"
            ],
        );
    }
}
