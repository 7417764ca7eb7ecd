//! What nobody should send, over a socket: the server answers in upstream's words or hangs up, does nothing by halves, and
//! goes on serving others.

mod harness;

use apiserver::{Server, StaticTokens};
use harness::{JSON, admin, call, send};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const TOKEN: &str = "t0ken";

async fn start(directory: &tempfile::TempDir) -> Server {
    let store = store::Embedded::open(&directory.path().join("db"), clock::system()).unwrap();
    let mut tokens = StaticTokens::default();
    tokens.add_administrator(TOKEN);
    Server::start(harness::config_with(Arc::new(store), tokens)).await.unwrap()
}

/// Sends bytes and reads until the server hangs up.
async fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let _hung_up_early = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends bytes and reads until there is a whole status: the server goes on waiting for the rest of a body.
async fn refusal(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let (mut answer, mut chunk) = (String::new(), [0; 1024]);
    while !answer.contains("\"code\":") {
        let count = stream.read(&mut chunk).await.unwrap();
        assert_ne!(count, 0, "{answer}");
        answer += &String::from_utf8_lossy(&chunk[..count]);
    }
    answer
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\ncontent-length: \
         {length}\r\n{headers}\r\n{body}"
    )
}

fn code(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn event(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap()
}

/// The server still serves, and nothing came of what was sent.
async fn unharmed(server: &Server) {
    let (code, list) = send(&admin(server), Method::GET, MAPS, JSON, "").await;
    assert_eq!((code, list["items"].as_array().map(Vec::len)), (200, Some(0)), "{list}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_objects_are_refused_and_nothing_comes_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let deep = format!("{{\"metadata\":{{\"name\":\"a\"}},\"x\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let aliases = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                   d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                   g: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    let json = "content-type: application/json\r\n";
    let yaml = "content-type: application/yaml\r\n";
    let good = r#"{"metadata":{"name":"a"}}"#;
    let cases: [(&str, &str, u16); 9] = [
        (json, &deep, 400),
        (json, "{\"metadata\":{\"name\":\"a\"}", 400),
        (json, "", 400),
        (yaml, aliases, 400),
        (yaml, &"- ".repeat(20_000), 400),
        ("content-type: text/plain\r\n", good, 415),
        ("content-type: application/x-protobuf\r\n", good, 415),
        ("content-type: application/vnd.kubernetes.protobuf\r\n", good, 400),
        ("content-encoding: gzip\r\ncontent-type: application/json\r\n", "\u{1f}\u{8b}rubbish", 400),
    ];
    for (headers, body, want) in cases {
        let answer = exchange(&server, request("POST", MAPS, headers, body).as_bytes()).await;
        assert_eq!(code(&answer), want, "{headers}{}: {answer}", &body[..body.len().min(80)]);
        assert!(answer.contains("\"kind\":\"Status\""), "{answer}");
    }
    let wrong =
        [request("POST", MAPS, json, "").replace("length: 0", "length: 10").as_bytes(), b"{\"a\":\"\xff\xfe\"}"]
            .concat();
    // Go reads signs of replacement there, and so an object without a name.
    assert_eq!(code(&exchange(&server, &wrong).await), 422);
    unharmed(&server).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_ends_the_connection_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    for rubbish in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(8),
        b"\x00\x01\x02\x03\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish that is no frame at all, as long as a header".to_vec(),
    ] {
        let answer = exchange(&server, &rubbish).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    // 0: the connection was reset while we still wrote, and the answer with it.
    let giant = request("GET", MAPS, &format!("x-giant: {}\r\n", "x".repeat(2 << 20)), "");
    let many = request("GET", MAPS, &"x-many: 1\r\n".repeat(500), "");
    let selector = request("GET", &format!("{MAPS}?labelSelector={}", "a,".repeat(100_000)), "", "");
    for (large, want) in [(giant, 431), (many, 431), (selector, 414)] {
        let answer = exchange(&server, large.as_bytes()).await;
        assert!(code(&answer) == want || answer.is_empty(), "{want}: {answer}");
    }
    // Behind a good request, rubbish: the good one is answered, and then comes the end.
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let good = request("GET", "/version", "", "").replace("connection: close\r\n", "");
    stream.write_all(good.as_bytes()).await.unwrap();
    let mut answer = vec![0; "HTTP/1.1 200 OK".len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200 OK");
    stream.write_all(b"\0\0\0rubbish\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _reset = stream.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1 200"));
    let answer = exchange(&server, request("BREW", MAPS, "", "").as_bytes()).await;
    assert_eq!(code(&answer), 405, "{answer}");
    unharmed(&server).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_body_is_no_object() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let whole = request("POST", MAPS, "content-type: application/json\r\n", r#"{"metadata":{"name":"half"}}      "#);
    let half = &whole.as_bytes()[..whole.len() - 6]; // all of the object is there, but not all that was announced
    for _ in 0..300 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(half).await.unwrap();
        drop(stream);
    }
    // More than all places of writes: had they not been given back, this would be told to come later.
    let (code, made) = send(&admin(&server), Method::POST, MAPS, JSON, r#"{"metadata":{"name":"whole"}}"#).await;
    assert_eq!(code, 201, "{made}");
    let (_, list) = send(&admin(&server), Method::GET, MAPS, JSON, "").await;
    let names: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item["metadata"]["name"]).collect();
    assert_eq!(names, [&json!("whole")]);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_stops_half_way_is_told_when_the_time_that_was_asked_for_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let slow = |query: &str| {
        let mut begun = request("POST", &format!("{MAPS}?{query}"), "", &" ".repeat(40));
        begun.truncate(begun.len() - 39);
        begun
    };
    let answer = refusal(&server, slow("timeout=50ms").as_bytes()).await;
    assert_eq!(code(&answer), 504, "{answer}");
    let words = "Timeout: request did not complete within requested timeout - context deadline exceeded";
    assert!(answer.contains(words) && answer.contains("\"reason\":\"Timeout\""), "{answer}");
    let answer = refusal(&server, slow("timeout=soon").as_bytes()).await;
    assert_eq!(code(&answer), 400, "{answer}");
    assert!(answer.contains("invalid timeout specified in the request URL - time: invalid duration"), "{answer}");
    unharmed(&server).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_does_not_read_is_cut_off_and_holds_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let watch = format!("{MAPS}?watch=1");
    let mut slow = call(&admin, Method::GET, &watch, JSON, "").await.into_body();
    // More changes than may wait for one watcher; each is answered although nobody reads.
    const CHANGES: usize = 4200;
    let (code, _) = send(&admin, Method::POST, MAPS, JSON, r#"{"metadata":{"name":"m"}}"#).await;
    assert_eq!(code, 201);
    let mut count = 0;
    while count < CHANGES {
        let writes = (0..20).map(|step| {
            let name = format!("m{count}-{step}");
            send(&admin, Method::POST, MAPS, JSON, json!({"metadata": {"name": name}}).to_string())
        });
        for (code, body) in futures::future::join_all(writes).await {
            assert_eq!(code, 201, "{body}");
        }
        count += 20;
    }
    // It is told so, then the watch ends, though the server goes on.
    let mut told = Vec::new();
    while let Some(frame) = slow.frame().await {
        told.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    let mut events: Vec<Value> = told.split_inclusive(|byte| *byte == b'\n').map(event).collect();
    let last = events.pop().unwrap();
    assert_eq!((&last["type"], &last["object"]["reason"]), (&json!("ERROR"), &json!("Expired")), "{last}");
    assert_eq!(last["object"]["code"], 410);
    assert!(events.len() < CHANGES, "{} events", events.len());
    let (code, _) = send(&admin, Method::GET, "/readyz", JSON, "").await;
    assert_eq!(code, 200);
    server.shutdown().await;
}

/// A body that comes in many small pieces, each when the one before has gone.
fn dribble(pieces: usize) -> impl http_body::Body<Data = bytes::Bytes, Error = std::convert::Infallible> {
    http_body_util::StreamBody::new(futures::stream::unfold(0, move |sent| async move {
        tokio::task::yield_now().await;
        (sent < pieces).then(|| (Ok(http_body::Frame::data(bytes::Bytes::from_static(b"{}"))), sent + 1))
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_before_the_end_of_the_request_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(executor, hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for number in 0..200 {
        // the method is refused by the path, before any of the body is looked at
        let request = http::Request::post(format!("http://a{MAPS}/a"))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Box::pin(dribble(number)))
            .unwrap();
        let answer = client.send_request(request).await.unwrap_or_else(|error| panic!("{number} pieces: {error:?}"));
        assert_eq!(answer.status(), 405);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(event(&body)["reason"], "MethodNotAllowed");
    }
    unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strategic_merges_are_shown_as_go_prints_them_and_name_no_type() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let (path, strategic) = (format!("{MAPS}/a"), "application/strategic-merge-patch+json");
    let (code, made) = send(&admin(&server), Method::POST, MAPS, JSON, r#"{"metadata":{"name":"a"}}"#).await;
    assert_eq!(code, 201, "{made}");
    for (patch, message) in [
        (
            r#"{"data":{"k":1}}"#,
            r#" "" is invalid: patch: Invalid value: "map[data:map[k:1]]": cannot convert int64 to string"#,
        ),
        (
            r#"{"immutable":"no","data":null}"#,
            r#" "" is invalid: patch: Invalid value: "map[data:<nil> immutable:no]": unrecognized type: bool"#,
        ),
        (r#"{"kind":7}"#, r#" "" is invalid: patch: Invalid value: "map[kind:7]": cannot convert int64 to string"#),
    ] {
        let (code, status) = send(&admin(&server), Method::PATCH, &path, strategic, patch).await;
        assert_eq!((code, status["message"].as_str()), (422, Some(message)), "{patch}");
    }
    let (code, status) = send(
        &admin(&server),
        Method::PATCH,
        &format!("{path}?fieldValidation=Strict"),
        strategic,
        r#"{"x":{"y":[1,"z"]}}"#,
    )
    .await;
    let message =
        r#" "" is invalid: patch: Invalid value: "map[x:map[y:[1 z]]]": strict decoding error: unknown field "x""#;
    assert_eq!((code, status["message"].as_str()), (422, Some(message)));
    let (code, same) =
        send(&admin(&server), Method::PATCH, &path, strategic, r#"{"kind":"Other","apiVersion":"b/v1"}"#).await;
    assert_eq!((code, &same["kind"], &same["apiVersion"]), (200, &json!("ConfigMap"), &json!("v1")), "{same}");
    assert_eq!(same["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
}
