//! Starting, ending, and what a container finds around itself.

use crate::rig::{Rig, command, possible, sh, wait_log};
use expect_test::{Expect, expect};
use futures::StreamExt;
use runtime::service::{
    Capabilities, ContainerConfig, ContainerEvent, ContainerEventKind, ContainerResources, ContainerState, DnsConfig,
    EnvVar, ExitReason, ImageMount, ImageService, Mount, NamespaceMode, RuntimeError, RuntimeService, SeccompProfile,
    SecurityContext,
};
use std::time::Duration;

#[test]
fn a_container_runs_logs_and_ends() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let kinds = rig.block(async |native| {
        let mut events = native.container_events();
        let id = native.create_container(&sandbox.id, sh("echo out; echo err >&2; printf end")).await.unwrap();
        native.start_container(&id).await.unwrap();
        let mut kinds = Vec::new();
        while kinds.last() != Some(&ContainerEventKind::Stopped) {
            let Some(ContainerEvent::Container { kind, id: about, .. }) = events.next().await else { panic!() };
            assert_eq!(about, id);
            kinds.push(kind);
        }
        (id, kinds)
    });
    let (id, kinds) = kinds;
    assert_eq!(kinds, [ContainerEventKind::Created, ContainerEventKind::Started, ContainerEventKind::Stopped]);
    let (status, log) = rig.finish(id);
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["end", "err", "out"]);
    assert_eq!((status.exit_code, status.reason, status.signal), (0, Some(ExitReason::Completed), None));
    assert!(status.started_at.unwrap() <= status.finished_at.unwrap());
    let raw = std::fs::read_to_string(&status.log_path).unwrap();
    assert!(raw.lines().any(|line| line.ends_with(" stderr F err")), "{raw}");
}

#[test]
fn exit_codes_and_signals() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let outcome = |text: &str| {
        let (status, _) = rig.script(&sandbox, text);
        (status.exit_code, status.signal, status.reason.unwrap())
    };
    assert_eq!(outcome("exit 3"), (3, None, ExitReason::Error));
    assert_eq!(outcome("exit 255"), (255, None, ExitReason::Error));
    // The first process of a pid namespace is immune to its own signals; a child's death shows as the shell's code.
    assert_eq!(outcome("sh -c 'kill -SEGV $$'; exit $?"), (139, None, ExitReason::Error));
}

fn check_start(rig: &Rig, config: ContainerConfig, expected: Expect) {
    let sandbox = rig.sandbox("start");
    let text = rig.block(async |native| {
        let id = native.create_container(&sandbox.id, config).await.unwrap();
        let error = native.start_container(&id).await.unwrap_err();
        let status = native.container_status(&id).await.unwrap();
        assert_eq!(
            (status.state, status.exit_code, status.reason),
            (ContainerState::Exited, 128, Some(ExitReason::StartError))
        );
        assert_eq!(status.started_at, None);
        native.remove_pod_sandbox(&sandbox.id).await.unwrap();
        let RuntimeError::Start(failure) = error else { panic!("{error}") };
        assert_eq!(failure.message, status.message);
        format!("{:?}: {}", failure.kind, failure.message)
    });
    expected.assert_eq(&text);
}

#[test]
fn commands_that_cannot_start_say_so_in_upstreams_words() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    check_start(
        &rig,
        command(&["lssssssss"]),
        expect![[
            r#"ExecutableNotFound: OCI runtime create failed: unable to start container process: error during container init: exec: "lssssssss": executable file not found in $PATH"#
        ]],
    );
    check_start(
        &rig,
        command(&["/nosuch"]),
        expect![[
            r#"NoSuchFile: OCI runtime create failed: unable to start container process: error during container init: exec: "/nosuch": stat /nosuch: no such file or directory"#
        ]],
    );
    check_start(
        &rig,
        command(&["/etc/plain"]),
        expect![[
            r#"PermissionDenied: OCI runtime create failed: unable to start container process: error during container init: exec: "/etc/plain": permission denied"#
        ]],
    );
    check_start(
        &rig,
        command(&["/etc"]),
        expect![[
            r#"IsADirectory: OCI runtime create failed: unable to start container process: error during container init: exec: "/etc": is a directory"#
        ]],
    );
    check_start(
        &rig,
        command(&["garbage"]),
        expect![
            "ExecFormat: OCI runtime create failed: unable to start container process: error during container init: exec /bin/garbage: exec format error"
        ],
    );
    let mount = Mount { host_path: "/nosuch".into(), container_path: "/m".into(), ..Mount::default() };
    let sandbox = rig.sandbox("mount");
    rig.block(async |native| {
        let config = ContainerConfig { mounts: vec![mount], ..sh("true") };
        let id = native.create_container(&sandbox.id, config).await.unwrap();
        let error = native.start_container(&id).await.unwrap_err();
        assert!(matches!(error, RuntimeError::Start(_)), "{error}");
    });
}

#[test]
fn the_stop_signal_comes_first_and_sigkill_after_the_grace_period() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let stop = |config: ContainerConfig, timeout: Duration| {
        let id = rig.run(&sandbox, config);
        let log = rig.status(&id).log_path;
        rig.block(async |native| {
            wait_log(&log, "ready").await;
            native.stop_container(&id, timeout).await.unwrap();
            let status = native.container_status(&id).await.unwrap();
            native.stop_container(&id, timeout).await.unwrap(); // once more is no error
            let _ = std::fs::remove_file(&log);
            (status.exit_code, status.signal)
        })
    };
    let obedient = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done";
    assert_eq!(stop(sh(obedient), Duration::from_secs(30)), (7, None));
    let stubborn = "trap '' TERM; echo ready; while :; do sleep 1; done";
    assert_eq!(stop(sh(stubborn), Duration::from_millis(100)), (137, Some(9)));
    assert_eq!(stop(sh(stubborn), Duration::ZERO), (137, Some(9)));
    let own = "trap 'exit 9' USR1; echo ready; while :; do sleep 0.02; done";
    let config = ContainerConfig { stop_signal: Some("USR1".into()), ..sh(own) };
    assert_eq!(stop(config, Duration::from_secs(30)), (9, None));
}

#[test]
fn too_much_memory_is_told_apart() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let resources = ContainerResources {
        memory_limit_bytes: Some(16 << 20),
        oom_score_adj: Some(-997),
        ..ContainerResources::default()
    };
    let config = ContainerConfig { resources, ..sh("exec tail /dev/zero") };
    let (status, _) = rig.finish(rig.run(&sandbox, config));
    assert_eq!((status.exit_code, status.reason), (137, Some(ExitReason::OOMKilled)));
}

fn output(rig: &Rig, config: ContainerConfig, expected: Expect) {
    let sandbox = rig.sandbox("inside");
    let id = rig.run(&sandbox, config);
    let (_, log) = rig.finish(id);
    rig.block(async |native| native.remove_pod_sandbox(&sandbox.id).await.unwrap());
    let _ = std::fs::remove_dir_all(rig.path("logs"));
    expected.assert_eq(&log);
}

#[test]
fn what_a_container_finds_inside() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let status = "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status";
    output(
        &rig,
        sh("id; pwd; hostname; echo $HOME; cat /etc/hostname"),
        expect![[r#"
        uid=0(root) gid=0(root) groups=0(root)
        /
        inside
        /root
        inside
    "#]],
    );
    let security = SecurityContext {
        run_as_user: Some(1000),
        run_as_group: Some(3000),
        supplemental_groups: vec![2000, 4000],
        no_new_privs: true,
        capabilities: Capabilities { add: vec![], drop: vec!["ALL".into()] },
        ..SecurityContext::default()
    };
    output(
        &rig,
        ContainerConfig { security, ..sh(&format!("id; {status}; echo $HOME")) },
        expect![[r#"
        uid=1000(bob) gid=3000 groups=50(staff),2000,3000,4000
        CapEff:	0000000000000000
        CapBnd:	0000000000000000
        NoNewPrivs:	1
        /home/bob
    "#]],
    );
    output(
        &rig,
        sh(status),
        expect![[r#"
        CapEff:	00000000a80425fb
        CapBnd:	00000000a80425fb
        NoNewPrivs:	0
    "#]],
    );
    for (no_new_privs, run_as_user) in [(true, None), (false, None), (false, Some(1000))] {
        let security = SecurityContext {
            seccomp: SeccompProfile::RuntimeDefault,
            no_new_privs,
            run_as_user,
            ..SecurityContext::default()
        };
        let text = "grep -E '^(CapBnd|Seccomp):' /proc/self/status; unshare -U true 2>&1";
        output(
            &rig,
            ContainerConfig { security, ..sh(text) },
            expect![[r#"
            CapBnd:	00000000a80425fb
            Seccomp:	2
            unshare: unshare(0x10000000): Operation not permitted
        "#]],
        );
    }
    let readonly = SecurityContext { readonly_rootfs: true, ..SecurityContext::default() };
    output(
        &rig,
        ContainerConfig { security: readonly, ..sh("touch /x 2>&1; touch /dev/shm/x && echo shm") },
        expect![[r#"
        touch: /x: Read-only file system
        shm
    "#]],
    );
    let text =
        "echo $0; tr '\\0' '\\n' < /proc/1/environ; cat /proc/1/oom_score_adj; ls -ld /work/dir | cut -c1-10; pwd";
    let env = |name: &str, value: &str| EnvVar { name: name.into(), value: value.into() };
    let config = ContainerConfig {
        envs: vec![env("B", "two words"), env("A", "$B")],
        args: vec!["zero".into()],
        working_dir: "/work/dir".into(),
        resources: ContainerResources { oom_score_adj: Some(1000), ..ContainerResources::default() },
        ..sh(text)
    };
    output(
        &rig,
        config,
        expect![[r#"
        zero
        PATH=/bin:/usr/bin
        HOSTNAME=inside
        B=two words
        A=$B
        HOME=/root
        1000
        drwxr-xr-x
        /work/dir
    "#]],
    );
    output(
        &rig,
        sh(
            "ls /dev | tr '\\n' ' '; echo; echo $$; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ls /sys/fs/cgroup | wc -l",
        ),
        expect![[r#"
        fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero 
        1
        0
        9
    "#]],
    );
}

#[test]
fn a_privileged_container_has_everything_this_process_has() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let security = SecurityContext { privileged: true, ..SecurityContext::default() };
    let sandbox = rig.sandbox("p");
    let text = "grep CapEff /proc/1/status | cut -f2; test -c /dev/kmsg && echo devices; grep -E '^sysfs /sys ' /proc/mounts | cut -d' ' -f4 | cut -c1-2";
    let (_, log) = rig.finish(rig.run(&sandbox, ContainerConfig { security, ..sh(text) }));
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap().trim();
    assert_eq!(log, format!("{own}\ndevices\nrw\n"));
}

#[test]
fn mounts_and_a_working_directory_inside_one() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let host = rig.path("host");
    std::fs::create_dir(&host).unwrap();
    std::fs::write(host.join("in"), "123\n").unwrap();
    let mount = |path: &str, readonly| Mount {
        host_path: host.clone(),
        container_path: path.into(),
        readonly,
        ..Mount::default()
    };
    let config = ContainerConfig {
        mounts: vec![mount("/test", false), mount("/ro/deep", true)],
        working_dir: "/test/made".into(),
        ..sh("cat /test/in; echo out > /test/out; touch /ro/deep/x 2>&1; pwd")
    };
    output(
        &rig,
        config,
        expect![[r#"
        123
        touch: /ro/deep/x: Read-only file system
        /test/made
    "#]],
    );
    assert_eq!(std::fs::read_to_string(host.join("out")).unwrap(), "out\n");
}

#[test]
fn images_are_mounted_whole_or_in_part_and_nobody_writes_to_them() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let id = rig.block(async |native| native.image_status("busybox").await.unwrap().unwrap().id);
    let mount = |path: &str, sub_path: &str| Mount {
        image: Some(ImageMount { image: id.clone(), sub_path: sub_path.to_owned() }),
        container_path: path.into(),
        readonly: true,
        ..Mount::default()
    };
    let config = ContainerConfig {
        mounts: vec![mount("/all", ""), mount("/etc2", "etc"), mount("/one", "etc/passwd")],
        ..sh(
            "head -n1 /all/etc/passwd /etc2/passwd /one; touch /all/x 2>&1; touch /etc2/x 2>&1; /all/bin/busybox echo runs",
        )
    };
    output(
        &rig,
        config,
        expect![[r#"
            ==> /all/etc/passwd <==
            root:x:0:0:root:/root:/bin/sh

            ==> /etc2/passwd <==
            root:x:0:0:root:/root:/bin/sh

            ==> /one <==
            root:x:0:0:root:/root:/bin/sh
            touch: /all/x: Read-only file system
            touch: /etc2/x: Read-only file system
            runs
        "#]],
    );
    let sandbox = rig.sandbox("missing");
    let config = ContainerConfig { mounts: vec![mount("/m", "no/such")], ..sh("true") };
    let error = rig.block(async |native| native.create_container(&sandbox.id, config).await.unwrap_err());
    assert_eq!(error.to_string(), format!("image {id} has no \"no/such\" to mount"));
    rig.block(async |native| native.remove_pod_sandbox(&sandbox.id).await.unwrap());
    let here = rig.path("");
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let left: Vec<&str> = mounts.lines().filter(|line| line.contains(&*here.to_string_lossy())).collect();
    assert!(!left.iter().any(|line| line.contains("/images/")), "{left:#?}");
}

#[test]
fn namespaces_are_shared_as_asked() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let shared = {
        let mut config = rig.sandbox_config("shared");
        config.pid = NamespaceMode::Pod;
        config.sysctls = [("net.ipv4.ip_local_port_range".to_owned(), "32768 40000".to_owned())].into();
        let dns = DnsConfig {
            servers: vec!["10.96.0.10".into()],
            searches: vec!["a.b".into(), "b".into()],
            options: vec!["ndots:5".into()],
        };
        config.dns = Some(dns);
        rig.block(async |native| native.run_pod_sandbox(config).await.unwrap())
    };
    let sleeper = rig.run(&shared, ContainerConfig { log_path: "a.log".into(), ..command(&["sleep", "3601"]) });
    let (_, log) = rig.script(&shared, "ps -o pid,args | grep 'sleep 360[1]' | awk '{print ($1==1), $2, $3}'; cat /proc/sys/net/ipv4/ip_local_port_range /etc/resolv.conf");
    expect![[r#"
        0 sleep 3601
        32768	40000
        search a.b b
        nameserver 10.96.0.10
        options ndots:5
    "#]]
    .assert_eq(&log);
    assert_eq!(rig.status(&sleeper).state, ContainerState::Running);
    let host = {
        let mut config = rig.sandbox_config("host");
        (config.network, config.pid, config.ipc) = (NamespaceMode::Node, NamespaceMode::Node, NamespaceMode::Node);
        config.hostname = String::new();
        rig.block(async |native| native.run_pod_sandbox(config).await.unwrap())
    };
    assert_eq!(host.netns_path, None);
    let (_, log) = rig.script(&host, "for n in net pid ipc uts mnt; do readlink /proc/self/ns/$n; done");
    let own = |kind: &str| std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[..4], [own("net"), own("pid"), own("ipc"), own("uts")]);
    assert_ne!(lines[4], own("mnt"));
    // Without a pid namespace of their own, background processes end with the container all the same.
    let marker = format!("36{:05}", std::process::id() % 100_000);
    rig.script(&host, &format!("sleep {marker} & sleep 0.05"));
    let alive = || {
        std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            std::fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| line == format!("sleep\0{marker}\0").as_bytes())
        })
    };
    let clock = clock::system();
    rig.block(async |_| {
        while alive() {
            clock.sleep(Duration::from_millis(5)).await; // killed, but perhaps not gone yet
        }
    });
}

#[test]
fn limits_change_in_place_and_use_is_counted() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let resources = ContainerResources {
        memory_limit_bytes: Some(64 << 20),
        cpu_shares: Some(102),
        ..ContainerResources::default()
    };
    let id = rig.run(&sandbox, ContainerConfig { resources, ..sh("while :; do :; done") });
    rig.block(async |native| {
        let more = ContainerResources {
            memory_limit_bytes: Some(128 << 20),
            cpu_quota_us: Some(50_000),
            cpu_period_us: Some(100_000),
            ..ContainerResources::default()
        };
        let note = std::collections::BTreeMap::from([("note".to_owned(), "applied".to_owned())]);
        native.update_container_resources(&id, more.clone(), note).await.unwrap();
        let status = native.container_status(&id).await.unwrap();
        // what was not named stays
        assert_eq!(status.resources, ContainerResources { cpu_shares: Some(102), ..more });
        assert_eq!(status.annotations["note"], "applied");
        let clock = clock::system();
        while native.container_stats(&id).await.unwrap().cpu_usage_nanoseconds == 0 {
            clock.sleep(Duration::from_millis(5)).await;
        }
        let stats = native.container_stats(&id).await.unwrap();
        assert!(stats.memory_usage_bytes > 0 && stats.memory_usage_bytes < 64 << 20, "{stats:?}");
    });
}

#[test]
fn what_a_container_writes_beside_its_image_is_measured() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let (status, _) =
        rig.script(&sandbox, "head -c 1048576 /dev/zero > /file; cat /proc/self/cmdline > /dev/shm/other");
    let bytes = rig.block(async |native| native.writable_layer_bytes(&status.id).await.unwrap());
    assert!((1 << 20..(1 << 20) + 65_536).contains(&bytes), "{bytes}");
    let nobody = runtime::service::ContainerId("nobody".to_owned());
    assert!(matches!(
        rig.block(async |native| native.writable_layer_bytes(&nobody).await),
        Err(RuntimeError::NotFound { .. })
    ));
}

#[test]
fn twenty_pods_at_once() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let configs: Vec<_> = (0..20).map(|number| rig.sandbox_config(&format!("p{number}"))).collect();
    let codes = rig.block(async |native| {
        let pods = configs.into_iter().map(async |config| {
            let sandbox = native.run_pod_sandbox(config).await.unwrap();
            let id = native.create_container(&sandbox.id, sh("exit 5")).await.unwrap();
            native.start_container(&id).await.unwrap();
            crate::rig::wait_exited(&native, &id).await.exit_code
        });
        futures::future::join_all(pods).await
    });
    assert_eq!(codes, [5; 20]);
}
