//! A docker archive with busybox, made on the fly from Debian's busybox-static.

use sha2::Digest;
use std::io::{self, Write};
use std::path::Path;

/// Where Debian puts the static binary.
const BUSYBOX: &str = "/bin/busybox";

fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(1_700_000_000);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Adds a file to a tar.
pub fn file<W: Write>(tar: &mut tar::Builder<W>, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    tar.append_data(&mut header(tar::EntryType::Regular, content.len() as u64, mode), path, content)
}

/// Adds a symbolic link to a tar.
pub fn link<W: Write>(tar: &mut tar::Builder<W>, path: &str, target: &str) -> io::Result<()> {
    tar.append_link(&mut header(tar::EntryType::Symlink, 0, 0o777), path, target)
}

/// Adds a directory to a tar.
pub fn directory<W: Write>(tar: &mut tar::Builder<W>, path: &str, mode: u32) -> io::Result<()> {
    tar.append_data(&mut header(tar::EntryType::Directory, 0, mode), path, io::empty())
}

/// The layer: the binary, a link for each applet, accounts.
pub fn layer() -> io::Result<Vec<u8>> {
    let busybox = std::fs::read(BUSYBOX).map_err(|error| {
        io::Error::new(error.kind(), format!("{BUSYBOX}: {error}; install it: apt-get install busybox-static"))
    })?;
    let applets = std::process::Command::new(BUSYBOX).arg("--list").output()?;
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode) in [("bin/", 0o755), ("etc/", 0o755), ("tmp/", 0o1777), ("root/", 0o700)] {
        directory(&mut tar, path, mode)?;
    }
    file(&mut tar, "bin/busybox", 0o755, &busybox)?;
    for applet in String::from_utf8_lossy(&applets.stdout).lines().filter(|applet| *applet != "busybox") {
        link(&mut tar, &format!("bin/{applet}"), "busybox")?;
    }
    file(&mut tar, "etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n")?;
    file(&mut tar, "etc/group", 0o644, b"root:x:0:\nbob:x:1000:\nstaff:x:50:bob\n")?;
    file(&mut tar, "etc/plain", 0o644, b"not a program\n")?;
    file(&mut tar, "bin/garbage", 0o755, b"\x01\x02\x03")?;
    tar.into_inner()
}

/// A docker archive of `layers` with this `config` object and these names.
pub fn docker_archive(path: &Path, tags: &[&str], config: &str, layers: &[Vec<u8>]) -> io::Result<()> {
    let mut tar = tar::Builder::new(std::fs::File::create(path)?);
    let digest = |bytes: &[u8]| hex::encode(sha2::Sha256::digest(bytes));
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"sha256:{}\"", digest(layer))).collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{config},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    );
    let names: Vec<String> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
    let config_name = format!("{}.json", digest(config.as_bytes()));
    file(&mut tar, &config_name, 0o644, config.as_bytes())?;
    for (name, layer) in names.iter().zip(layers) {
        file(&mut tar, name, 0o644, layer)?;
    }
    let manifest = format!(r#"[{{"Config":{config_name:?},"RepoTags":{tags:?},"Layers":{names:?}}}]"#);
    file(&mut tar, "manifest.json", 0o644, manifest.as_bytes())?;
    tar.finish()
}

/// Busybox under these names.
#[allow(dead_code)] // the bench uses this alone, the tests all
pub fn archive(path: &Path, tags: &[&str]) -> io::Result<()> {
    docker_archive(path, tags, r#"{"Cmd":["sh"],"Env":["PATH=/bin:/usr/bin"]}"#, &[layer()?])
}
