//! Which capabilities a container gets. Pure.

use crate::service::SecurityContext;

/// Every capability by its number.
const ALL: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];
/// The number of CAP_SYS_RESOURCE.
pub(super) const SYS_RESOURCE: u32 = 24;

/// What containerd gives by default.
const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// The capabilities by name, `CAP_…`, in the order of their numbers, as far as this process (`bounding`) has them itself.
pub(super) fn names(security: &SecurityContext, bounding: u64) -> Result<Vec<String>, String> {
    let bit = |name: &str| -> Result<u64, String> {
        let bare = name.to_ascii_uppercase();
        let bare = bare.strip_prefix("CAP_").unwrap_or(&bare);
        let number = ALL.iter().position(|known| *known == bare);
        number.map(|number| 1 << number).ok_or_else(|| format!("unknown capability {name:?}"))
    };
    let is_all = |name: &String| name.eq_ignore_ascii_case("ALL");
    let every = (1_u64 << ALL.len()) - 1;
    let mut set = 0;
    for name in DEFAULT {
        set |= bit(name)?;
    }
    let capabilities = &security.capabilities;
    if security.privileged || capabilities.add.iter().any(is_all) {
        set = every;
    }
    if capabilities.drop.iter().any(is_all) && !security.privileged {
        set = if capabilities.add.iter().any(is_all) { every } else { 0 };
    }
    for name in capabilities.drop.iter().filter(|name| !is_all(name) && !security.privileged) {
        set &= !bit(name)?;
    }
    for name in capabilities.add.iter().filter(|name| !is_all(name)) {
        set |= bit(name)?;
    }
    set &= bounding;
    let named = ALL.iter().enumerate().filter(|(number, _)| set & (1 << number) != 0);
    Ok(named.map(|(_, name)| format!("CAP_{name}")).collect())
}

/// A set of this process from /proc/self/status, such as `CapEff`; all if it cannot be read.
pub(super) fn own_set(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|value| u64::from_str_radix(value.trim(), 16).ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Capabilities;
    use expect_test::{Expect, expect};

    fn check(add: &[&str], drop: &[&str], privileged: bool, expected: Expect) {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let capabilities = Capabilities { add: owned(add), drop: owned(drop) };
        let security = SecurityContext { privileged, capabilities, ..SecurityContext::default() };
        let text = match names(&security, !(1 << SYS_RESOURCE)) {
            Ok(names) => {
                let set = names
                    .iter()
                    .fold(0_u64, |set, name| set | 1 << ALL.iter().position(|known| *known == &name[4..]).unwrap());
                format!("{set:016x}")
            }
            Err(error) => error,
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn sets_are_those_of_a_real_node() {
        check(&[], &[], false, expect!["00000000a80425fb"]);
        check(&[], &["ALL"], false, expect!["0000000000000000"]);
        check(&["NET_ADMIN"], &["CHOWN"], false, expect!["00000000a80435fa"]);
        check(&["cap_net_admin"], &["all"], false, expect!["0000000000001000"]);
        check(&["ALL"], &["NET_RAW"], false, expect!["000001fffeffdfff"]);
        check(&[], &[], true, expect!["000001fffeffffff"]);
        check(&["FLY"], &[], false, expect![[r#"unknown capability "FLY""#]]);
    }
}
