//! System packages that a verb needs: installed with apt when we are root, else the one line to type is printed.

use crate::command::{self, Done};
use std::process::Command;

/// A program that must be there, and the Debian package that brings it.
pub struct Needed {
    program: &'static str,
    package: &'static str,
}

const fn needed(program: &'static str, package: &'static str) -> Needed {
    Needed { program, package }
}

/// For building pintle (ring holds C and assembler) and its fuzz targets (libFuzzer is C++).
pub const BUILD: [Needed; 2] = [needed("cc", "gcc"), needed("c++", "g++")];

/// For `cargo xtask images`.
pub const IMAGES: [Needed; 3] = [needed("dpkg-deb", "dpkg"), needed("tar", "tar"), needed("sha256sum", "coreutils")];

/// For running nodes on this machine.
pub const NODES: [Needed; 4] =
    [needed("nft", "nftables"), needed("ip", "iproute2"), needed("nsenter", "util-linux"), needed("mount", "mount")];

/// For the tests.
pub const TESTS: [Needed; 5] = [
    needed("busybox", "busybox-static"),
    needed("python3", "python3"),
    needed("pip3", "python3-pip"),
    needed("openssl", "openssl"),
    needed("etcd", "etcd-server"),
];

/// Installs what is missing.
pub fn ensure(all: &[Needed]) -> Done {
    let missing: Vec<&str> =
        all.iter().filter(|needed| !command::exists(needed.program)).map(|needed| needed.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get update && apt-get install -y {}", missing.join(" "));
    let id = command::output(Command::new("id").arg("-u"))?;
    if id.trim() != "0" || !command::exists("apt-get") {
        return Err(format!("missing system packages; as root, type:\n  {line}"));
    }
    println!("installing {}", missing.join(" "));
    let quiet = "DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; ";
    command::run(Command::new("sh").arg("-c").arg(format!("{quiet}{line} >/dev/null")))
}
