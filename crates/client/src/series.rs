//! When does an events.k8s.io/v1 event become a series: the rules of `client-go/tools/events`, pure.
//!
//! The first of its kind is created; the second makes it a series of 2, sent at once; later ones count silently and are
//! sent every half hour, and once more when the series has been quiet for six minutes.

use jiff::Timestamp;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use std::collections::HashMap;
use std::time::Duration;

/// How often a running series is sent (`refreshTime`).
pub(crate) const REFRESH_PERIOD: Duration = Duration::from_secs(30 * 60);
/// After this silence a series is over (`finishTime`); also how often it is looked for.
pub(crate) const FINISH_TIME: Duration = Duration::from_secs(6 * 60);
/// Kinds of events remembered (`maxLruCacheEntries` of the other recorder; upstream has no bound here).
const MEMORY_ENTRIES: usize = 4096;

/// What to send.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Counted, nothing to send now.
    Nothing,
    /// POST.
    Create(Event),
    /// PATCH `series` of the event of this name; POST it, without series, when it is gone.
    Patch(Event),
}

/// The memory of a recorder of events.k8s.io/v1 events.
#[derive(Debug, Default)]
pub(crate) struct SeriesBook {
    events: HashMap<Box<str>, Box<Event>>,
}

impl SeriesBook {
    /// Decides about an event that happened at `now`.
    pub(crate) fn decide(&mut self, event: Event, now: Timestamp) -> Decision {
        let key = key(&event);
        if let Some(known) = self.events.get_mut(&key) {
            if let Some(series) = &mut known.series {
                series.count = series.count.saturating_add(1);
                series.last_observed_time = MicroTime(now);
                return Decision::Nothing;
            }
            known.series = Some(EventSeries { count: 2, last_observed_time: MicroTime(now) });
            return Decision::Patch((**known).clone());
        }
        if self.events.len() >= MEMORY_ENTRIES {
            self.events.clear(); // the next of each kind is created anew: correct, only less compact
        }
        self.events.insert(key, Box::new(event.clone()));
        Decision::Create(event)
    }

    /// The running series, to be sent again.
    pub(crate) fn refresh(&self) -> Vec<Event> {
        self.events.values().filter(|event| event.series.is_some()).map(|event| (**event).clone()).collect()
    }

    /// Forgets what has been quiet for [`FINISH_TIME`]; returns the series among them, to be sent a last time.
    pub(crate) fn finish(&mut self, now: Timestamp) -> Vec<Event> {
        let limit = jiff::SignedDuration::try_from(FINISH_TIME).unwrap_or(jiff::SignedDuration::MAX);
        let mut finished = Vec::new();
        self.events.retain(|_, event| {
            let last = event.series.as_ref().map(|s| s.last_observed_time.0);
            let last = last.or(event.event_time.as_ref().map(|t| t.0)).unwrap_or(now);
            let quiet = now.duration_since(last) > limit;
            if quiet && event.series.is_some() {
                finished.push((**event).clone());
            }
            !quiet
        });
        finished
    }
}

/// `getKey`: all but the note, line by line. In one text, as there may be thousands.
fn key(event: &Event) -> Box<str> {
    let own = [&event.type_, &event.action, &event.reason, &event.reporting_controller, &event.reporting_instance];
    let objects = [&event.regarding, &event.related].into_iter().flatten();
    let of_objects = objects.flat_map(|object| {
        [&object.api_version, &object.kind, &object.namespace, &object.name, &object.uid, &object.field_path]
    });
    let texts: Vec<&str> = own.into_iter().chain(of_objects).map(|text| text.as_deref().unwrap_or_default()).collect();
    texts.join("\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(note: &str, at: Timestamp) -> Event {
        Event { note: Some(note.to_owned()), event_time: Some(MicroTime(at)), ..Event::default() }
    }

    #[test]
    fn the_second_makes_a_series_and_the_rest_is_counted() {
        let mut book = SeriesBook::default();
        let second = |n: i64| Timestamp::from_second(n).unwrap();
        assert!(matches!(book.decide(event("a", second(0)), second(0)), Decision::Create(_)));
        let Decision::Patch(patched) = book.decide(event("b", second(1)), second(1)) else { panic!("no series") };
        assert_eq!(patched.series.unwrap().count, 2);
        assert_eq!(patched.note.as_deref(), Some("a"));
        assert_eq!(book.decide(event("c", second(2)), second(2)), Decision::Nothing);
        assert_eq!(book.refresh()[0].series.as_ref().unwrap().count, 3);
        assert!(book.finish(second(2 + 360)).is_empty());
        assert_eq!(book.finish(second(3 + 360)).len(), 1);
        assert!(matches!(book.decide(event("d", second(400)), second(400)), Decision::Create(_)));
    }
}
