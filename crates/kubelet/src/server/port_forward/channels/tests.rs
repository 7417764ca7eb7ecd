//! Channels of ports whose pod cannot be reached, in both forms of messages, and what the query may say.

use super::*;
use crate::server::route::Target;
use expect_test::{Expect, expect};
use runtime::fake::FakeRuntime;
use runtime::service::SandboxId;
use std::sync::Arc;
use tokio::io::duplex;

async fn check(format: Format) {
    let (near, far) = duplex(1 << 16);
    let target = Target { namespace: "a".to_owned(), pod: "p".to_owned(), container: String::new() };
    let runtime = Arc::new(FakeRuntime::new(clock::system()));
    let forward = Forward { runtime, sandbox: SandboxId("s".to_owned()), target: Arc::new(target) };
    let session = tokio::spawn(serve(far, format, vec![80, 258], forward));
    let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let mut channels: [Vec<u8>; 4] = Default::default();
    while let Some(Ok(message)) = client.next().await {
        if let Some((channel, data)) = format.parse(message) {
            channels[usize::from(channel)].extend_from_slice(&data);
        }
    }
    session.await.unwrap();
    let shown = channels.map(|bytes| bytes.escape_ascii().to_string());
    let expected = expect![[r"
        P\x00
        P\x00error forwarding port 80 to pod p_a: sandbox s is only pretended
        \x02\x01
        \x02\x01error forwarding port 258 to pod p_a: sandbox s is only pretended"]];
    expected.assert_eq(&shown.join("\n"));
}

#[tokio::test]
async fn each_port_has_two_channels_that_begin_with_it() {
    check(Format::Binary).await;
    check(Format::Base64).await;
}

#[test]
fn ports_stand_in_the_query() {
    let check = |query: &str, expected: Expect| expected.assert_eq(&format!("{:?}", ports(&Query::parse(query))));
    check("port=80&port=443", expect!["Ok([80, 443])"]);
    check("port=80,443", expect!["Ok([80, 443])"]);
    check("", expect![[r#"Err(Refusal { code: 400, words: "query parameter \"port\" is required" })"#]]);
    check("port=0", expect![[r#"Err(Refusal { code: 400, words: "port \"0\" must be > 0" })"#]]);
    check(
        "port=x",
        expect![[
            r#"Err(Refusal { code: 400, words: "unable to parse \"x\" as a port: invalid digit found in string" })"#
        ]],
    );
}
