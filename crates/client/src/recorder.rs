//! Recording events: callers drop a note into a bounded queue and go on; one task correlates, sends and retries.
//!
//! Two dialects, as upstream's components have them: core/v1 with `source` and counts (kubelet, controllers), and
//! events.k8s.io/v1 with `reportingController`, `action` and series (scheduler).

use crate::correlator::{self, Correlator};
use crate::series::{self, SeriesBook};
use crate::{Client, Error, ObjectKey, PatchKind, Shutdown};
use clock::SharedClock;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::{Event as CoreEvent, EventSource as CoreSource, ObjectReference};
use k8s_openapi::api::events::v1::Event as SeriesEvent;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use kube::Resource;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Notes that wait to be sent; more are dropped and logged (upstream: `maxQueuedEvents`).
const QUEUE_LENGTH: usize = 1000;
/// Attempts to send one event while the server does not answer (`maxTriesPerEvent`).
const MAX_TRIES: u32 = 12;
/// Wait between two attempts (`defaultSleepDuration`).
const RETRY_WAIT: Duration = Duration::from_secs(10);
/// Events of the series dialect that are being created at once: a scheduler places thousands of pods in a second, and each
/// request waits for the disk.
const MAX_IN_FLIGHT: usize = 32;
/// Longest message the API takes, in bytes (`NoteLengthLimit`).
const NOTE_LIMIT_BYTES: usize = 1024;

/// Who reports, and in which API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventSource {
    /// core/v1 events: `source.component` and `source.host` (empty for components that are on no node).
    Core {
        /// `kubelet`, `node-controller`, …
        component: String,
        /// The node's name.
        host: String,
    },
    /// events.k8s.io/v1 events.
    Series {
        /// `reportingController`: `default-scheduler`, …
        controller: String,
        /// `reportingInstance`: `default-scheduler-<hostname>`.
        instance: String,
    },
}

/// `type` of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// `Normal`
    Normal,
    /// `Warning`
    Warning,
}

impl EventType {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

#[derive(Debug)]
struct Note {
    regarding: ObjectReference,
    related: Option<ObjectReference>,
    event_type: EventType,
    reason: String,
    action: String,
    message: String,
    at: jiff::Timestamp,
}

/// Drops notes into the queue. Cheap to clone; never blocks.
#[derive(Clone, Debug)]
pub struct EventRecorder {
    queue: mpsc::Sender<Note>,
    clock: SharedClock,
    dropped: Arc<AtomicU64>,
}

/// The other end: to be run on a task of its own.
#[derive(Debug)]
pub struct RecorderTask {
    queue: mpsc::Receiver<Note>,
    sender: Sender,
    clock: SharedClock,
    source: EventSource,
    last_name_nanosecond: i128,
}

/// Sends, and tries again while the server does not answer.
#[derive(Clone, Debug)]
struct Sender {
    client: Client,
    clock: SharedClock,
}

/// A reference to `object` as events carry it.
pub fn reference<K: Resource<DynamicType = ()>>(object: &K) -> ObjectReference {
    ObjectReference { resource_version: object.meta().resource_version.clone(), ..object.object_ref(&()) }
}

impl EventRecorder {
    /// A recorder, and the task that sends what it records.
    pub fn new(client: Client, clock: SharedClock, source: EventSource) -> (Self, RecorderTask) {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        let task = RecorderTask {
            queue: receiver,
            sender: Sender { client, clock: clock.clone() },
            clock: clock.clone(),
            source,
            last_name_nanosecond: i128::MIN,
        };
        (Self { queue: sender, clock, dropped: Arc::default() }, task)
    }

    /// Records an event about `regarding`. `fieldPath` in the reference names the container (`spec.containers{c}`).
    pub fn event(
        &self,
        regarding: &ObjectReference,
        event_type: EventType,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.event_with_action(regarding, None, event_type, reason, "", message);
    }

    /// Records an event with what only events.k8s.io has: a related object, and the action taken.
    pub fn event_with_action(
        &self,
        regarding: &ObjectReference,
        related: Option<&ObjectReference>,
        event_type: EventType,
        reason: impl Into<String>,
        action: impl Into<String>,
        message: impl Into<String>,
    ) {
        let note = Note {
            regarding: regarding.clone(),
            related: related.cloned(),
            event_type,
            reason: reason.into(),
            action: action.into(),
            message: message.into(),
            at: self.clock.now(),
        };
        if let Err(error) = self.queue.try_send(note) {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            // said at the first, second, fourth … : the log must not become the next thing that is too slow
            if dropped.is_power_of_two() {
                tracing::warn!(%error, dropped, "event dropped: too many are waiting, or the recorder has stopped");
            }
        }
    }
}

impl RecorderTask {
    /// Sends events until `shutdown`.
    pub async fn run(mut self, shutdown: Shutdown) {
        let work = async {
            match &self.source {
                EventSource::Core { .. } => self.run_core().await,
                EventSource::Series { .. } => self.run_series().await,
            }
        };
        let stopped = shutdown.cancelled();
        futures::pin_mut!(work, stopped);
        futures::future::select(work, stopped).await;
    }

    async fn run_core(&mut self) {
        let mut correlator = Correlator::default();
        while let Some(note) = self.queue.recv().await {
            let event = self.core_event(note);
            match correlator.decide(event, self.clock.monotonic()) {
                correlator::Decision::Drop => {}
                correlator::Decision::Create(event) => {
                    if let Some(event) = self.sender.create(event).await {
                        correlator.sent(&event);
                    }
                }
                correlator::Decision::Count(event) => {
                    if let Some(event) = self.count(event).await {
                        correlator.sent(&event);
                    }
                }
            }
        }
    }

    async fn run_series(&mut self) {
        let mut book = SeriesBook::default();
        let mut refresh = self.clock.sleep(series::REFRESH_PERIOD);
        let mut finish = self.clock.sleep(series::FINISH_TIME);
        let mut sending: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
        loop {
            let due = tokio::select! {
                Some(()) = sending.next(), if !sending.is_empty() => continue,
                note = self.queue.recv(), if sending.len() < MAX_IN_FLIGHT => {
                    let Some(note) = note else { return };
                    let at = note.at;
                    let event = self.series_event(note);
                    match book.decide(event, at) {
                        series::Decision::Nothing => {}
                        series::Decision::Create(event) => {
                            let sender = self.sender.clone();
                            sending.push(Box::pin(async move { drop(sender.create(event).await) }));
                        }
                        series::Decision::Patch(event) => {
                            // it may be of one that is being created
                            while sending.next().await.is_some() {}
                            self.sender.patch_series(event).await;
                        }
                    }
                    continue;
                }
                () = &mut refresh => {
                    refresh = self.clock.sleep(series::REFRESH_PERIOD);
                    book.refresh()
                }
                () = &mut finish => {
                    finish = self.clock.sleep(series::FINISH_TIME);
                    book.finish(self.clock.now())
                }
            };
            while sending.next().await.is_some() {}
            for event in due {
                self.sender.patch_series(event).await;
            }
        }
    }

    /// Makes names unique within this recorder even when the clock stands still.
    fn name(&mut self, object: &ObjectReference, at: jiff::Timestamp) -> ObjectMeta {
        let nanosecond = at.as_nanosecond().max(self.last_name_nanosecond.saturating_add(1));
        self.last_name_nanosecond = nanosecond;
        let name = object.name.as_deref().unwrap_or_default();
        let namespace = object.namespace.clone().filter(|n| !n.is_empty()).unwrap_or_else(|| "default".to_owned());
        ObjectMeta { name: Some(format!("{name}.{nanosecond:x}")), namespace: Some(namespace), ..ObjectMeta::default() }
    }

    fn core_event(&mut self, note: Note) -> CoreEvent {
        let metadata = self.name(&note.regarding, note.at);
        let (component, host) = match &self.source {
            EventSource::Core { component, host } => (component.clone(), host.clone()),
            EventSource::Series { controller, instance } => (controller.clone(), instance.clone()),
        };
        CoreEvent {
            metadata,
            involved_object: note.regarding,
            type_: Some(note.event_type.as_str().to_owned()),
            reason: Some(note.reason),
            message: Some(note.message),
            count: Some(1),
            first_timestamp: Some(Time(note.at)),
            last_timestamp: Some(Time(note.at)),
            reporting_component: Some(component.clone()),
            reporting_instance: Some(host.clone()),
            source: Some(CoreSource { component: Some(component), host: Some(host).filter(|host| !host.is_empty()) }),
            ..CoreEvent::default()
        }
    }

    fn series_event(&mut self, note: Note) -> SeriesEvent {
        let metadata = self.name(&note.regarding, note.at);
        let (controller, instance) = match &self.source {
            EventSource::Series { controller, instance } => (controller.clone(), instance.clone()),
            EventSource::Core { component, host } => (component.clone(), host.clone()),
        };
        SeriesEvent {
            metadata,
            event_time: Some(MicroTime(note.at)),
            reporting_controller: Some(controller),
            reporting_instance: Some(instance),
            action: Some(note.action),
            reason: Some(note.reason),
            regarding: Some(note.regarding),
            related: note.related,
            note: Some(cut(note.message)),
            type_: Some(note.event_type.as_str().to_owned()),
            ..SeriesEvent::default()
        }
    }

    /// Raises the count on the server. When the event has expired there, it begins anew.
    async fn count(&mut self, mut event: CoreEvent) -> Option<CoreEvent> {
        let key = ObjectKey::of(&event);
        let patch = json!({"count": event.count, "lastTimestamp": event.last_timestamp, "message": event.message});
        let sender = self.sender.clone();
        let sent = sender.send("patch", || sender.client.patch::<CoreEvent>(&key, PatchKind::Strategic, &patch)).await;
        match sent {
            Ok(_) => Some(event),
            Err(Some(error)) if error.is_not_found() => {
                event.metadata = self.name(&event.involved_object, self.clock.now());
                sender.create(event).await
            }
            Err(_) => None,
        }
    }
}

impl Sender {
    async fn create<E: crate::verbs::Typed>(&self, event: E) -> Option<E> {
        self.send("create", || self.client.create_unread(&event)).await.ok().map(|()| event)
    }

    async fn patch_series(&self, mut event: SeriesEvent) {
        let key = ObjectKey::of(&event);
        let patch = json!({"series": event.series});
        let sent = self.send("patch", || self.client.patch::<SeriesEvent>(&key, PatchKind::Strategic, &patch)).await;
        if let Err(Some(error)) = sent
            && error.is_not_found()
        {
            event.series = None;
            self.create(event).await;
        }
    }

    /// Sends until the server answers, at most [`MAX_TRIES`] times. `Err(Some(_))`: the server said no.
    async fn send<R, F>(&self, verb: &str, request: impl Fn() -> F) -> Result<R, Option<Error>>
    where
        F: Future<Output = Result<R, Error>> + Send,
    {
        for attempt in 1..=MAX_TRIES {
            match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.status().is_some() => {
                    tracing::debug!(verb, %error, "the server refused an event");
                    return Err(Some(error));
                }
                Err(error) => {
                    tracing::debug!(verb, attempt, %error, "cannot send an event");
                    self.clock.sleep(RETRY_WAIT).await;
                }
            }
        }
        tracing::warn!(verb, "an event was given up: the API server does not answer");
        Err(None)
    }
}

/// Cuts a note to the API's limit, at a character boundary.
fn cut(mut note: String) -> String {
    if note.len() > NOTE_LIMIT_BYTES {
        let end = (0..=NOTE_LIMIT_BYTES - 3).rev().find(|&end| note.is_char_boundary(end)).unwrap_or(0);
        note.truncate(end);
        note.push_str("...");
    }
    note
}
