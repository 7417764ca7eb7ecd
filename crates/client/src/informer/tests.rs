//! Informers and the recorder against a tiny API server: scripted answers, requests recorded.

use super::*;
use crate::lean;
use crate::parts::{Fields, Part};
use crate::recorder::{EventRecorder, EventSource, EventType};
use clock::ManualClock;
use http_body_util::{BodyExt, Full, StreamBody};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::VecDeque;
use tokio::sync::mpsc;

type Answer = http::Response<http_body_util::combinators::UnsyncBoxBody<bytes::Bytes, std::io::Error>>;

/// Answers requests in the order of the script; past its end, requests wait for ever.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn json(&self, status: u16, body: &Value) -> &Self {
        let body = Full::new(bytes::Bytes::from(body.to_string())).map_err(|never| match never {}).boxed_unsync();
        self.answers.lock().unwrap().push_back(http::Response::builder().status(status).body(body).unwrap());
        self
    }

    /// A watch whose events the test sends; dropping the sender ends it.
    fn stream(&self) -> mpsc::UnboundedSender<Value> {
        let (sender, receiver) = mpsc::unbounded_channel::<Value>();
        let frames = futures::stream::unfold(receiver, |mut receiver| async {
            let line = format!("{}\n", receiver.recv().await?);
            Some((Ok(http_body::Frame::data(bytes::Bytes::from(line))), receiver))
        });
        let body = StreamBody::new(frames).boxed_unsync();
        self.answers.lock().unwrap().push_back(http::Response::new(body));
        sender
    }

    fn list(&self, version: &str, items: &[Value]) -> &Self {
        self.json(200, &json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}))
    }

    fn client(&self) -> Client {
        let script = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let script = script.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = String::from_utf8(body.to_vec()).unwrap();
                script.requests.lock().unwrap().push(format!("{} {} {body}", parts.method, parts.uri));
                let answer = script.answers.lock().unwrap().pop_front();
                match answer {
                    Some(answer) => Ok::<_, std::io::Error>(answer),
                    None => futures::future::pending().await,
                }
            }
        });
        Client::from_service(service, "test/1").unwrap()
    }

    async fn requests(&self, count: usize) -> Vec<String> {
        loop {
            let requests = self.requests.lock().unwrap().clone();
            if requests.len() >= count {
                return requests;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn object(name: &str, version: u32) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {
        "name": name, "namespace": "ns", "resourceVersion": version.to_string(), "managedFields": [{"manager": "m"}]}})
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

fn manual() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH))
}

fn show(change: Option<Change<ConfigMap>>) -> String {
    let Some(change) = change else { return "end".to_owned() };
    let version = |o: &Option<Arc<ConfigMap>>| {
        o.as_ref().map_or("-".to_owned(), |o| o.metadata.resource_version.clone().unwrap_or_default())
    };
    format!("{} {}>{}", change.key, version(&change.old), version(&change.new))
}

/// Moves the clock by milliseconds until `done`, and returns how far it went.
async fn advance_until(clock: &ManualClock, mut done: impl FnMut() -> bool) -> Duration {
    use clock::Clock;
    while !done() {
        clock.advance(Duration::from_millis(1));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(clock.monotonic() < Duration::from_secs(60), "it never came");
    }
    clock.monotonic()
}

#[tokio::test]
async fn lists_then_watches_and_drops_managed_fields() {
    let script = Script::default();
    script.list("10", &[object("a", 5)]);
    let watch = script.stream();
    let shutdown = Shutdown::new();
    let informer = InformerBuilder::<ConfigMap>::new(&script.client(), manual(), Selection::namespace("ns"))
        .index("name", |o| o.metadata.name.clone().into_iter().collect())
        .start(shutdown.clone());
    let mut changes = informer.subscribe();
    assert_eq!(show(changes.next().await), "ns/a ->5");
    assert!(informer.wait_synced().await);
    watch.send(event("MODIFIED", &object("a", 11))).unwrap();
    assert_eq!(show(changes.next().await), "ns/a 5>11");
    watch.send(event("ADDED", &object("b", 12))).unwrap();
    assert_eq!(show(changes.next().await), "ns/b ->12");
    assert_eq!(informer.store().by_index("name", "b").len(), 1);
    assert!(informer.store().by_index("name", "b")[0].metadata.managed_fields.is_none());
    watch.send(event("DELETED", &object("b", 13))).unwrap();
    assert_eq!(show(changes.next().await), "ns/b 12>-");
    assert!(informer.store().by_index("name", "b").is_empty());
    assert_eq!(show(informer.subscribe().next().await), "ns/a ->11");
    let requests = script.requests(2).await;
    assert!(requests[0].starts_with("GET /api/v1/namespaces/ns/configmaps?"), "{}", requests[0]);
    assert!(requests[1].contains("watch=true") && requests[1].contains("resourceVersion=10"), "{}", requests[1]);
    shutdown.cancel();
    assert_eq!(show(changes.next().await), "end");
}

#[tokio::test]
async fn after_a_gone_watch_it_lists_again_and_tells_the_difference() {
    let script = Script::default();
    script.list("10", &[object("a", 5), object("b", 6), object("c", 7)]);
    let watch = script.stream();
    script.list("20", &[object("b", 6), object("c", 17)]);
    let _second = script.stream();
    let clock = manual();
    let shutdown = Shutdown::new();
    let informer = InformerBuilder::<ConfigMap>::new(&script.client(), clock.clone(), Selection::all()).start(shutdown);
    assert!(informer.wait_synced().await);
    let mut changes = informer.subscribe();
    for _ in 0..3 {
        changes.next().await;
    }
    let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "too old", "reason": "Expired", "code": 410});
    watch.send(event("ERROR", &gone)).unwrap();
    advance_until(&clock, || script.requests.lock().unwrap().len() == 4).await;
    assert_eq!(show(changes.next().await), "ns/a 5>-");
    assert_eq!(show(changes.next().await), "ns/c 7>17");
    assert!(script.requests(4).await[3].contains("resourceVersion=20"));
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_makes_it_list_again() {
    let script = Script::default();
    script.list("10", &[object("a", 5)]);
    let watch = script.stream();
    script.list("20", &[object("a", 12)]);
    let _second = script.stream();
    let clock = manual();
    let informer =
        InformerBuilder::<ConfigMap>::new(&script.client(), clock.clone(), Selection::all()).start(Shutdown::new());
    let mut changes = informer.subscribe();
    assert_eq!(show(changes.next().await), "ns/a ->5");
    let strange =
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a", "resourceVersion": "11"}, "data": 5});
    watch.send(event("MODIFIED", &strange)).unwrap();
    advance_until(&clock, || script.requests.lock().unwrap().len() == 4).await;
    assert_eq!(show(changes.next().await), "ns/a 5>12");
    let requests = script.requests(4).await;
    assert!(!requests[2].contains("watch=true"), "it lists: {}", requests[2]);
    assert!(requests[3].contains("resourceVersion=20"), "{}", requests[3]);
}

#[tokio::test]
async fn a_closed_watch_goes_on_from_the_last_bookmark() {
    let script = Script::default();
    script.list("10", &[]);
    let watch = script.stream();
    let _second = script.stream();
    // What is trimmed of objects is not missed in bookmarks.
    const NAMES: Fields<'_> = Fields { named: &[("metadata", Part::Whole)], others: Part::Nothing };
    let informer = InformerBuilder::<ConfigMap>::new(&script.client(), manual(), Selection::all())
        .trim(Trim::new("names", &NAMES))
        .start(Shutdown::new());
    assert!(informer.wait_synced().await);
    let bookmark = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "99"}});
    watch.send(event("BOOKMARK", &bookmark)).unwrap();
    drop(watch);
    assert!(script.requests(3).await[2].contains("resourceVersion=99"));
}

#[tokio::test]
async fn failures_back_off_by_the_clock_and_pages_are_followed() {
    let script = Script::default();
    let refused = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": "Forbidden", "code": 403});
    script.json(403, &refused).json(403, &refused);
    script.json(
        200,
        &json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "7", "continue": "tok"}, "items": [object("a", 1)]}),
    );
    script.list("7", &[object("b", 2)]);
    let clock = manual();
    let informer =
        InformerBuilder::<ConfigMap>::new(&script.client(), clock.clone(), Selection::all()).start(Shutdown::new());
    script.requests(1).await;
    let second = advance_until(&clock, || script.requests.lock().unwrap().len() == 2).await;
    let third = advance_until(&clock, || script.requests.lock().unwrap().len() > 2).await;
    assert!(second >= RETRY.base && third >= second + RETRY.base * 2, "{second:?} {third:?}");
    assert!(informer.wait_synced().await);
    assert_eq!(informer.store().len(), 2);
    assert!(script.requests(4).await[3].contains("continue=tok"));
}

#[tokio::test]
async fn the_recorder_creates_counts_and_begins_anew_after_expiry() {
    let script = Script::default();
    let accepted = json!({"kind": "Event", "apiVersion": "v1", "metadata": {"name": "x"}, "involvedObject": {}});
    let not_found = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "gone", "reason": "NotFound", "code": 404});
    script.json(201, &accepted).json(200, &accepted).json(404, &not_found).json(201, &accepted);
    let source = EventSource::Core { component: "kubelet".to_owned(), host: "node1".to_owned() };
    let (recorder, task) = EventRecorder::new(script.client(), manual(), source);
    tokio::spawn(task.run(Shutdown::new()));
    let pod = k8s_openapi::api::core::v1::ObjectReference {
        kind: Some("Pod".to_owned()),
        namespace: Some("ns".to_owned()),
        name: Some("p".to_owned()),
        ..Default::default()
    };
    for _ in 0..3 {
        recorder.event(&pod, EventType::Warning, "BackOff", "again");
    }
    let requests = script.requests(4).await;
    expect_test::expect![[r#"
        POST /api/v1/namespaces/ns/events? {"apiVersion":"v1","kind":"Event","count":1,"firstTimestamp":"1970-01-01T00:00:00Z","involvedObject":{"kind":"Pod","name":"p","namespace":"ns"},"lastTimestamp":"1970-01-01T00:00:00Z","message":"again","metadata":{"name":"p.0","namespace":"ns"},"reason":"BackOff","reportingComponent":"kubelet","reportingInstance":"node1","source":{"component":"kubelet","host":"node1"},"type":"Warning"}
        PATCH /api/v1/namespaces/ns/events/p.0? {"count":2,"lastTimestamp":"1970-01-01T00:00:00Z","message":"again"}
        PATCH /api/v1/namespaces/ns/events/p.0? {"count":3,"lastTimestamp":"1970-01-01T00:00:00Z","message":"again"}
        POST /api/v1/namespaces/ns/events? {"apiVersion":"v1","kind":"Event","count":3,"firstTimestamp":"1970-01-01T00:00:00Z","involvedObject":{"kind":"Pod","name":"p","namespace":"ns"},"lastTimestamp":"1970-01-01T00:00:00Z","message":"again","metadata":{"name":"p.3","namespace":"ns"},"reason":"BackOff","reportingComponent":"kubelet","reportingInstance":"node1","source":{"component":"kubelet","host":"node1"},"type":"Warning"}"#]]
    .assert_eq(&requests.join("\n"));
}

#[tokio::test]
async fn informers_of_one_selection_share_their_objects_but_not_their_listeners() {
    let script = Script::default();
    script.list("10", &[object("a", 5)]);
    let watch = script.stream();
    let client = script.client();
    let (first_stop, second_stop) = (Shutdown::new(), Shutdown::new());
    let build = || InformerBuilder::<ConfigMap>::new(&client, manual(), Selection::namespace("ns"));
    let first = build().index("by", |o| o.metadata.name.clone().into_iter().collect()).start(first_stop.clone());
    assert!(first.wait_synced().await);
    let second = build().index("by", |o| o.metadata.namespace.clone().into_iter().collect()).start(second_stop.clone());
    assert!(second.wait_synced().await);
    let key = ObjectKey::namespaced("ns", "a");
    assert!(Arc::ptr_eq(&first.store().get(&key).unwrap(), &second.store().get(&key).unwrap()));
    assert_eq!((first.store().by_index("by", "a").len(), second.store().by_index("by", "a").len()), (1, 0));
    assert_eq!((first.store().by_index("by", "ns").len(), second.store().by_index("by", "ns").len()), (0, 1));
    let (mut of_first, mut of_second) = (first.subscribe(), second.subscribe());
    assert_eq!([show(of_first.next().await), show(of_second.next().await)], ["ns/a ->5", "ns/a ->5"]);
    first_stop.cancel();
    assert_eq!(show(of_first.next().await), "end");
    watch.send(event("MODIFIED", &object("a", 11))).unwrap();
    assert_eq!(show(of_second.next().await), "ns/a 5>11");
    second_stop.cancel();
    assert_eq!(show(of_second.next().await), "end");
    assert_eq!(script.requests(2).await.len(), 2, "one list and one watch");
}

/// Listed or watched: pods of one workload have their containers together, and so have two states of a pod.
#[tokio::test]
async fn what_is_equal_in_pods_is_held_once() {
    let pod = |name: &str, version: u32, image: &str| {
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "ns", "resourceVersion": version.to_string()},
            "spec": {"containers": [{"name": "c", "image": image}]}})
    };
    let script = Script::default();
    script.list("10", &[pod("a", 5, "i"), pod("b", 6, "i")]);
    let watch = script.stream();
    let shutdown = Shutdown::new();
    let informer = InformerBuilder::<lean::Pod>::new(&script.client(), manual(), Selection::namespace("ns"))
        .trim(lean::CONTROL_PLANE_PODS)
        .start(shutdown.clone());
    let mut changes = informer.subscribe();
    let mut next = async || changes.next().await.unwrap().new.unwrap().spec.clone().unwrap().containers;
    let (first, second) = (next().await, next().await);
    assert!(Arc::ptr_eq(&first, &second));
    watch.send(event("MODIFIED", &pod("b", 11, "i"))).unwrap();
    assert!(Arc::ptr_eq(&first, &next().await));
    watch.send(event("ADDED", &pod("c", 12, "other"))).unwrap();
    assert_eq!(next().await[0].image.as_deref(), Some("other"));
    shutdown.cancel();
}
