//! Crashes of the runtime and of shims.

use crate::rig::{Rig, possible, sh, wait_exited};
use futures::StreamExt;
use runtime::service::{ContainerConfig, ContainerEvent, ContainerState, ExitReason, RuntimeService, SandboxState};
use std::time::Duration;

#[test]
fn containers_outlive_the_runtime_and_no_code_is_lost() {
    if !possible() {
        return;
    }
    let mut rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let flag = rig.path("flag");
    std::fs::create_dir(&flag).unwrap();
    let mount =
        runtime::service::Mount { host_path: flag.clone(), container_path: "/flag".into(), ..Default::default() };
    let until = "while ! test -e /flag/go; do sleep 0.02; done; echo went; exit 42";
    let ends = rig.run(&sandbox, ContainerConfig { mounts: vec![mount], log_path: "ends.log".into(), ..sh(until) });
    let stays = rig.run(&sandbox, ContainerConfig { log_path: "stays.log".into(), ..sh("sleep 3600") });
    let created = rig.block(async |native| native.create_container(&sandbox.id, sh("exit 1")).await.unwrap());
    let (pid, log) = (rig.status(&stays).pid, rig.status(&ends).log_path);
    rig.crash();
    std::fs::write(flag.join("go"), "").unwrap();
    while !crate::rig::log_text(&log).contains("went") {
        std::thread::yield_now();
    }
    rig.restart();
    let status = rig.block(async |native| wait_exited(&native, &ends).await);
    assert_eq!((status.exit_code, status.reason), (42, Some(ExitReason::Error)));
    let status = rig.status(&stays);
    assert_eq!((status.state, status.pid), (ContainerState::Running, pid));
    assert_eq!(rig.status(&created).state, ContainerState::Created);
    rig.block(async |native| {
        assert_eq!(native.pod_sandbox_status(&sandbox.id).await.unwrap().state, SandboxState::Ready);
        let output = native.exec_sync(&stays, vec!["hostname".into()], Duration::ZERO).await.unwrap();
        assert_eq!(output.stdout, b"p\n");
        native.start_container(&created).await.unwrap();
        assert_eq!(wait_exited(&native, &created).await.exit_code, 1);
        native.stop_container(&stays, Duration::ZERO).await.unwrap();
        assert_eq!(native.container_status(&stays).await.unwrap().exit_code, 137);
    });
    rig.crash();
    rig.restart();
    assert_eq!(rig.status(&ends).exit_code, 42);
    assert_eq!(rig.status(&stays).exit_code, 137);
}

fn parent_of(pid: i32) -> i32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap()
}

fn kill_shim_of(pid: i32) {
    let shim = parent_of(pid);
    let name = std::fs::read(format!("/proc/{shim}/cmdline")).unwrap();
    assert!(name.windows(6).any(|part| part == b"\0shim\0"), "not a shim: {name:?}");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(shim), nix::sys::signal::Signal::SIGKILL).unwrap();
}

/// The shims of every sandbox below a runtime's directory.
fn shims_below(run: &std::path::Path) -> Vec<i32> {
    let run = run.display().to_string();
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        if command.contains("\0shim\0") && command.contains(&run) {
            pids.extend(entry.file_name().to_string_lossy().parse::<i32>());
        }
    }
    pids
}

/// Kills them.
fn kill_shims_below(run: &std::path::Path) {
    for pid in shims_below(run) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
        wait_dead(pid);
    }
}

fn wait_dead(pid: i32) {
    while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::yield_now();
    }
}

#[test]
fn a_lost_shim_ends_its_containers() {
    if !possible() {
        return;
    }
    let mut rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let id = rig.run(&sandbox, sh("sleep 3600"));
    let pid = rig.status(&id).pid.unwrap();
    let status = rig.block(async |native| {
        let mut events = native.container_events();
        kill_shim_of(pid);
        while !matches!(events.next().await, Some(ContainerEvent::SandboxLost { .. })) {}
        wait_exited(&native, &id).await
    });
    assert_eq!((status.exit_code, status.reason), (255, Some(ExitReason::Unknown)));
    wait_dead(pid);
    rig.block(async |native| {
        assert_eq!(native.pod_sandbox_status(&sandbox.id).await.unwrap().state, SandboxState::NotReady);
        assert!(native.create_container(&sandbox.id, sh("true")).await.is_err());
    });
    // The same while nobody looks.
    let other = rig.sandbox("q");
    let id = rig.run(&other, sh("sleep 3600"));
    let pid = rig.status(&id).pid.unwrap();
    rig.crash();
    kill_shim_of(pid);
    rig.restart();
    assert_eq!((rig.status(&id).exit_code, rig.status(&id).reason), (255, Some(ExitReason::Unknown)));
    wait_dead(pid);
}

#[test]
fn a_stopped_sandbox_stays_stopped_and_removal_leaves_nothing() {
    if !possible() {
        return;
    }
    let mut rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let id = rig.run(&sandbox, sh("sleep 3600"));
    rig.block(async |native| {
        native.stop_pod_sandbox(&sandbox.id).await.unwrap();
        native.stop_pod_sandbox(&sandbox.id).await.unwrap();
    });
    assert_eq!(rig.status(&id).exit_code, 137);
    rig.crash();
    rig.restart();
    rig.block(async |native| {
        assert_eq!(native.pod_sandbox_status(&sandbox.id).await.unwrap().state, SandboxState::NotReady);
        native.remove_pod_sandbox(&sandbox.id).await.unwrap();
        native.remove_pod_sandbox(&sandbox.id).await.unwrap();
        assert!(native.container_status(&id).await.is_err());
    });
    for directory in ["root/containers", "root/sandboxes", "run/sandboxes"] {
        assert_eq!(std::fs::read_dir(rig.path(directory)).unwrap().count(), 0, "{directory}");
    }
}

#[test]
fn a_power_cut_leaves_what_was_acknowledged_and_nothing_half_made() {
    if !possible() {
        return;
    }
    let mut rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let ended = rig.run(&sandbox, sh("exit 3"));
    rig.block(async |native| wait_exited(&native, &ended).await);
    let runs = rig.run(&sandbox, sh("sleep 3600"));
    let pid = rig.status(&runs).pid.unwrap();
    let [made, broken] = rig.block(async |native| {
        let made = native.create_container(&sandbox.id, sh("true")).await.unwrap();
        [made, native.create_container(&sandbox.id, sh("true")).await.unwrap()]
    });
    let other = rig.sandbox("q");
    rig.crash();
    for sandbox in [&sandbox, &other] {
        for kind in ["net", "uts", "ipc"] {
            let file = rig.path("run/sandboxes").join(&sandbox.id.0).join("ns").join(kind);
            nix::mount::umount2(&file, nix::mount::MntFlags::MNT_DETACH).unwrap();
        }
        let shm = rig.path("run/sandboxes").join(&sandbox.id.0).join("shm");
        nix::mount::umount2(&shm, nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
    kill_shims_below(&rig.path("run"));
    // what had not reached the disk is empty; what was in memory is gone
    std::fs::write(rig.path("root/containers").join(&broken.0).join("container.json"), "").unwrap();
    std::fs::write(rig.path("root/sandboxes").join(format!("{}.json", other.id)), "{\"id\"").unwrap();
    std::fs::remove_dir_all(rig.path("run")).unwrap();
    rig.restart();
    assert_eq!(rig.status(&ended).exit_code, 3);
    for lost in [&runs, &made] {
        assert_eq!((rig.status(lost).exit_code, rig.status(lost).reason), (255, Some(ExitReason::Unknown)));
    }
    rig.block(async |native| {
        assert!(native.container_status(&broken).await.is_err());
        assert!(native.pod_sandbox_status(&other.id).await.is_err());
    });
    assert!(!rig.path("root/containers").join(&broken.0).exists());
    assert!(!rig.path("root/sandboxes").join(format!("{}.json", other.id)).exists());
    wait_dead(pid);
}

#[test]
fn a_sandbox_that_was_not_made_has_no_shim() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let run = rig.path("run");
    // it fails when the shim is there already
    let mut config = rig.sandbox_config("fails");
    config.log_directory = rig.path("busybox.tar").join("logs");
    rig.block(async |native| native.run_pod_sandbox(config).await.unwrap_err());
    assert_eq!(shims_below(&run), Vec::<i32>::new());
    assert_eq!(std::fs::read_dir(run.join("sandboxes")).unwrap().count(), 0);
}

#[test]
fn a_shim_that_nobody_can_reach_ends() {
    let node = Rig::shim_program();
    let directory = tempfile::tempdir().unwrap();
    let run = |directory: &std::path::Path| {
        std::process::Command::new(&node)
            .arg("shim")
            .arg(directory)
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap()
    };
    assert!(!run(directory.path()).success(), "its standard input is no socket");
    assert!(!run(&directory.path().join("missing")).success(), "its directory is missing");
    assert!(!directory.path().join("missing").exists());
}

#[test]
fn a_shim_holds_nothing_of_whoever_started_it() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let path = rig.path("lock");
    let file = std::fs::File::create(&path).unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap(); // inherited, as a shell's are
    let _sandbox = rig.sandbox("clean");
    let shims = shims_below(&rig.path("run"));
    assert_eq!(shims.len(), 1);
    for entry in std::fs::read_dir(format!("/proc/{}/fd", shims[0])).unwrap() {
        assert_ne!(std::fs::read_link(entry.unwrap().path()).unwrap_or_default(), path);
    }
}

#[test]
fn cgroups_by_systemd_are_refused_where_it_does_not_run() {
    if std::path::Path::new("/run/systemd/system").is_dir() {
        eprintln!("skipped: systemd runs this machine");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut config = runtime::native::NativeConfig::new(path("root"), path("run"), clock::system());
    config.cgroup_driver = runtime::native::CgroupDriver::Systemd;
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = tokio.block_on(runtime::native::NativeRuntime::open(config)).unwrap_err().to_string();
    assert!(refused.contains("systemd does not run this machine"), "{refused}");
    assert!(!path("root").exists(), "nothing was made");
}
