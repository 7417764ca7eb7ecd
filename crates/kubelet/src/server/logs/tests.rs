//! Lines, options and following, on real files.

use super::follow::follow;
use super::line::{Line, Stream, parse};
use super::options::Options;
use super::reader::Reader;
use super::*;
use bytes::Bytes;
use expect_test::{Expect, expect};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use std::io::Write;
use std::path::Path;

#[test]
fn lines() {
    let line = |partial, content| Some(Line { time: "T", stream: Stream::Stdout, partial, content });
    for (text, want) in [
        ("T stdout F hello  world", line(false, &b"hello  world"[..])),
        ("T stdout P ", line(true, b"")),
        ("T stdout F", line(false, b"")),
        ("T stdout F:x y", line(false, b"y")),
        ("T stdin F x", None),
        ("T stdout X x", None),
        ("garbage", None),
        ("", None),
    ] {
        assert_eq!(parse(text.as_bytes()), want, "{text}");
    }
}

const LOG: &str = "\
2026-01-01T00:00:01.000000000Z stdout F one
2026-01-01T00:00:02.000000000Z stderr F two
2026-01-01T00:00:03.000000000Z stdout P thr
2026-01-01T00:00:03.000000001Z stdout F ee
not a line
2026-01-01T00:00:04.000000000Z stdout F four
";

async fn check(query: &str, want: Expect) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    std::fs::write(&path, LOG).unwrap();
    let options = Options::read(&Query::parse(query), "2026-01-01T00:00:05Z".parse().unwrap()).unwrap();
    let (sender, mut receiver) = mpsc::channel(16);
    let reader = Reader::open(&path, &options).await.unwrap();
    reader.copy_all(options, &sender).await.unwrap();
    drop(sender);
    let mut all = String::new();
    while let Some(piece) = receiver.recv().await {
        all += std::str::from_utf8(&piece).unwrap();
    }
    want.assert_eq(&all);
}

#[tokio::test]
async fn options() {
    check("", expect!["one\ntwo\nthree\nfour\n"]).await;
    check("tailLines=2", expect!["four\n"]).await;
    check("tailLines=3", expect!["ee\nfour\n"]).await;
    check("tailLines=0", expect![""]).await;
    check("tailLines=99", expect!["one\ntwo\nthree\nfour\n"]).await;
    check("limitBytes=5", expect!["one\nt"]).await;
    check("sinceTime=2026-01-01T00:00:03Z", expect!["three\nfour\n"]).await;
    check("sinceSeconds=1", expect!["four\n"]).await;
    check("stream=Stderr", expect!["two\n"]).await;
    check(
        "timestamps=true&sinceSeconds=2",
        expect![[r#"
        2026-01-01T00:00:03.000000000Z three
        2026-01-01T00:00:04.000000000Z four
    "#]],
    )
    .await;
}

#[tokio::test]
async fn the_last_lines_of_a_long_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    let lines: String = (0..20_000).map(|n| format!("2026-01-01T00:00:00.000000000Z stdout F line {n}\n")).collect();
    std::fs::write(&path, lines).unwrap();
    let options = Options { tail_lines: Some(5000), ..Options::default() };
    let (sender, mut receiver) = mpsc::channel(1024);
    Reader::open(&path, &options).await.unwrap().copy_all(options, &sender).await.unwrap();
    drop(sender);
    let mut all = Vec::new();
    while let Some(piece) = receiver.recv().await {
        all.extend_from_slice(&piece);
    }
    let all = String::from_utf8(all).unwrap();
    assert_eq!(all.lines().count(), 5000);
    assert!(all.starts_with("line 15000\n") && all.ends_with("line 19999\n"));
}

fn append(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

async fn expect_text(receiver: &mut mpsc::Receiver<Bytes>, want: &str) {
    let mut all = String::new();
    while all.len() < want.len() {
        all += std::str::from_utf8(&receiver.recv().await.expect("the log ended")).unwrap();
    }
    assert_eq!(all, want);
}

#[tokio::test]
async fn following_over_growth_rotation_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    append(&path, "T stdout F one\n");
    let options = Options { follow: true, ..Options::default() };
    let reader = Reader::open(&path, &options).await.unwrap();
    let (sender, mut receiver) = mpsc::channel(16);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let following = tokio::spawn({
        let path = path.clone();
        async move { follow(reader, &path, options, &sender, async { drop(ended.await) }).await }
    });
    expect_text(&mut receiver, "one\n").await;
    append(&path, "T stdout F two\n");
    expect_text(&mut receiver, "two\n").await;
    std::fs::rename(&path, dir.path().join("0.log.1")).unwrap();
    append(&path, "T stdout F three\n");
    expect_text(&mut receiver, "three\n").await;
    append(&path, "T stdout F no newline");
    end.send(()).unwrap();
    expect_text(&mut receiver, "no newline\n").await;
    following.await.unwrap().unwrap();
    assert_eq!(receiver.recv().await, None);
}

fn state(status: serde_json::Value, previous: bool, want: Expect) {
    let mut status = status;
    status["name"] = "c".into();
    for (name, value) in
        [("image", json!("")), ("imageID", json!("")), ("ready", json!(false)), ("restartCount", json!(0))]
    {
        status[name] = value;
    }
    let pod: Pod = serde_json::from_value(json!({"metadata": {}, "status": {"containerStatuses": [status]}})).unwrap();
    want.assert_eq(&state::check(&pod, "p", "c", previous).map_or_else(|words| words, |()| "fine".to_owned()));
}

#[test]
fn containers_without_logs() {
    let ended = |id: &str| json!({"terminated": {"exitCode": 0, "containerID": id}});
    state(
        json!({"state": {"waiting": {"reason": "PodInitializing"}}}),
        false,
        expect![[r#"container "c" in pod "p" is waiting to start: PodInitializing"#]],
    );
    state(
        json!({"state": {"waiting": {"reason": "ImagePullBackOff"}}}),
        false,
        expect![[r#"container "c" in pod "p" is waiting to start: trying and failing to pull image"#]],
    );
    state(
        json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended("x")}),
        false,
        expect!["fine"],
    );
    state(
        json!({"state": {"running": {}}}),
        true,
        expect![[r#"previous terminated container "c" in pod "p" not found"#]],
    );
    state(json!({"state": {"running": {}}, "lastState": ended("x")}), true, expect!["fine"]);
    state(
        ended("").as_object().map(|_| json!({"state": ended("")})).unwrap(),
        false,
        expect![[r#"container "c" in pod "p" is terminated"#]],
    );
    state(json!({"state": ended("x")}), false, expect!["fine"]);
}
