//! Exec, attach, logs in motion, port forwarding.

use crate::rig::{Rig, possible, sh, wait_exited, wait_log};
use expect_test::expect;
use runtime::service::{ContainerConfig, ContainerIo, ExecError, ExecRequest, RuntimeService, TerminalSize};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn request(words: &[&str]) -> ExecRequest {
    let command = words.iter().map(|word| (*word).to_owned()).collect();
    ExecRequest { command, stdin: true, stdout: true, stderr: true, tty: false }
}

async fn text(stream: &mut Option<runtime::service::BoxRead>) -> String {
    let mut out = String::new();
    stream.as_mut().unwrap().read_to_string(&mut out).await.unwrap();
    out
}

async fn read_until(io: &mut ContainerIo, wanted: &str) -> String {
    let (mut out, stream) = (String::new(), io.stdout.as_mut().unwrap());
    while !out.contains(wanted) {
        let mut chunk = [0; 1024];
        let count = stream.read(&mut chunk).await.unwrap();
        assert!(count > 0, "ended before {wanted:?}: {out:?}");
        out += &String::from_utf8_lossy(&chunk[..count]);
    }
    out
}

#[test]
fn exec_carries_all_streams_and_the_code() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let id = rig.run(&sandbox, sh("sleep 3600"));
    rig.block(async |native| {
        let mut io = native.exec(&id, request(&["sh", "-c", "cat; echo err >&2; exit 3"])).await.unwrap();
        let mut stdin = io.stdin.take().unwrap();
        let big = "x".repeat(1 << 20);
        let write = async {
            stdin.write_all(big.as_bytes()).await.unwrap();
            drop(stdin);
        };
        let ((), out) = futures::join!(write, text(&mut io.stdout));
        assert_eq!(out.len(), big.len());
        assert_eq!(text(&mut io.stderr).await, "err\n");
        assert_eq!(io.exit.await.unwrap().exit_code, 3);
    });
    rig.block(async |native| {
        let sync = async |words: &[&str]| {
            native.exec_sync(&id, words.iter().map(|word| (*word).to_owned()).collect(), Duration::ZERO).await
        };
        let output = sync(&["sh", "-c", "echo hi; hostname; kill -9 $$"]).await.unwrap();
        assert_eq!((String::from_utf8_lossy(&output.stdout).as_ref(), output.exit_code), ("hi\np\n", 137));
        let error = sync(&["nosuchcmd"]).await.unwrap_err();
        assert!(matches!(error, ExecError::Start(_)));
        expect![[r#"OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuchcmd": executable file not found in $PATH"#]].assert_eq(&error.to_string());
        let slow = native.exec_sync(&id, vec!["sleep".into(), "3600".into()], Duration::from_millis(50)).await;
        assert!(matches!(slow, Err(ExecError::Timeout(_))), "{slow:?}");
        native.stop_container(&id, Duration::ZERO).await.unwrap();
        assert!(matches!(sync(&["true"]).await, Err(ExecError::NotRunning(_))));
        let missing = runtime::service::ContainerId("0".repeat(64));
        assert!(matches!(native.exec_sync(&missing, vec!["true".into()], Duration::ZERO).await, Err(ExecError::NotFound(_))));
    });
}

#[test]
fn exec_with_a_terminal_that_changes_its_size() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let id = rig.run(&sandbox, sh("sleep 3600"));
    rig.block(async |native| {
        let mut io = native.exec(&id, ExecRequest { tty: true, stderr: false, ..request(&["sh"]) }).await.unwrap();
        (io.resize)(TerminalSize { width: 123, height: 45 });
        let mut stdin = io.stdin.take().unwrap();
        stdin.write_all(b"tty; stty size; echo $TERM; exit 4\n").await.unwrap();
        let out = read_until(&mut io, "xterm\r\n").await;
        assert!(out.contains("/dev/pts/0\r\n") && out.contains("45 123\r\n"), "{out:?}");
        text(&mut io.stdout).await;
        assert_eq!(io.exit.await.unwrap().exit_code, 4);
    });
}

#[test]
fn attach_reads_and_feeds_the_first_process() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let config =
        ContainerConfig { stdin: true, stdin_once: true, ..sh("while read line; do echo got $line; done; echo over") };
    let id = rig.run(&sandbox, config);
    let status = rig.block(async |native| {
        let mut first = native.attach(&id, true).await.unwrap();
        let mut second = native.attach(&id, false).await.unwrap();
        assert!(second.stdin.is_none());
        let mut stdin = first.stdin.take().unwrap();
        stdin.write_all(b"one\n").await.unwrap();
        assert_eq!(read_until(&mut first, "one\n").await, "got one\n");
        assert_eq!(read_until(&mut second, "one\n").await, "got one\n");
        drop(stdin); // stdinOnce: the container's input ends with the client's
        assert_eq!(text(&mut first.stdout).await, "over\n");
        assert_eq!(first.exit.await.unwrap().exit_code, 0);
        wait_exited(&native, &id).await
    });
    assert_eq!(crate::rig::log_text(&status.log_path), "got one\nover\n");
}

#[test]
fn attach_to_a_terminal() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let config = ContainerConfig {
        stdin: true,
        tty: true,
        ..sh("tty; read line; until stty size | grep -q '20 70'; do :; done; stty size; exit 6")
    };
    let id = rig.run(&sandbox, config);
    rig.block(async |native| {
        let mut io = native.attach(&id, true).await.unwrap();
        assert!(io.stderr.is_none());
        (io.resize)(TerminalSize { width: 70, height: 20 });
        let log = native.container_status(&id).await.unwrap().log_path;
        wait_log(&log, "/dev/").await;
        io.stdin.as_mut().unwrap().write_all(b"go\n").await.unwrap();
        assert!(text(&mut io.stdout).await.contains("20 70"));
        assert_eq!(io.exit.await.unwrap().exit_code, 6);
    });
}

#[test]
fn logs_go_on_after_a_rotation_and_much_output_is_whole() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let config = ContainerConfig { stdin: true, ..sh("echo before; read line; echo after; seq 1 200000") };
    let id = rig.run(&sandbox, config);
    let path = rig.status(&id).log_path;
    let rotated = path.with_extension("1");
    rig.block(async |native| {
        wait_log(&path, "before").await;
        std::fs::rename(&path, &rotated).unwrap();
        native.reopen_container_log(&id).await.unwrap();
        let mut io = native.attach(&id, true).await.unwrap();
        io.stdin.as_mut().unwrap().write_all(b"\n").await.unwrap();
        text(&mut io.stdout).await;
    });
    let (_, log) = rig.finish(id);
    assert_eq!(crate::rig::log_text(&rotated), "before\n");
    assert!(log.starts_with("after\n1\n2\n") && log.ends_with("\n200000\n"));
    assert_eq!(log.lines().count(), 200_001);
}

#[test]
fn a_port_inside_the_sandbox_is_reached() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let security = runtime::service::SecurityContext { privileged: true, ..Default::default() };
    let text_ = "ip link set lo up; echo up; exec nc -l -p 8080 -e echo hello";
    let id = rig.run(&sandbox, ContainerConfig { security, ..sh(text_) });
    let path = rig.status(&id).log_path;
    rig.block(async |native| {
        wait_log(&path, "up").await;
        let clock = clock::system();
        let mut stream = loop {
            match native.port_forward(&sandbox.id, 8080).await {
                Ok(stream) => break stream,
                Err(_) => clock.sleep(Duration::from_millis(5)).await, // it does not listen yet
            }
        };
        let mut out = String::new();
        stream.read_to_string(&mut out).await.unwrap();
        assert_eq!(out, "hello\n");
        assert!(native.port_forward(&sandbox.id, 9).await.is_err());
    });
}
