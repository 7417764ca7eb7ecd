//! Nodes against an API that keeps one lease by the rules of all: an update names the version that it replaces.

use super::*;
use bytes::Bytes;
use clock::{Clock, ManualClock};
use http::{Method, Response};
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};

/// The lease's version (`None`: there is none), and when it was renewed, in order.
#[derive(Default)]
struct Api {
    version: Option<u64>,
    renewals: Vec<String>,
}

type Shared = Arc<Mutex<Api>>;

fn refusal(code: u16, reason: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": reason}),
    )
}

impl Api {
    fn put(&mut self, lease: &Value) -> (u16, Value) {
        match (self.version, lease["metadata"]["resourceVersion"].as_str()) {
            (Some(_), None) => return refusal(422, "Invalid"),
            (Some(present), Some(named)) if present.to_string() != named => return refusal(409, "Conflict"),
            (None, Some(_)) => return refusal(404, "NotFound"),
            _ => {}
        }
        let version = self.version.unwrap_or(0) + 1;
        self.version = Some(version);
        self.renewals.push(lease["spec"]["renewTime"].as_str().unwrap_or_default().to_owned());
        self.get()
    }

    fn get(&self) -> (u16, Value) {
        self.version.map_or_else(
            || refusal(404, "NotFound"),
            |version| (200, json!({"metadata": {"name": "simulated-0", "resourceVersion": version.to_string()}})),
        )
    }
}

fn client(api: &Shared) -> Client {
    let api = api.clone();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let api = api.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let of_lease = parts.uri.path().contains("/leases/");
            let mut api = api.lock().unwrap_or_else(PoisonError::into_inner);
            let (code, answer) = match parts.method {
                Method::PUT if of_lease => api.put(&serde_json::from_slice(&body).unwrap()),
                Method::GET if of_lease => api.get(),
                _ => (200, json!({"metadata": {"name": "simulated-0", "uid": "u", "resourceVersion": "1"}})),
            };
            let answer = Full::new(Bytes::from(answer.to_string()));
            Ok::<_, std::io::Error>(Response::builder().status(code).body(answer).unwrap())
        }
    });
    Client::from_service(service, "test/1").unwrap()
}

/// Moves the clock by a second at a time until there are so many renewals.
async fn until_renewals(clock: &ManualClock, api: &Shared, count: usize) -> Vec<String> {
    loop {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let renewals = api.lock().unwrap().renewals.clone();
        if renewals.len() >= count {
            return renewals;
        }
        clock.advance(Duration::from_secs(1));
        assert!(clock.monotonic() < Duration::from_secs(600), "only {renewals:?}");
    }
}

#[tokio::test]
async fn leases_are_renewed_in_every_round_whatever_happens_to_them() {
    for found in [None, Some(7)] {
        let api = Shared::default();
        api.lock().unwrap().version = found; // of an earlier run
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
        let stop = Shutdown::new();
        let (config, shared): (Config, SharedClock) = (Config::default(), clock.clone());
        let (client, stopped) = (client(&api), stop.clone());
        let running = tokio::spawn(async move { run(&config, &client, &shared, &stopped).await });
        assert_eq!(until_renewals(&clock, &api, 4).await[3], "1970-01-01T00:00:30.000000Z");
        api.lock().unwrap().version = Some(100); // somebody else has written it
        assert_eq!(until_renewals(&clock, &api, 6).await[5], "1970-01-01T00:00:50.000000Z");
        api.lock().unwrap().version = None; // deleted: noticed in one round, made in the next
        assert_eq!(until_renewals(&clock, &api, 8).await[7], "1970-01-01T00:01:20.000000Z");
        stop.cancel();
        running.await.unwrap();
    }
}
