//! The system calls that no safe wrapper covers: passing descriptors, terminals, signals, forking.
//!
//! What not: nothing that `nix` or `rustix` offers safely.
#![allow(unsafe_code)]

use crate::service::TerminalSize;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Descriptors in one message: stdin, stdout, stderr.
pub(crate) const FDS_PER_MESSAGE_MAX: usize = 3;

/// Receives bytes and, beside them, descriptors (appended to `fds`). 0 is the end.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], fds: &mut VecDeque<OwnedFd>) -> nix::Result<usize> {
    let mut space = nix::cmsg_space!([RawFd; FDS_PER_MESSAGE_MAX]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            for fd in received {
                // SAFETY: the kernel has just installed this descriptor for us and nobody else knows its number.
                fds.push_back(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
    }
    Ok(message.bytes)
}

/// Sends bytes with descriptors beside the first of them; returns how many bytes went.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> nix::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let control = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &control[..0] } else { &control[..] };
    sendmsg::<UnixAddr>(socket.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None)
}

nix::ioctl_write_ptr_bad!(tiocswinsz, nix::libc::TIOCSWINSZ, nix::libc::winsize);

/// Tells a terminal its size.
pub(crate) fn set_terminal_size(terminal: BorrowedFd<'_>, size: TerminalSize) -> nix::Result<()> {
    let window = nix::libc::winsize { ws_row: size.height, ws_col: size.width, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize, which lives across the call; the descriptor is open.
    unsafe { tiocswinsz(terminal.as_raw_fd(), &window) }.map(drop)
}

/// Gives a process that is about to exec the signal dispositions of a fresh one: an ignored SIGPIPE and a blocked SIGCHLD
/// would otherwise be inherited by the container.
pub(crate) fn reset_signals() {
    use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
    for number in [Signal::SIGPIPE, Signal::SIGHUP] {
        // SAFETY: setting the default disposition installs no handler, so no code of ours can run in a signal.
        let _ = unsafe { signal(number, SigHandler::SigDfl) };
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// Ignores a signal in this process.
pub(crate) fn ignore_signal(number: nix::sys::signal::Signal) {
    // SAFETY: ignoring installs no handler.
    let _ = unsafe { nix::sys::signal::signal(number, nix::sys::signal::SigHandler::SigIgn) };
}

/// Closes every descriptor above standard error: those that whoever started this process let it inherit. Only for a process
/// that has opened none itself yet.
pub(crate) fn close_inherited() -> std::io::Result<()> {
    // SAFETY: nothing in this process owns one of these descriptors yet.
    let result = unsafe { nix::libc::syscall(nix::libc::SYS_close_range, 3, nix::libc::c_uint::MAX, 0) };
    nix::errno::Errno::result(result).map(drop).map_err(std::io::Error::from)
}

/// Forks a child that runs `child` and exits. Only for single-threaded processes (the shim).
pub(crate) fn fork_child(child: impl FnOnce()) -> nix::Result<nix::unistd::Pid> {
    // SAFETY: the shim has one thread, so the child may use everything the parent could; it never returns.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(child),
        nix::unistd::ForkResult::Child => {
            child();
            std::process::exit(0)
        }
    }
}

/// Registers a descriptor with the async reactor, for reading and writing.
pub(crate) fn register(fd: OwnedFd) -> std::io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd keeps its descriptor open, and its number the same, until it is dropped, which `AsyncFd` does after
    // deregistering it.
    unsafe { tokio::io::unix::AsyncFd::register(fd) }.map_err(|error| error.into_parts().1)
}

/// Puts a seccomp filter on this process, for good. Takes `no_new_privs` or CAP_SYS_ADMIN.
pub(crate) fn install_filter(program: &[nix::libc::sock_filter]) -> nix::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| nix::errno::Errno::EINVAL)?;
    let filter = nix::libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program, which lives across the call, and does not write to it.
    let result = unsafe {
        nix::libc::prctl(nix::libc::PR_SET_SECCOMP, nix::libc::SECCOMP_MODE_FILTER, std::ptr::from_ref(&filter))
    };
    nix::errno::Errno::result(result).map(drop)
}
