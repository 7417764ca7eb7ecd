//! What a request says beside its object: options of deletions, and of lists.

mod harness;

use harness::{JSON, admin, send, start};
use http::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_of_deletions_are_decoded_by_their_type() {
    const PATH: &str = "/api/v1/namespaces/default/configmaps/a";
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let made = json!({"metadata": {"name": "a"}}).to_string();
    assert_eq!(send(&admin, Method::POST, "/api/v1/namespaces/default/configmaps", JSON, made).await.0, 201);
    let wrong = json!({"gracePeriodSeconds": "soon"}).to_string();
    let (code, refused) = send(&admin, Method::DELETE, PATH, JSON, wrong).await;
    let message = "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64";
    assert_eq!((code, &refused["message"]), (400, &json!(message)));
    assert_eq!(send(&admin, Method::DELETE, PATH, "text/plain", "{}").await.0, 415);
    assert_eq!(send(&admin, Method::GET, PATH, JSON, "").await.0, 200);
    assert_eq!(send(&admin, Method::DELETE, PATH, JSON, "{}").await.0, 200);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_one_name_has_no_pages() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let page = async |more: &str| {
        let (code, page) = send(&admin, Method::GET, &format!("/api/v1/namespaces?limit=1{more}"), JSON, "").await;
        assert_eq!(code, 200, "{page}");
        (page["items"].as_array().map(Vec::len), page["metadata"].get("continue").is_some())
    };
    assert_eq!(page("").await, (Some(1), true));
    assert_eq!(page("&fieldSelector=metadata.name%3Ddefault").await, (Some(1), false));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_read_before_the_revision_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory).await;
    let admin = admin(&server);
    let list = async |query: &str| send(&admin, Method::GET, &format!("/api/v1/namespaces?{query}"), JSON, "").await;
    let (_, page) = list("limit=1").await;
    let token = page["metadata"]["continue"].as_str().unwrap();
    let (code, refused) = list("continue=invalid&resourceVersion=5").await;
    let words = refused["message"].as_str().unwrap();
    assert!(code == 400 && words.starts_with("invalid continue token: continue key is not valid"), "{words}");
    let (code, refused) = list(&format!("continue={token}&resourceVersion=5")).await;
    let words = "specifying resource version is not allowed when using continue";
    assert_eq!((code, refused["message"].as_str()), (400, Some(words)));
    server.shutdown().await;
}
