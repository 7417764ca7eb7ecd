//! Writing the node's files, and addresses of this machine.

use certs::{Kubeconfig, UserCertificate};
use std::error::Error;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that could not be read, written or removed.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

/// Names the file in an error.
pub fn at(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { path, source }
}

/// Writes a file for all to read; missing directories are made.
///
/// # Errors
/// [`FileError`]
pub fn write(path: &Path, text: &str) -> Result<(), FileError> {
    write_mode(path, text, 0o644)
}

/// Writes a file for root alone, as kubeadm writes manifests: whole or not at all, since the kubelet may be looking.
///
/// # Errors
/// [`FileError`]
pub fn write_private(path: &Path, text: &str) -> Result<(), FileError> {
    write_mode(path, text, 0o600)
}

fn write_mode(path: &Path, text: &str, mode: u32) -> Result<(), FileError> {
    let Some((directory, name)) = path.parent().zip(path.file_name()) else {
        return Err(at(path)(io::ErrorKind::InvalidInput.into()));
    };
    fs::create_dir_all(directory).map_err(at(directory))?;
    // a file with a dot before its name is no manifest
    let temporary = directory.join(format!(".{}.new", name.to_string_lossy()));
    let _ = fs::remove_file(&temporary); // left by a crash, perhaps with another mode
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary);
    opened.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes())).map_err(at(&temporary))?;
    fs::rename(&temporary, path).map_err(at(path))
}

/// Gives the user of a kubeconfig another certificate; what else is in the file stays, as kubeadm keeps it.
///
/// # Errors
/// A file that cannot be read or written, or is no kubeconfig.
pub fn set_certificate(kubeconfig: &Path, new: &UserCertificate<'_>) -> Result<(), Box<dyn Error>> {
    let mut document = api::codec::decode_yaml(&fs::read(kubeconfig).map_err(at(kubeconfig))?)?.value;
    Kubeconfig::set_certificate(&mut document, new)?;
    Ok(certs::write_private(kubeconfig, &api::codec::encode_yaml(&document))?)
}

/// Removes a file; it may be gone already.
///
/// # Errors
/// [`FileError`]
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// The address by which others reach this node: that of the default route, else the first that is not the loopback's.
pub fn own_address() -> Option<IpAddr> {
    let routed = crate::roles::kubelet::own_address().filter(|address| !address.is_loopback());
    routed.or_else(|| {
        let interfaces = nix::ifaddrs::getifaddrs().ok()?;
        let mut addresses = interfaces.filter_map(|one| {
            let address: Ipv4Addr = one.address?.as_sockaddr_in()?.ip();
            (!address.is_loopback() && !address.is_link_local()).then_some(IpAddr::V4(address))
        });
        addresses.next()
    })
}

/// This machine's name as a node: its host name in lower case.
///
/// # Errors
/// The system has none.
pub fn host_name() -> io::Result<String> {
    Ok(nix::unistd::gethostname()?.to_string_lossy().trim().to_lowercase())
}
