//! The list-and-watch protocol as a state machine: what to ask the server next, and what its answers mean.
//!
//! What not: back-off and the store; [`crate::informer`] does those. A failed step leaves the state from which to try
//! again: from the last seen resource version where the server may still know it, from a new list where it does not.

use crate::direct::{Direct, DirectEvent, DirectEvents};
use crate::parts::{self, Fields, Part};
use crate::{Error, Object};
use futures::stream::BoxStream;
use futures::{AsyncBufRead, AsyncBufReadExt, StreamExt};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::{ObjectList, Request, Status};
use serde::de::IgnoredAny;
use std::sync::Arc;

/// Objects in one answer of a list: bounds the memory that one answer takes. As client-go's pager.
const PAGE_SIZE: u32 = 500;
/// How long one watch request lasts at most, in seconds. kube's client gives up reading after 295.
pub(crate) const WATCH_TIMEOUT_SECONDS: u32 = 290;

/// Which objects of a kind are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selection {
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// A label selector in its text form.
    pub labels: Option<String>,
    /// A field selector in its text form, as `spec.nodeName=node1`.
    pub fields: Option<String>,
}

impl Selection {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// One namespace.
    pub fn namespace(namespace: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), ..Self::default() }
    }

    /// By field selector, in all namespaces.
    pub fn fields(fields: impl Into<String>) -> Self {
        Self { fields: Some(fields.into()), ..Self::default() }
    }

    /// By label selector, in all namespaces.
    pub fn labels(labels: impl Into<String>) -> Self {
        Self { labels: Some(labels.into()), ..Self::default() }
    }
}

/// What one step of the protocol found.
#[derive(Debug)]
pub(crate) enum Step<K> {
    /// The complete list: what is not in it does not exist any more.
    Listed(Vec<K>),
    /// The watch is open; changes since the list follow.
    Opened,
    /// Added or changed.
    Applied(K),
    /// Deleted; the last state of the object.
    Deleted(K),
    /// Time has passed without changes.
    Bookmark,
    /// The server ended the watch in good order.
    Ended,
}

/// What a watch says, whichever way it comes.
pub(crate) enum Heard<K> {
    Applied(K),
    Deleted(K),
    Bookmark(String),
}

type Events<K> = BoxStream<'static, Result<Heard<K>, Error>>;

/// Where the protocol stands.
pub(crate) enum State<K> {
    /// Nothing is known.
    Empty,
    /// Everything up to this version is known, and no watch is open.
    Known { resource_version: String },
    /// A watch is open.
    Watching { resource_version: String, stream: Events<K> },
}

/// What to ask: fixed for the life of an informer.
#[derive(Clone)]
pub(crate) struct Source {
    pub client: kube::Client,
    /// Where the server is in this process, the way to it that needs no connection.
    pub direct: Option<Arc<dyn Direct>>,
    pub url_path: String,
    pub selection: Selection,
    pub metadata_only: bool,
    /// What of each object is decoded.
    pub fields: &'static Fields<'static>,
}

/// One request or one event further. The state for the next step comes back in any case.
pub(crate) async fn step<K: Object>(source: &Source, state: State<K>) -> (State<K>, Result<Step<K>, Error>) {
    match state {
        State::Empty => match begin(source).await {
            Ok((state, step)) => (state, Ok(step)),
            Err(error) => (State::Empty, Err(error)),
        },
        State::Known { resource_version } => match source.open_watch(&resource_version).await {
            Ok(stream) => (State::Watching { resource_version, stream }, Ok(Step::Opened)),
            Err(error) if error.is_expired() => (State::Empty, Err(error)),
            Err(error) => (State::Known { resource_version }, Err(error)),
        },
        State::Watching { resource_version, mut stream } => match stream.next().await {
            Some(Ok(event)) => on_event(event, resource_version, stream),
            Some(Err(error)) => after_error(error, resource_version),
            None => (State::Known { resource_version }, Ok(Step::Ended)),
        },
    }
}

/// From nothing: a list, or a watch that begins with what there is.
async fn begin<K: Object>(source: &Source) -> Result<(State<K>, Step<K>), Error> {
    let Some(direct) = &source.direct else {
        let (items, resource_version) = source.list_all().await?;
        return Ok((State::Known { resource_version }, Step::Listed(items)));
    };
    let mut events = direct.watch(source.watch_request("0", true)?).await?;
    let mut items = Vec::new();
    while let Some(event) = events.next().await {
        match event? {
            DirectEvent::Applied(json) => items.push(source.decode(&json)?),
            DirectEvent::Bookmark { resource_version, initial_events_end: true } => {
                let stream = source.decoded(events);
                return Ok((State::Watching { resource_version, stream }, Step::Listed(items)));
            }
            DirectEvent::Deleted(_) | DirectEvent::Bookmark { .. } => {}
        }
    }
    Ok((State::Empty, Step::Ended))
}

fn on_event<K: Object>(
    event: Heard<K>,
    resource_version: String,
    stream: Events<K>,
) -> (State<K>, Result<Step<K>, Error>) {
    let version_of = |object: &K| object.meta().resource_version.clone().unwrap_or_else(|| resource_version.clone());
    match event {
        Heard::Applied(object) => {
            (State::Watching { resource_version: version_of(&object), stream }, Ok(Step::Applied(object)))
        }
        Heard::Deleted(object) => {
            (State::Watching { resource_version: version_of(&object), stream }, Ok(Step::Deleted(object)))
        }
        Heard::Bookmark(resource_version) => (State::Watching { resource_version, stream }, Ok(Step::Bookmark)),
    }
}

fn after_error<K>(error: Error, resource_version: String) -> (State<K>, Result<Step<K>, Error>) {
    let state = match &error {
        // What could not be decoded would come again: only a list gets past it.
        Error::Decode(_) => State::Empty,
        error if error.is_expired() => State::Empty,
        _ => State::Known { resource_version },
    };
    (state, Err(error))
}

impl Source {
    async fn list_all<K: Object>(&self) -> Result<(Vec<K>, String), Error> {
        let mut params = ListParams {
            label_selector: self.selection.labels.clone(),
            field_selector: self.selection.fields.clone(),
            limit: Some(PAGE_SIZE),
            ..ListParams::default()
        };
        let mut items = Vec::new();
        loop {
            let target = Request::new(&self.url_path);
            let request = if self.metadata_only { target.list_metadata(&params) } else { target.list(&params) }?;
            let text = self.client.request_text(request).await?;
            let fields = Fields { named: &[("items", Part::Fields(self.fields))], others: Part::Whole };
            let page: ObjectList<K> = parts::from_slice(text.as_bytes(), &fields).map_err(Error::Decode)?;
            items.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok((items, page.metadata.resource_version.unwrap_or_default())),
            }
        }
    }

    fn watch_request(&self, after: &str, send_initial_events: bool) -> Result<http::Request<Vec<u8>>, Error> {
        let params = WatchParams {
            label_selector: self.selection.labels.clone(),
            field_selector: self.selection.fields.clone(),
            timeout: Some(WATCH_TIMEOUT_SECONDS),
            bookmarks: true,
            send_initial_events,
        };
        let target = Request::new(&self.url_path);
        let watch =
            if self.metadata_only { target.watch_metadata(&params, after) } else { target.watch(&params, after) };
        Ok(watch?)
    }

    fn decode<K: Object>(&self, json: &[u8]) -> Result<K, Error> {
        parts::from_slice(json, self.fields).map_err(Error::Decode)
    }

    /// Events that came without a connection.
    fn decoded<K: Object>(&self, events: DirectEvents) -> Events<K> {
        let source = self.clone();
        let decode = move |event| {
            Ok(match event? {
                DirectEvent::Applied(json) => Heard::Applied(source.decode(&json)?),
                DirectEvent::Deleted(json) => Heard::Deleted(source.decode(&json)?),
                DirectEvent::Bookmark { resource_version, .. } => Heard::Bookmark(resource_version),
            })
        };
        events.map(decode).boxed()
    }

    async fn open_watch<K: Object>(&self, resource_version: &str) -> Result<Events<K>, Error> {
        let mut request = self.watch_request(resource_version, false)?;
        if let Some(direct) = &self.direct {
            return Ok(self.decoded(direct.watch(request).await?));
        }
        // Events would wait for a compressor to have enough of them.
        let plain = http::HeaderValue::from_static("identity");
        request.headers_mut().insert(http::header::ACCEPT_ENCODING, plain);
        let lines = Box::pin(self.client.request_stream(request).await?);
        let state = (lines, self.clone(), Vec::new());
        Ok(futures::stream::unfold(state, |(mut lines, source, mut line)| async move {
            let event = source.next_event(&mut lines, &mut line).await?;
            Some((event, (lines, source, line)))
        })
        .boxed())
    }

    /// The next line of a watch; `None` at its end, to which half a line belongs.
    async fn next_event<K: Object>(
        &self,
        lines: &mut (impl AsyncBufRead + Unpin),
        line: &mut Vec<u8>,
    ) -> Option<Result<Heard<K>, Error>> {
        line.clear();
        if let Err(error) = lines.read_until(b'\n', line).await {
            return Some(Err(Error::Transport(kube::Error::ReadEvents(error))));
        }
        if !line.ends_with(b"\n") {
            return None;
        }
        Some(self.decode_line(line))
    }

    fn decode_line<K: Object>(&self, line: &[u8]) -> Result<Heard<K>, Error> {
        let fields = Fields { named: &[("object", Part::Fields(self.fields))], others: Part::Whole };
        let unreadable = match parts::from_slice::<WatchEvent<K>>(line, &fields) {
            Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => return Ok(Heard::Applied(object)),
            Ok(WatchEvent::Deleted(object)) => return Ok(Heard::Deleted(object)),
            Ok(WatchEvent::Bookmark(_) | WatchEvent::Error(_)) => None,
            Err(error) => Some(error),
        };
        // Bookmarks and errors are of other types, of which other fields count.
        match serde_json::from_slice::<WatchEvent<IgnoredAny>>(line) {
            Ok(WatchEvent::Bookmark(bookmark)) => Ok(Heard::Bookmark(bookmark.metadata.resource_version)),
            Ok(WatchEvent::Error(status)) => Err(Error::Status(status)),
            Ok(_) => {
                Err(Error::Decode(unreadable.unwrap_or_else(|| serde::de::Error::custom("an event of two types"))))
            }
            // A server may answer with the bare status of an error. All of its fields are optional: an event that cannot
            // be read is not one.
            Err(error) => {
                let status = serde_json::from_slice::<Status>(line).ok().filter(|status| status.status.is_some());
                Err(status.map_or(Error::Decode(error), |status| Error::Status(Box::new(status))))
            }
        }
    }
}
