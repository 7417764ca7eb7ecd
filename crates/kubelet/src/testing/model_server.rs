//! A small API server for simulations: objects, revisions, watches, and every way in which a request or a watch can go
//! wrong, at moments that a seed chooses.
//!
//! What not: validation, defaults, admission, selection (there is one node, and all pods are its).

mod objects;

use bytes::Bytes;
use client::Client;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use objects::{Asked, Objects, status};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{oneshot, watch};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;
/// Status code and body.
type Answer = (u16, Value);

/// What watches depend on beside the log.
#[derive(Debug, Clone, Copy)]
struct Control {
    up: bool,
    /// Watches show nothing after this revision.
    visible: u64,
    /// Watches that were opened under another number end.
    cut: u64,
}

/// What waits until [`ModelServer::release`].
#[derive(Debug)]
enum Held {
    /// Was carried out, and the answer is on its way.
    Answer(Answer, oneshot::Sender<Answer>),
    /// Is on its way itself: whoever sent it may be no more when it arrives.
    Request(Asked, oneshot::Sender<Answer>),
}

#[derive(Debug)]
struct State {
    objects: Objects,
    lagging: bool,
    /// How many of a hundred writes go wrong.
    faults_percent: u32,
    rng: StdRng,
    held: Vec<Held>,
}

/// The server. It outlives every kubelet that talks to it.
#[derive(Debug)]
pub(crate) struct ModelServer {
    state: Mutex<State>,
    control: watch::Sender<Control>,
}

fn lost() -> BoxError {
    std::io::Error::other("connection lost").into()
}

impl ModelServer {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let state = State {
            objects: Objects::default(),
            lagging: false,
            faults_percent: 0,
            rng: StdRng::seed_from_u64(seed),
            held: Vec::new(),
        };
        let control = watch::Sender::new(Control { up: true, visible: 0, cut: 0 });
        Arc::new(Self { state: Mutex::new(state), control })
    }

    /// A client on it; to be made inside of a tokio runtime.
    pub(crate) fn client(self: &Arc<Self>) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { server.answer(request).await }
        });
        Client::from_service(service, "kubelet/v1.36.2").unwrap()
    }

    /// Reads and writes as somebody else does, past all faults.
    pub(crate) fn objects<T>(&self, act: impl FnOnce(&mut Objects) -> T) -> T {
        let mut state = self.state();
        let result = act(&mut state.objects);
        self.show(&state);
        result
    }

    /// Ends all connections, and what waits on them; takes new ones only when `up`.
    pub(crate) fn set_up(&self, up: bool) {
        self.state().held.clear();
        self.control.send_modify(|control| {
            control.up = up;
            control.cut += 1;
        });
    }

    /// Ends all watches; who watched before the newest change has to list again.
    pub(crate) fn compact(&self) {
        self.state().objects.compact();
        self.cut_watches();
    }

    pub(crate) fn cut_watches(&self) {
        self.control.send_modify(|control| control.cut += 1);
    }

    /// While it lags, watches show nothing new; requests are answered.
    pub(crate) fn set_lagging(&self, lagging: bool) {
        let mut state = self.state();
        state.lagging = lagging;
        self.show(&state);
    }

    pub(crate) fn set_faults(&self, percent: u32) {
        self.state().faults_percent = percent;
    }

    /// Lets everything arrive that is on its way, in any order.
    pub(crate) fn release(&self) {
        let mut state = self.state();
        let mut held = std::mem::take(&mut state.held);
        held.shuffle(&mut state.rng);
        for held in held {
            // who waited may be gone
            let _ = match held {
                Held::Answer(answer, sender) => sender.send(answer),
                Held::Request(asked, sender) => sender.send(state.objects.serve(&asked)),
            };
        }
        self.show(&state);
    }

    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Reply, BoxError> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        if !self.control.borrow().up {
            return Err(lost());
        }
        let query = parts.uri.query().unwrap_or_default();
        if query.split('&').any(|pair| pair == "watch=true") {
            let version = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
            return Ok(self.watch(parts.uri.path(), version.and_then(|text| text.parse().ok()).unwrap_or(0)));
        }
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        let asked = Asked { method: parts.method, path: parts.uri.path().to_owned(), body };
        Ok(reply(self.deliver(asked).await?))
    }

    /// The request's way there, and the answer's way back.
    async fn deliver(&self, asked: Asked) -> Result<Answer, BoxError> {
        let later = {
            let mut state = self.state();
            let (sender, receiver) = oneshot::channel();
            let fails = asked.method != Method::GET && state.rng.random_range(0..100) < state.faults_percent;
            match fails.then(|| state.rng.random_range(0..4)) {
                None => {
                    let answer = state.objects.serve(&asked);
                    self.show(&state);
                    return Ok(answer);
                }
                Some(0) => return Err(lost()),
                Some(1) => {
                    state.objects.serve(&asked);
                    self.show(&state);
                    return Err(lost());
                }
                Some(2) => {
                    let answer = state.objects.serve(&asked);
                    self.show(&state);
                    state.held.push(Held::Answer(answer, sender));
                }
                Some(_) => state.held.push(Held::Request(asked, sender)),
            }
            receiver
        };
        later.await.map_err(|_| lost())
    }

    fn show(&self, state: &State) {
        if !state.lagging {
            self.control.send_modify(|control| control.visible = state.objects.revision());
        }
    }

    fn watch(self: Arc<Self>, path: &str, from: u64) -> Reply {
        if self.state().objects.is_compacted(from) {
            return reply(status(410, "Expired"));
        }
        let (receiver, path) = (self.control.subscribe(), path.to_owned());
        let cut = receiver.borrow().cut;
        let lines = futures::stream::unfold(
            (self, receiver, path, from),
            move |(server, mut receiver, path, last)| async move {
                loop {
                    let control = *receiver.borrow_and_update();
                    if !control.up || control.cut != cut {
                        return None;
                    }
                    let next = server.state().objects.event_after(&path, last, control.visible);
                    if let Some((revision, event)) = next {
                        let frame: Result<_, BoxError> = Ok(Frame::data(Bytes::from(format!("{event}\n"))));
                        return Some((frame, (server, receiver, path, revision)));
                    }
                    receiver.changed().await.ok()?;
                }
            },
        );
        Response::new(StreamBody::new(lines).boxed_unsync())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn reply((code, value): Answer) -> Reply {
    let body = Full::new(Bytes::from(value.to_string())).map_err(|never| match never {}).boxed_unsync();
    Response::builder().status(code).header("content-type", "application/json").body(body).unwrap()
}
