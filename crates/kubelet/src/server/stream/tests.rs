//! Sessions over both carriers, with a process that answers what it is told.

use super::super::spdy;
use super::*;
use clock::SystemClock;
use expect_test::{Expect, expect};
use futures::{SinkExt, StreamExt};
use runtime::service::{ContainerIo, ExitOutcome};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

const ALL: Wanted = Wanted { stdin: true, stdout: true, stderr: true, tty: false };

/// Writes its input back in capitals, says "done" to its error output at the end of input, and exits with 3.
fn process() -> (ContainerIo, Arc<Mutex<Vec<TerminalSize>>>) {
    let (stdin, mut own_stdin) = duplex(64);
    let (mut own_stdout, stdout) = duplex(64);
    let (mut own_stderr, stderr) = duplex(64);
    let work = tokio::spawn(async move {
        let mut buffer = [0; 16];
        while let Ok(length @ 1..) = own_stdin.read(&mut buffer).await {
            own_stdout.write_all(&buffer[..length].to_ascii_uppercase()).await.unwrap();
        }
        own_stderr.write_all(b"done").await.unwrap();
    });
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let seen = sizes.clone();
    let io = ContainerIo {
        stdin: Some(Box::new(stdin)),
        stdout: Some(Box::new(stdout)),
        stderr: Some(Box::new(stderr)),
        resize: Box::new(move |size| seen.lock().unwrap().push(size)),
        exit: Box::pin(async move {
            work.await.unwrap();
            Ok(ExitOutcome { exit_code: 3, signal: None })
        }),
    };
    (io, sizes)
}

type Client = WebSocketStream<DuplexStream>;

async fn start(protocol: &'static str) -> (Client, Arc<Mutex<Vec<TerminalSize>>>, tokio::task::JoinHandle<()>) {
    let (near, far) = duplex(1 << 16);
    let (io, sizes) = process();
    let (remote, carrier) = pair();
    let session = tokio::spawn(async move {
        let clock = SystemClock::default();
        tokio::join!(serve_channels(far, protocol, ALL, carrier, &clock), join(remote, io, Ending::ExitCode));
    });
    (WebSocketStream::from_raw_socket(near, Role::Client, None).await, sizes, session)
}

async fn say(client: &mut Client, channel: u8, data: &[u8]) {
    let bytes = [&[channel], data].concat();
    client.send(Message::Binary(bytes.into())).await.unwrap();
}

/// What comes until the server closes, by channel.
async fn rest(client: &mut Client) -> String {
    let mut channels = [const { Vec::new() }; 4];
    while let Some(Ok(message)) = client.next().await {
        if let Message::Binary(bytes) = message {
            channels[usize::from(bytes[0])].extend_from_slice(&bytes[1..]);
        }
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!("out={} err={} status={}", text(&channels[1]), text(&channels[2]), text(&channels[3]))
}

fn want() -> Expect {
    expect![[
        r#"out=HELLO WORLD err=done status={"details":{"causes":[{"message":"3","reason":"ExitCode"}]},"message":"command terminated with non-zero exit code: command terminated with exit code 3","metadata":{},"reason":"NonZeroExitCode","status":"Failure"}"#
    ]]
}

#[tokio::test]
async fn websocket_v5_ends_the_input_alone() {
    let (mut client, sizes, session) = start("v5.channel.k8s.io").await;
    say(&mut client, 4, br#"{"Width":80,"Height":24}"#).await;
    say(&mut client, 0, b"hello ").await;
    say(&mut client, 0, b"world").await;
    say(&mut client, 255, &[0]).await;
    want().assert_eq(&rest(&mut client).await);
    session.await.unwrap();
    assert_eq!(*sizes.lock().unwrap(), [TerminalSize { width: 80, height: 24 }]);
}

#[tokio::test]
async fn texts_are_base64() {
    let (mut client, _, session) = start("v4.base64.channel.k8s.io").await;
    client.send(Message::Text("0aGVsbG8=".into())).await.unwrap();
    let mut got = String::new();
    while !got.contains("SEVMTE8=") {
        if let Some(Ok(Message::Text(text))) = client.next().await {
            got += &text;
        }
    }
    assert_eq!(got, "11SEVMTE8=", "an empty message on channel 1, then what the process wrote there");
    drop(client);
    session.await.unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_session() {
    let (mut client, _, session) = start("v4.channel.k8s.io").await;
    say(&mut client, 0, b"hello").await;
    // Channel 255 means nothing in v4.
    say(&mut client, 255, &[0]).await;
    let mut got = Vec::new();
    while got != b"HELLO" {
        if let Some(Ok(Message::Binary(bytes))) = client.next().await {
            got.extend_from_slice(&bytes[1..]);
        }
    }
    drop(client);
    session.await.unwrap();
}

#[tokio::test]
async fn spdy_carries_the_same() {
    let (near, far) = duplex(1 << 16);
    let (io, _) = process();
    let (remote, carrier) = pair();
    let session = tokio::spawn(async move {
        let clock = SystemClock::default();
        tokio::join!(serve_session(far, ALL, carrier, &clock), join(remote, io, Ending::ExitCode));
    });
    let mut client = spdy::Peer::new(near);
    for (id, kind) in [(1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")] {
        client.open(id, &[("streamtype", kind)]).await;
    }
    client.data(3, b"hello ", false).await;
    client.data(3, b"world", true).await;
    let streams = client.read_all().await;
    let text = |id: u32| String::from_utf8(streams[&id].clone()).unwrap();
    want().assert_eq(&format!("out={} err={} status={}", text(5), text(7), text(1)));
    session.await.unwrap();
}
