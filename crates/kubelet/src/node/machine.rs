//! What the machine is: processors, memory, disk, names. Reads /proc and /sys; read again at each report, as they change.

use crate::amount::Milli;
use crate::resources::Amounts;
use k8s_openapi::api::core::v1::NodeSystemInfo;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;

/// Processors, memory and the disk that `root` is on.
pub(super) fn capacity(root: &Path) -> Amounts {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut amounts = Amounts::from([
        ("cpu".to_owned(), Milli(i128::try_from(cpus).unwrap_or(1) * 1000)),
        ("memory".to_owned(), Milli(i128::from(memory_bytes()) * 1000)),
    ]);
    let existing = root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if let Ok(disk) = nix::sys::statvfs::statvfs(existing) {
        let bytes = u128::from(disk.blocks()) * u128::from(disk.fragment_size());
        amounts.insert("ephemeral-storage".to_owned(), Milli(i128::try_from(bytes).unwrap_or(0) * 1000));
    }
    for (directory, name) in [("hugepages-2048kB", "hugepages-2Mi"), ("hugepages-1048576kB", "hugepages-1Gi")] {
        let size: i128 = if name == "hugepages-2Mi" { 2 << 20 } else { 1 << 30 };
        let path = Path::new("/sys/kernel/mm/hugepages").join(directory).join("nr_hugepages");
        if let Some(count) = fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<i128>().ok()) {
            amounts.insert(name.to_owned(), Milli(count * size * 1000));
        }
    }
    amounts
}

fn memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: u64 = total.and_then(|t| t.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0);
    kib * 1024
}

/// The address that the machine would use to reach others: of the interface with the default route, or of any other.
pub(super) fn addresses() -> Vec<IpAddr> {
    // connecting a UDP socket sends nothing: it only looks the route up. 192.0.2.1 is nobody's (RFC 5737)
    let routed = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    if let Ok(address) = routed {
        return vec![address.ip()];
    }
    let own = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let mut usable = own.filter_map(|i| i.address?.as_sockaddr_in().map(|a| IpAddr::from(a.ip())));
    vec![usable.find(|ip| !ip.is_loopback()).unwrap_or(IpAddr::from(Ipv4Addr::LOCALHOST))]
}

/// Names and versions.
pub(super) fn system_info() -> NodeSystemInfo {
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let os_release = read("/etc/os-release");
    let pretty = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    NodeSystemInfo {
        architecture: architecture().to_owned(),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        container_runtime_version: concat!("pintle://", env!("CARGO_PKG_VERSION")).to_owned(),
        kernel_version: read("/proc/sys/kernel/osrelease"),
        kube_proxy_version: String::new(),
        kubelet_version: crate::config::KUBELET_VERSION.to_owned(),
        machine_id: read("/etc/machine-id"),
        operating_system: "linux".to_owned(),
        os_image: pretty.unwrap_or("Linux").trim_matches('"').to_owned(),
        system_uuid: read("/sys/class/dmi/id/product_uuid"),
        ..NodeSystemInfo::default()
    }
}

/// Go's name of the architecture.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
