//! More than is good for anyone: streams that are opened and given up at once, selectors and limits without measure.

mod harness;

use apiserver::Server;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::{JSON, admin, send, start};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// `NO_ERROR` with which a server says goodbye, and the code for a client that asks too much.
const ENHANCE_YOUR_CALM: u32 = 11;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET /version` in HPACK: three indexed names or fields, and two literals.
fn get_version() -> Vec<u8> {
    [&[0x82, 0x86, 0x04, 8][..], b"/version", &[0x01, 1], b"a"].concat()
}

/// Reads frames until the server says goodbye or hangs up; the code of the goodbye.
async fn goodbye(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<u32> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.ok()?;
        if head[3] == GOAWAY {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
}

async fn unharmed(server: &Server) {
    let (code, version) = send(&admin(server), Method::GET, "/version", JSON, "").await;
    assert_eq!(code, 200, "{version}");
}

/// CVE-2023-44487.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_reset_at_once_end_their_connection_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let mut bystander = TcpStream::connect(server.address()).await.unwrap();
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let attack = tokio::spawn(async move {
        let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
        let mut sent = writer.write_all(&begin).await;
        // Odd numbers are the client's streams.
        for first in (1..200_000_u32).step_by(200) {
            let opened_and_reset = |stream: u32| {
                // END_STREAM and END_HEADERS; then CANCEL.
                [frame(HEADERS, 5, stream, &get_version()), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
            };
            let burst: Vec<u8> = (first..first + 200).step_by(2).flat_map(opened_and_reset).collect();
            if sent.is_ok() {
                sent = writer.write_all(&burst).await;
            }
        }
        sent.is_ok()
    });
    // The server may hang up while we still write, and then the goodbye is lost.
    let code = goodbye(&mut reader).await;
    assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{code:?}");
    drop(reader);
    assert!(!attack.await.unwrap(), "all hundred thousand were taken");
    bystander.write_all(b"GET /version HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    bystander.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    unharmed(&server).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn selectors_and_limits_without_measure() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    for number in 0..3 {
        let map = json!({"metadata": {"name": format!("m{number}"), "labels": {"n": number.to_string()}}});
        assert_eq!(send(&admin, Method::POST, MAPS, JSON, map.to_string()).await.0, 201);
    }
    let names = async |query: String| -> (u16, Vec<Value>) {
        let (code, list) = send(&admin, Method::GET, &format!("{MAPS}?{query}"), JSON, "").await;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        (code, items.into_iter().map(|item| item["metadata"]["name"].clone()).collect())
    };
    // As long as a path may be.
    let values: Vec<String> = (1..10_000).map(|n| n.to_string()).collect();
    assert_eq!(
        names(format!("labelSelector=n+in+({})", values.join(","))).await,
        (200, vec!["m1".into(), "m2".into()])
    );
    let terms = vec!["n!=7"; 10_000].join(",");
    assert_eq!(names(format!("labelSelector={terms}")).await.1.len(), 3);
    let fields = vec!["metadata.name!=x"; 3_000].join(",");
    assert_eq!(names(format!("fieldSelector={fields}")).await.1.len(), 3);
    assert_eq!(names(format!("labelSelector={}", "(".repeat(60_000))).await.0, 400);
    // Any number that fits is a limit.
    assert_eq!(names(format!("limit={}", i64::MAX)).await.1.len(), 3);
    assert_eq!(names("limit=1".to_owned()).await.1.len(), 1);
    let (code, status) = send(&admin, Method::GET, &format!("{MAPS}?limit=9223372036854775808"), JSON, "").await;
    assert_eq!(code, 400, "{status}");
    assert!(status["message"].as_str().unwrap().contains("value out of range"), "{status}");
    server.shutdown().await;
}

fn map(name: &str) -> String {
    json!({"metadata": {"name": name}}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_whose_revision_is_gone_goes_on_with_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    for name in ["a", "c"] {
        assert_eq!(send(&admin, Method::POST, MAPS, JSON, map(name)).await.0, 201);
    }
    let token = |revision: i64, start: &str| {
        let token = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start}).to_string();
        URL_SAFE_NO_PAD.encode(token)
    };
    let (_, first) = send(&admin, Method::GET, &format!("{MAPS}?limit=1"), JSON, "").await;
    let given = URL_SAFE_NO_PAD.decode(first["metadata"]["continue"].as_str().unwrap()).unwrap();
    let given: Value = serde_json::from_slice(&given).unwrap();
    let start = given["start"].as_str().unwrap();
    assert_eq!(send(&admin, Method::POST, MAPS, JSON, map("b")).await.0, 201);
    let path = |token: String| format!("{MAPS}?limit=1&continue={token}");
    let next = |list: &Value| list["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    let (_, consistent) = send(&admin, Method::GET, &path(token(given["rv"].as_i64().unwrap(), start)), JSON, "").await;
    assert_eq!(next(&consistent), "c", "{consistent}");
    let (_, present) = send(&admin, Method::GET, &path(token(-1, start)), JSON, "").await;
    assert_eq!(next(&present), "b", "{present}");
    let (code, refused) = send(&admin, Method::GET, &path(token(0, start)), JSON, "").await;
    assert_eq!(code, 400, "{refused}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_from_the_beginning_says_where_that_ends() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    assert_eq!(send(&admin, Method::POST, MAPS, JSON, map("a")).await.0, 201);
    let ends = async |query: &str| {
        let path = format!("{MAPS}?watch=1&timeoutSeconds=1&{query}");
        let told = harness::text(harness::call(&admin, Method::GET, &path, JSON, "").await).await;
        assert!(told.contains("\"ADDED\""), "{told}");
        told.contains("k8s.io/initial-events-end")
    };
    let (with, without) = tokio::join!(ends("allowWatchBookmarks=true&resourceVersion=0"), ends("resourceVersion=0"));
    assert!(with && !without);
    let odd = format!("{MAPS}?watch=1&resourceVersion=1&resourceVersionMatch=Exact");
    let (code, refused) = send(&admin, Method::GET, &odd, JSON, "").await;
    let causes = refused["details"]["causes"].as_array().unwrap();
    let reasons: Vec<&Value> = causes.iter().map(|cause| &cause["reason"]).collect();
    assert_eq!((code, reasons), (422, vec![&json!("FieldValueForbidden"), &json!("FieldValueNotSupported")]));
    server.shutdown().await;
}
