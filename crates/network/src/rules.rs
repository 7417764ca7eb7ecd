//! The packet rules of a node, as text for `nft`: masquerading of pods to the outside, and host ports.
//!
//! One table, replaced as a whole once at start and changed by single map elements from then on, so that the cost of a
//! pod does not grow with the number of pods. Building the text is pure; [`load`] hands it to `nft -f -`.

use crate::{Cidr, HostPort};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;

/// `nft` refused a rule set, or is not there.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The program could not be run.
    #[error("run nft (Debian package nftables): {0}")]
    Run(#[source] std::io::Error),
    /// The program said no.
    #[error("nft: {0}")]
    Refused(String),
}

/// The whole table of a node. `pods` is the node's own pod range, `cluster` that of all nodes.
pub fn table(pods: Cidr, cluster: Cidr, ports: &[(Ipv4Addr, HostPort)]) -> String {
    let mut text = format!(
        "table ip pintle\ndelete table ip pintle\ntable ip pintle {{
  map hostports {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local dnat ip to meta l4proto . th dport map @hostports
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    fib daddr type local dnat ip to meta l4proto . th dport map @hostports
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {pods} ip daddr != {cluster} masquerade
    ip saddr 127.0.0.0/8 ct status dnat masquerade
    ip saddr {pods} ip daddr {pods} ct status dnat masquerade
  }}
}}\n"
    );
    for (address, port) in ports {
        text.push_str(&add_port(*address, port));
    }
    text
}

/// Sends what comes for the host port to the pod at `address`.
pub fn add_port(address: Ipv4Addr, port: &HostPort) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "add element ip pintle hostports {{ {} . {} : {address} . {} }}",
        port.protocol.name(),
        port.host_port,
        port.container_port
    );
    text
}

/// Takes a host port away again. The element must exist.
pub fn remove_port(port: &HostPort) -> String {
    format!("delete element ip pintle hostports {{ {} . {} }}\n", port.protocol.name(), port.host_port)
}

/// Loads `text` into the namespace of this process, or into the one held by `namespace`; all of it or nothing.
pub async fn load(namespace: Option<&Path>, text: &str) -> Result<(), RulesError> {
    let mut command = match namespace {
        None => tokio::process::Command::new("nft"),
        Some(path) => {
            let mut command = tokio::process::Command::new("nsenter");
            command.arg(format!("--net={}", path.display())).arg("nft");
            command
        }
    };
    command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(RulesError::Run)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).await.map_err(RulesError::Run)?;
    }
    let output = child.wait_with_output().await.map_err(RulesError::Run)?;
    if output.status.success() {
        return Ok(());
    }
    Err(RulesError::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
