//! Unix sockets at paths longer than an address can hold: reached through the directory's descriptor.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A path of few bytes for `path`, good as long as the returned file lives.
fn short(path: &Path) -> io::Result<(std::fs::File, PathBuf)> {
    let directory = std::fs::File::open(path.parent().unwrap_or(Path::new("/")))?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    let short = short.join(path.file_name().unwrap_or_default());
    Ok((directory, short))
}

/// Listens at `path`, in place of whatever was there.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (_directory, short) = short(path)?;
    UnixListener::bind(short)
}

/// Connects to `path`.
pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    let (_directory, short) = short(path)?;
    UnixStream::connect(short)
}
