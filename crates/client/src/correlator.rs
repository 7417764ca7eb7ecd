//! When is an event new, when is it a repetition: the rules of `client-go/tools/record` (EventCorrelator), pure.
//!
//! Three stages, each with a bounded memory: a token bucket per source and object drops floods; events that differ only
//! in their message are folded together after ten within ten minutes; equal events become a higher `count`.

use k8s_openapi::api::core::v1::Event;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Entries per memory (`maxLruCacheEntries`).
const MEMORY_ENTRIES: usize = 4096;
/// Events that one object may have at once before the bucket is empty (`defaultSpamBurst`).
const SPAM_BURST: f64 = 25.0;
/// How fast the bucket fills again: one event each 5 minutes (`defaultSpamQPS`).
const SPAM_REFILL_PER_SECOND: f64 = 1.0 / 300.0;
/// Different messages of one reason before they are folded together (`defaultAggregateMaxEvents`).
const SIMILAR_LIMIT: usize = 10;
/// For how long similar events are counted together (`defaultAggregateIntervalInSeconds`).
const SIMILAR_INTERVAL: Duration = Duration::from_secs(600);

/// What to send for an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Too many of this object: nothing.
    Drop,
    /// POST this event.
    Create(Event),
    /// PATCH `count`, `lastTimestamp` and `message` of the event of this name; POST it when it is gone.
    Count(Event),
}

/// The memory of a recorder of core/v1 events.
#[derive(Debug, Default)]
pub(crate) struct Correlator {
    buckets: Memory<Vec<String>, Bucket>,
    similar: Memory<Vec<String>, Similar>,
    sent: Memory<Vec<String>, Sent>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Duration,
}

#[derive(Debug)]
struct Similar {
    messages: Vec<String>,
    last: Duration,
}

#[derive(Debug)]
struct Sent {
    name: String,
    count: i32,
    first: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
}

impl Correlator {
    /// Decides about `event`, which was made at `now` (monotonic).
    pub(crate) fn decide(&mut self, mut event: Event, now: Duration) -> Decision {
        let mut key = similar_key(&event);
        let message = event.message.clone().unwrap_or_default();
        if self.is_similar_to_many(&key, &message, now) {
            event.message = Some(format!("(combined from similar events): {message}"));
        } else {
            key.push(message);
        }
        let decision = self.count(key, event);
        let (Decision::Create(event) | Decision::Count(event)) = &decision else { return decision };
        if self.take_token(spam_key(event), now) { decision } else { Decision::Drop }
    }

    /// The server accepted `event`: later repetitions count up from here, under the name it has now.
    pub(crate) fn sent(&mut self, event: &Event) {
        let mut key = similar_key(event);
        let message = event.message.clone().unwrap_or_default();
        if !message.starts_with("(combined from similar events): ") {
            key.push(message);
        }
        let sent = Sent {
            name: event.metadata.name.clone().unwrap_or_default(),
            count: event.count.unwrap_or(1),
            first: event.first_timestamp.clone(),
        };
        self.sent.insert(key, sent);
    }

    fn is_similar_to_many(&mut self, key: &[String], message: &str, now: Duration) -> bool {
        let similar = self.similar.entry(key.to_vec(), || Similar { messages: Vec::new(), last: now });
        if now.saturating_sub(similar.last) > SIMILAR_INTERVAL {
            similar.messages.clear();
        }
        similar.last = now;
        if similar.messages.iter().all(|known| known != message) {
            if similar.messages.len() >= SIMILAR_LIMIT {
                similar.messages.remove(0); // enough to know that there are many
            }
            similar.messages.push(message.to_owned());
        }
        similar.messages.len() >= SIMILAR_LIMIT
    }

    fn count(&mut self, key: Vec<String>, mut event: Event) -> Decision {
        let Some(sent) = self.sent.get(&key) else { return Decision::Create(event) };
        sent.count = sent.count.saturating_add(1);
        event.metadata.name = Some(sent.name.clone());
        event.count = Some(sent.count);
        event.first_timestamp.clone_from(&sent.first);
        Decision::Count(event)
    }

    fn take_token(&mut self, key: Vec<String>, now: Duration) -> bool {
        let bucket = self.buckets.entry(key, || Bucket { tokens: SPAM_BURST, filled_at: now });
        let elapsed = now.saturating_sub(bucket.filled_at).as_secs_f64();
        bucket.tokens = (bucket.tokens + elapsed * SPAM_REFILL_PER_SECOND).min(SPAM_BURST);
        bucket.filled_at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_default()
}

/// `getSpamKey`: source and object.
fn spam_key(event: &Event) -> Vec<String> {
    let object = &event.involved_object;
    let source = event.source.as_ref();
    vec![
        text(source.and_then(|s| s.component.as_ref())),
        text(source.and_then(|s| s.host.as_ref())),
        text(object.kind.as_ref()),
        text(object.namespace.as_ref()),
        text(object.name.as_ref()),
        text(object.uid.as_ref()),
        text(object.api_version.as_ref()),
    ]
}

/// `EventAggregatorByReasonFunc`: everything but the message.
fn similar_key(event: &Event) -> Vec<String> {
    let mut key = spam_key(event);
    key.extend([
        text(event.involved_object.field_path.as_ref()),
        text(event.type_.as_ref()),
        text(event.reason.as_ref()),
        text(event.reporting_component.as_ref()),
        text(event.reporting_instance.as_ref()),
    ]);
    key
}

/// A map that forgets what was least recently used when it is full.
#[derive(Debug)]
struct Memory<K, V> {
    entries: HashMap<K, (u64, V)>,
    uses: u64,
}

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), uses: 0 }
    }
}

impl<K: Hash + Eq + Clone, V> Memory<K, V> {
    fn get(&mut self, key: &K) -> Option<&mut V> {
        self.uses += 1;
        let (used, value) = self.entries.get_mut(key)?;
        *used = self.uses;
        Some(value)
    }

    fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.make_room(&key);
        self.uses += 1;
        let (used, value) = self.entries.entry(key).or_insert_with(|| (0, make()));
        *used = self.uses;
        value
    }

    fn insert(&mut self, key: K, value: V) {
        self.make_room(&key);
        self.uses += 1;
        self.entries.insert(key, (self.uses, value));
    }

    /// Forgets the older half at once, so that the search for the oldest is rare.
    fn make_room(&mut self, key: &K) {
        if self.entries.len() < MEMORY_ENTRIES || self.entries.contains_key(key) {
            return;
        }
        let mut uses: Vec<u64> = self.entries.values().map(|(used, _)| *used).collect();
        let (_, median, _) = uses.select_nth_unstable(MEMORY_ENTRIES / 2);
        let median = *median;
        self.entries.retain(|_, (used, _)| *used >= median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(reason: &str, message: &str) -> Event {
        let mut event =
            Event { reason: Some(reason.to_owned()), message: Some(message.to_owned()), ..Event::default() };
        event.metadata.name = Some("p.1".to_owned());
        event.count = Some(1);
        event
    }

    /// Feeds messages one second apart, and prints what would be sent.
    fn run(messages: &[&str]) -> String {
        let mut correlator = Correlator::default();
        let mut out = Vec::new();
        for (second, message) in messages.iter().enumerate() {
            let now = Duration::from_secs(second as u64);
            let decision = correlator.decide(event("Failed", message), now);
            out.push(match &decision {
                Decision::Drop => "drop".to_owned(),
                Decision::Create(e) => format!("create {}", e.message.as_ref().unwrap()),
                Decision::Count(e) => format!("count {} {}", e.count.unwrap(), e.message.as_ref().unwrap()),
            });
            if let Decision::Create(e) | Decision::Count(e) = &decision {
                correlator.sent(e);
            }
        }
        out.join("\n")
    }

    #[test]
    fn equal_events_are_counted() {
        expect_test::expect![[r"
            create a
            count 2 a
            create b
            count 3 a"]]
        .assert_eq(&run(&["a", "a", "b", "a"]));
    }

    #[test]
    fn the_tenth_different_message_is_folded_in() {
        let messages: Vec<String> = (1..=12).map(|n| format!("m{n}")).collect();
        let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
        let out = run(&messages);
        expect_test::expect![[r"
            create m9
            create (combined from similar events): m10
            count 2 (combined from similar events): m11
            count 3 (combined from similar events): m12"]]
        .assert_eq(&out.lines().skip(8).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_flood_is_cut_off_after_the_burst() {
        let out = run(&["a"; 30]);
        assert_eq!(out.lines().filter(|line| *line == "drop").count(), 5);
        assert_eq!(out.lines().last(), Some("drop"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = Memory::default();
        for n in 0..3 * MEMORY_ENTRIES {
            memory.insert(n, ());
        }
        assert!(memory.entries.len() <= MEMORY_ENTRIES);
        assert!(memory.get(&(3 * MEMORY_ENTRIES - 1)).is_some());
    }
}
