//! The RuntimeDefault seccomp profile: what Docker's and containerd's default profile denies, as a filter of our own.
//!
//! Why not libseccomp: a C library for some forty comparisons. The profile denies by list and permits the rest; a capability that makes
//! a call legitimate lifts its denial, as in the original. System calls of another architecture (32-bit programs) are refused.

use nix::libc::{self, sock_filter};

/// In a container's annotations: its processes get this filter.
pub(crate) const ANNOTATION: &str = "pintle/seccomp-default";
/// In a container's annotations: capabilities, separated by commas, that only the installing of the filter needs.
pub(crate) const EXTRA_CAPABILITIES: &str = "pintle/seccomp-extra-capabilities";
/// What installing a filter without `no_new_privs`, and giving up the right to do so, takes.
pub(crate) const NEEDED_CAPABILITIES: [&str; 2] = ["CAP_SYS_ADMIN", "CAP_SETPCAP"];

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const JUMP_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
/// Numbers from here on are the x32 interface, another way to the same calls.
const X32: u32 = 0x4000_0000;
/// The flags of clone that make namespaces (CLONE_NEW…).
const NEW_NAMESPACES: u32 = 0x7e02_0000;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;

/// Denied calls, with the capability that lifts the denial (empty: none does).
const DENIED: [(libc::c_long, &str); 44] = [
    (libc::SYS_add_key, ""),
    (libc::SYS_keyctl, ""),
    (libc::SYS_request_key, ""),
    (libc::SYS_userfaultfd, ""),
    (libc::SYS_io_uring_setup, ""),
    (libc::SYS_io_uring_enter, ""),
    (libc::SYS_io_uring_register, ""),
    (libc::SYS_kexec_load, "CAP_SYS_BOOT"),
    (libc::SYS_kexec_file_load, "CAP_SYS_BOOT"),
    (libc::SYS_reboot, "CAP_SYS_BOOT"),
    (libc::SYS_init_module, "CAP_SYS_MODULE"),
    (libc::SYS_finit_module, "CAP_SYS_MODULE"),
    (libc::SYS_delete_module, "CAP_SYS_MODULE"),
    (libc::SYS_open_by_handle_at, "CAP_DAC_READ_SEARCH"),
    (libc::SYS_acct, "CAP_SYS_PACCT"),
    (libc::SYS_clock_settime, "CAP_SYS_TIME"),
    (libc::SYS_settimeofday, "CAP_SYS_TIME"),
    (libc::SYS_vhangup, "CAP_SYS_TTY_CONFIG"),
    (libc::SYS_syslog, "CAP_SYSLOG"),
    (libc::SYS_mbind, "CAP_SYS_NICE"),
    (libc::SYS_set_mempolicy, "CAP_SYS_NICE"),
    (libc::SYS_move_pages, "CAP_SYS_NICE"),
    (libc::SYS_swapon, "CAP_SYS_ADMIN"),
    (libc::SYS_swapoff, "CAP_SYS_ADMIN"),
    (libc::SYS_bpf, "CAP_SYS_ADMIN"),
    (libc::SYS_perf_event_open, "CAP_SYS_ADMIN"),
    (libc::SYS_fanotify_init, "CAP_SYS_ADMIN"),
    (libc::SYS_lookup_dcookie, "CAP_SYS_ADMIN"),
    (libc::SYS_quotactl, "CAP_SYS_ADMIN"),
    (libc::SYS_setdomainname, "CAP_SYS_ADMIN"),
    (libc::SYS_sethostname, "CAP_SYS_ADMIN"),
    (libc::SYS_setns, "CAP_SYS_ADMIN"),
    (libc::SYS_unshare, "CAP_SYS_ADMIN"),
    (libc::SYS_mount, "CAP_SYS_ADMIN"),
    (libc::SYS_umount2, "CAP_SYS_ADMIN"),
    (libc::SYS_pivot_root, "CAP_SYS_ADMIN"),
    (libc::SYS_move_mount, "CAP_SYS_ADMIN"),
    (libc::SYS_open_tree, "CAP_SYS_ADMIN"),
    (libc::SYS_fsopen, "CAP_SYS_ADMIN"),
    (libc::SYS_fsconfig, "CAP_SYS_ADMIN"),
    (libc::SYS_fsmount, "CAP_SYS_ADMIN"),
    (libc::SYS_fspick, "CAP_SYS_ADMIN"),
    (libc::SYS_mount_setattr, "CAP_SYS_ADMIN"),
    (libc::SYS_nfsservctl, ""),
];

fn step(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// `if condition(k) { return with errno }`.
fn refuse_if(program: &mut Vec<sock_filter>, code: u16, k: u32, errno: i32) {
    program.push(sock_filter { code, jt: 0, jf: 1, k });
    program.push(step(RETURN, ERRNO | errno.unsigned_abs()));
}

/// The filter for a process with these capabilities (`CAP_…`).
pub(super) fn program(capabilities: &[String]) -> Vec<sock_filter> {
    let has = |name: &str| !name.is_empty() && capabilities.iter().any(|capability| capability == name);
    let mut out = vec![step(LOAD, ARCHITECTURE)];
    out.push(sock_filter { code: JUMP_EQUAL, jt: 1, jf: 0, k: NATIVE });
    out.push(step(RETURN, ERRNO | libc::EPERM.unsigned_abs()));
    out.push(step(LOAD, NUMBER));
    refuse_if(&mut out, JUMP_AT_LEAST, X32, libc::EPERM);
    for (number, _) in DENIED.iter().filter(|(_, lifted_by)| !has(lifted_by)) {
        refuse_if(&mut out, JUMP_EQUAL, *number as u32, libc::EPERM);
    }
    if !has("CAP_SYS_ADMIN") {
        // What clone3 makes cannot be seen from here: libraries fall back to clone when it does not exist.
        refuse_if(&mut out, JUMP_EQUAL, libc::SYS_clone3 as u32, libc::ENOSYS);
        out.push(sock_filter { code: JUMP_EQUAL, jt: 0, jf: 3, k: libc::SYS_clone as u32 });
        out.push(step(LOAD, FIRST_ARGUMENT));
        refuse_if(&mut out, JUMP_ANY_BIT, NEW_NAMESPACES, libc::EPERM);
    }
    out.push(step(RETURN, ALLOW));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel would.
    fn verdict(program: &[sock_filter], architecture: u32, number: libc::c_long, argument: u32) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = &program[at];
            let jump = |taken: bool| 1 + usize::from(if taken { step.jt } else { step.jf });
            at += match step.code {
                LOAD => {
                    value = match step.k {
                        NUMBER => number as u32,
                        ARCHITECTURE => architecture,
                        _ => argument,
                    };
                    1
                }
                JUMP_EQUAL => jump(value == step.k),
                JUMP_ANY_BIT => jump(value & step.k != 0),
                JUMP_AT_LEAST => jump(value >= step.k),
                RETURN => return step.k,
                other => panic!("unknown instruction {other:#x}"),
            };
        }
    }

    #[test]
    fn denied_calls_fail_and_all_others_pass() {
        let refused = ERRNO | libc::EPERM as u32;
        let plain = program(&[]);
        assert_eq!(verdict(&plain, NATIVE, libc::SYS_read, 0), ALLOW);
        assert_eq!(verdict(&plain, NATIVE, libc::SYS_execve, 0), ALLOW);
        assert_eq!(verdict(&plain, NATIVE, libc::SYS_keyctl, 0), refused);
        assert_eq!(verdict(&plain, NATIVE, libc::SYS_mount, 0), refused);
        assert_eq!(verdict(&plain, NATIVE, libc::SYS_clone, 0x11), ALLOW);
        assert_eq!(verdict(&plain, NATIVE, libc::SYS_clone, libc::CLONE_NEWUSER as u32), refused);
        assert_eq!(verdict(&plain, NATIVE, libc::SYS_clone3, 0), ERRNO | libc::ENOSYS as u32);
        assert_eq!(verdict(&plain, 0x4000_0003, libc::SYS_read, 0), refused);
        let admin = program(&["CAP_SYS_ADMIN".to_owned()]);
        assert_eq!(verdict(&admin, NATIVE, libc::SYS_mount, 0), ALLOW);
        assert_eq!(verdict(&admin, NATIVE, libc::SYS_clone3, 0), ALLOW);
        assert_eq!(verdict(&admin, NATIVE, libc::SYS_keyctl, 0), refused);
    }
}
