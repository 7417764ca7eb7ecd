//! The OCI runtime configuration of a container, from what the kubelet asks for and what the image says. Pure.

use super::capabilities;
use crate::service::{
    ContainerConfig, ContainerResources, ContainerUser, ImageConfig, Mount, MountPropagation, SeccompProfile,
    SecurityContext,
};
use crate::shim::seccomp;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The search path of an image that sets none.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const MASKED_PATHS: [&str; 11] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
const READONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// A device node of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostDevice {
    pub path: PathBuf,
    /// `c`, `b` or `p`.
    pub kind: char,
    pub major: u64,
    pub minor: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// Everything that a configuration is made from.
pub(super) struct Inputs<'a> {
    pub config: &'a ContainerConfig,
    pub image: &'a ImageConfig,
    pub user: &'a ContainerUser,
    pub hostname: &'a str,
    pub rootfs: &'a Path,
    /// Namespace → file to join; `None`: a new one. Namespaces that are not listed are the host's.
    pub namespaces: Vec<(&'static str, Option<PathBuf>)>,
    pub cgroup: &'a str,
    /// Mounts besides the container's own: hosts file, shm, volumes of the image. The container's own win.
    pub extra_mounts: Vec<Mount>,
    pub devices: Vec<HostDevice>,
    /// Capabilities that this process has itself.
    pub bounding: u64,
}

/// The program and its arguments, by the rules for command and args against Entrypoint and Cmd.
pub(super) fn command(config: &ContainerConfig, image: &ImageConfig) -> Vec<String> {
    let (mut command, mut args) = (config.command.clone(), config.args.clone());
    if command.is_empty() {
        if args.is_empty() {
            args.clone_from(&image.cmd);
        }
        command.clone_from(&image.entrypoint);
    }
    command.append(&mut args);
    command
}

/// The working directory: the container's, the image's, or `/`.
pub(super) fn working_directory<'a>(config: &'a ContainerConfig, image: &'a ImageConfig) -> &'a str {
    let candidates = [config.working_dir.as_str(), image.working_dir.as_str()];
    candidates.into_iter().find(|directory| !directory.is_empty()).unwrap_or("/")
}

/// The environment in its order; later values replace earlier ones in place.
fn environment(inputs: &Inputs<'_>) -> Vec<String> {
    let mut out: Vec<String> = vec![DEFAULT_PATH.to_owned()];
    let mut set = |variable: String| {
        let key = variable.split('=').next().unwrap_or_default().len();
        if key == 0 {
            return;
        }
        let same = |known: &String| known.len() > key && known[..=key] == format!("{}=", &variable[..key]);
        match out.iter().position(|known| known.is_char_boundary(key + 1) && same(known)) {
            Some(index) => out[index] = variable,
            None => out.push(variable),
        }
    };
    set(format!("HOSTNAME={}", inputs.hostname));
    if inputs.config.tty {
        set("TERM=xterm".to_owned());
    }
    inputs.image.env.iter().cloned().for_each(&mut set);
    inputs.config.envs.iter().for_each(|env| set(format!("{}={}", env.name, env.value)));
    out
}

/// The whole of `config.json`.
pub(super) fn build(inputs: &Inputs<'_>) -> Result<Value, String> {
    let security = &inputs.config.security;
    let args = command(inputs.config, inputs.image);
    if args.is_empty() {
        return Err("no command specified".to_owned());
    }
    let env = environment(inputs);
    if args.iter().chain(&env).any(|text| text.contains('\0')) {
        return Err("a command or environment variable holds a zero byte".to_owned());
    }
    let mut capabilities = capabilities::names(security, inputs.bounding)?;
    let annotations = seccomp(security, &mut capabilities)?;
    let rlimits: Vec<Value> = inputs
        .config
        .rlimits
        .iter()
        .map(|limit| json!({"type": limit.name, "soft": limit.soft, "hard": limit.hard}))
        .collect();
    let mut process = json!({
        "terminal": inputs.config.tty,
        "user": {"uid": inputs.user.uid, "gid": inputs.user.gid, "additionalGids": inputs.user.supplemental_groups},
        "args": args,
        "env": env,
        "cwd": working_directory(inputs.config, inputs.image),
        "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        "rlimits": rlimits,
    });
    if security.no_new_privs {
        process["noNewPrivileges"] = json!(true);
    }
    let namespaces: Vec<Value> = inputs
        .namespaces
        .iter()
        .map(|(kind, path)| match path {
            Some(path) => json!({"type": kind, "path": path}),
            None => json!({"type": kind}),
        })
        .collect();
    let mut linux = json!({
        "namespaces": namespaces,
        "cgroupsPath": inputs.cgroup,
        "resources": resources(&inputs.config.resources, security, &inputs.devices),
        "devices": inputs.devices.iter().map(device).collect::<Vec<_>>(),
        "maskedPaths": paths(security, &security.masked_paths, &MASKED_PATHS),
        "readonlyPaths": paths(security, &security.readonly_paths, &READONLY_PATHS),
    });
    let widest = inputs.config.mounts.iter().map(|mount| mount.propagation).fold(MountPropagation::Private, wider);
    match widest {
        MountPropagation::Private => {}
        MountPropagation::HostToContainer => linux["rootfsPropagation"] = json!("slave"),
        MountPropagation::Bidirectional => linux["rootfsPropagation"] = json!("shared"),
    }
    Ok(json!({
        "ociVersion": "1.1.0",
        "process": process,
        "root": {"path": inputs.rootfs, "readonly": security.readonly_rootfs},
        "mounts": mounts(inputs),
        "linux": linux,
        "annotations": annotations,
    }))
}

/// Tells the shim about the default filter. Without `no_new_privs`, installing it takes capabilities that the shim drops again right after.
fn seccomp(security: &SecurityContext, capabilities: &mut Vec<String>) -> Result<Value, String> {
    match &security.seccomp {
        SeccompProfile::Localhost(path) => {
            return Err(format!("seccomp profiles of the node ({}) are not supported", path.display()));
        }
        SeccompProfile::RuntimeDefault if !security.privileged => {}
        SeccompProfile::RuntimeDefault | SeccompProfile::Unconfined => return Ok(json!({})),
    }
    let mut extra = Vec::new();
    if !security.no_new_privs {
        for name in seccomp::NEEDED_CAPABILITIES.iter().filter(|name| !capabilities.iter().any(|own| own == *name)) {
            extra.push((*name).to_owned());
        }
        capabilities.extend(extra.iter().cloned());
    }
    Ok(json!({seccomp::ANNOTATION: "true", seccomp::EXTRA_CAPABILITIES: extra.join(",")}))
}

fn wider(a: MountPropagation, b: MountPropagation) -> MountPropagation {
    match (a, b) {
        (MountPropagation::Bidirectional, _) | (_, MountPropagation::Bidirectional) => MountPropagation::Bidirectional,
        (MountPropagation::HostToContainer, _) | (_, MountPropagation::HostToContainer) => {
            MountPropagation::HostToContainer
        }
        _ => MountPropagation::Private,
    }
}

fn paths(security: &SecurityContext, wanted: &Option<Vec<String>>, default: &[&str]) -> Vec<String> {
    match wanted {
        _ if security.privileged => Vec::new(),
        Some(paths) => paths.clone(),
        None => default.iter().map(|path| (*path).to_owned()).collect(),
    }
}

fn device(device: &HostDevice) -> Value {
    json!({
        "path": device.path, "type": device.kind.to_string(), "major": device.major, "minor": device.minor,
        "fileMode": device.mode, "uid": device.uid, "gid": device.gid,
    })
}

fn resources(resources: &ContainerResources, security: &SecurityContext, devices: &[HostDevice]) -> Value {
    let mut rules = vec![json!({"allow": security.privileged, "access": "rwm"})];
    if !security.privileged {
        rules.extend(devices.iter().map(|device| {
            json!({"allow": true, "type": device.kind.to_string(), "major": device.major, "minor": device.minor, "access": "rwm"})
        }));
    }
    let mut cpu = json!({});
    let mut out = json!({"devices": rules});
    let mut set_cpu = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            cpu[key] = value;
        }
    };
    set_cpu("shares", resources.cpu_shares.map(Value::from));
    set_cpu("quota", resources.cpu_quota_us.map(Value::from));
    set_cpu("period", resources.cpu_period_us.map(Value::from));
    set_cpu("cpus", resources.cpuset_cpus.clone().map(Value::from));
    set_cpu("mems", resources.cpuset_mems.clone().map(Value::from));
    if cpu.as_object().is_some_and(|cpu| !cpu.is_empty()) {
        out["cpu"] = cpu;
    }
    if let Some(limit) = resources.memory_limit_bytes {
        out["memory"] = json!({"limit": limit});
    }
    if let Some(limit) = resources.pids_limit {
        out["pids"] = json!({"limit": limit});
    }
    if !resources.unified.is_empty() {
        out["unified"] = json!(resources.unified);
    }
    out
}

/// The file systems of every container, then extra and own mounts, parents before children.
fn mounts(inputs: &Inputs<'_>) -> Vec<Value> {
    let security = &inputs.config.security;
    let own = &inputs.config.mounts;
    let taken = |path: &str| own.iter().any(|mount| mount.container_path == Path::new(path));
    let sys = if security.privileged { "rw" } else { "ro" };
    let all = [
        ("/proc", "proc", "proc", vec!["nosuid", "noexec", "nodev"]),
        ("/dev", "tmpfs", "tmpfs", vec!["nosuid", "strictatime", "mode=755", "size=65536k"]),
        (
            "/dev/pts",
            "devpts",
            "devpts",
            vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        ("/dev/mqueue", "mqueue", "mqueue", vec!["nosuid", "noexec", "nodev"]),
        ("/sys", "sysfs", "sysfs", vec!["nosuid", "noexec", "nodev", sys]),
        ("/sys/fs/cgroup", "cgroup", "cgroup", vec!["nosuid", "noexec", "nodev", "relatime", sys]),
    ];
    let mut out: Vec<Value> = all
        .into_iter()
        .filter(|(path, ..)| !taken(path))
        .map(|(path, kind, source, options)| json!({"destination": path, "type": kind, "source": source, "options": options}))
        .collect();
    let hidden = |extra: &&Mount| !own.iter().any(|mount| mount.container_path == extra.container_path);
    let mut binds: Vec<&Mount> = inputs.extra_mounts.iter().filter(hidden).chain(own).collect();
    binds.sort_by_key(|mount| mount.container_path.components().count());
    out.extend(binds.into_iter().map(bind));
    out
}

fn bind(mount: &Mount) -> Value {
    let propagation = match mount.propagation {
        MountPropagation::Private => "rprivate",
        MountPropagation::HostToContainer => "rslave",
        MountPropagation::Bidirectional => "rshared",
    };
    let access = match (mount.readonly, mount.recursive_readonly) {
        (true, true) => "rro",
        (true, false) => "ro",
        (false, _) => "rw",
    };
    let options = ["rbind", propagation, access];
    json!({"destination": mount.container_path, "type": "bind", "source": mount.host_path, "options": options})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::EnvVar;
    use expect_test::{Expect, expect};

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn check_command(command_: &str, args: &str, entrypoint: &str, cmd: &str, expected: Expect) {
        let config = ContainerConfig { command: words(command_), args: words(args), ..ContainerConfig::default() };
        let image = ImageConfig { entrypoint: words(entrypoint), cmd: words(cmd), ..ImageConfig::default() };
        expected.assert_eq(&command(&config, &image).join(" "));
    }

    #[test]
    fn command_and_args_against_entrypoint_and_cmd() {
        check_command("", "", "ep", "cmd", expect!["ep cmd"]);
        check_command("", "a", "ep", "cmd", expect!["ep a"]);
        check_command("c", "", "ep", "cmd", expect!["c"]);
        check_command("c", "a", "ep", "cmd", expect!["c a"]);
        check_command("", "", "", "cmd", expect!["cmd"]);
        check_command("", "a", "", "cmd", expect!["a"]);
    }

    fn inputs<'a>(config: &'a ContainerConfig, image: &'a ImageConfig, user: &'a ContainerUser) -> Inputs<'a> {
        Inputs {
            config,
            image,
            user,
            hostname: "p",
            rootfs: Path::new("/r"),
            namespaces: vec![("mount", None), ("network", Some(PathBuf::from("/n")))],
            cgroup: "/kubepods/pod1/c",
            extra_mounts: Vec::new(),
            devices: Vec::new(),
            bounding: u64::MAX,
        }
    }

    #[test]
    fn the_environment_keeps_its_order_and_the_last_value() {
        let env = |name: &str, value: &str| EnvVar { name: name.into(), value: value.into() };
        let config = ContainerConfig {
            envs: vec![env("A", "over"), env("Ä", "1"), env("PATH", "/bin"), env("B", "=x")],
            ..ContainerConfig::default()
        };
        let image = ImageConfig { env: vec!["A=1".into(), "AB=2".into()], ..ImageConfig::default() };
        let user = ContainerUser::default();
        expect![[r#"["PATH=/bin", "HOSTNAME=p", "A=over", "AB=2", "Ä=1", "B==x"]"#]]
            .assert_eq(&format!("{:?}", environment(&inputs(&config, &image, &user))));
    }

    #[test]
    fn own_mounts_hide_the_usual_ones_and_parents_come_first() {
        let mount = |path: &str| Mount { host_path: "/h".into(), container_path: path.into(), ..Mount::default() };
        let config = ContainerConfig {
            mounts: vec![mount("/data/deep/er"), mount("/data"), mount("/dev/mqueue"), mount("/etc/hosts")],
            ..ContainerConfig::default()
        };
        let (image, user) = (ImageConfig::default(), ContainerUser::default());
        let mut inputs = inputs(&config, &image, &user);
        inputs.extra_mounts = vec![mount("/etc/hosts"), mount("/etc/hostname")];
        let paths: Vec<Value> = mounts(&inputs).iter().map(|mount| mount["destination"].clone()).collect();
        expect![[r#"["/proc","/dev","/dev/pts","/sys","/sys/fs/cgroup","/data","/etc/hostname","/dev/mqueue","/etc/hosts","/data/deep/er"]"#]]
            .assert_eq(&serde_json::to_string(&paths).unwrap());
    }

    #[test]
    fn a_privileged_container_has_nothing_hidden_and_all_devices() {
        let security = SecurityContext { privileged: true, ..SecurityContext::default() };
        let config = ContainerConfig { command: words("sh"), security, ..ContainerConfig::default() };
        let (image, user) = (ImageConfig::default(), ContainerUser::default());
        let spec = build(&inputs(&config, &image, &user)).unwrap();
        assert_eq!(spec["linux"]["maskedPaths"], json!([]));
        assert_eq!(spec["linux"]["resources"]["devices"], json!([{"allow": true, "access": "rwm"}]));
        assert_eq!(spec["process"]["capabilities"]["bounding"].as_array().unwrap().len(), 41);
        let no_command = ContainerConfig::default();
        assert_eq!(build(&inputs(&no_command, &image, &user)).unwrap_err(), "no command specified");
    }
}
