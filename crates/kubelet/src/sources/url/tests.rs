//! A small HTTP server on loopback whose answers change: pods come, are replaced and go, and bad answers change nothing.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec:\n  containers: [{name: c, image: i}]\n";

/// Serves the answers one after the other, each on a connection of its own; gives back what was asked.
async fn serve(listener: TcpListener, answers: Vec<String>) -> Vec<String> {
    let mut asked = Vec::new();
    for answer in answers {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        asked.push(String::from_utf8(request).unwrap());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    asked
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn names(update: &SourceUpdate) -> Vec<&str> {
    update.pods.iter().filter_map(|pod| pod.metadata.name.as_deref()).collect()
}

#[tokio::test]
async fn pods_follow_what_is_served_and_bad_answers_change_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let headers = vec![("X-Key".to_owned(), "secret".to_owned())];
    let url = ManifestUrl { url: format!("http://{}/pods.yaml", listener.local_addr().unwrap()), headers };
    let pod = |name: &str| POD.replace("NAME", name);
    let list = "apiVersion: v1\nkind: PodList\nitems: []\n";
    let answers = vec![
        answer("200 OK", &pod("one")),
        answer("200 OK", &pod("one")),
        answer("500 Internal Server Error", "no"),
        answer("200 OK", ""),
        answer("200 OK", "junk: ["),
        "rubbish\r\n\r\n".to_owned(),
        answer("200 OK", &pod("two")),
        answer("200 OK", list),
    ];
    let server = tokio::spawn(serve(listener, answers));
    let (updates, mut seen) = mpsc::channel(16);
    let shutdown = Shutdown::new();
    let frequency = Duration::from_millis(5);
    let source = tokio::spawn(run(url, frequency, "node1".to_owned(), clock::system(), updates, shutdown.clone()));
    let first = seen.recv().await.unwrap();
    assert_eq!((names(&first), first.source), (vec!["one-node1"], Source::Http));
    // what did not change, and what was no manifest, was passed over
    assert_eq!(names(&seen.recv().await.unwrap()), ["two-node1"]);
    assert_eq!(names(&seen.recv().await.unwrap()), Vec::<&str>::new());
    let asked = server.await.unwrap();
    assert!(asked.iter().all(|one| one.starts_with("GET /pods.yaml HTTP/1.1\r\n")), "{asked:?}");
    assert!(asked.iter().all(|one| one.to_lowercase().contains("x-key: secret\r\n")), "{asked:?}");
    shutdown.cancel();
    source.await.unwrap();
}
