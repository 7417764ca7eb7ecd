//! What a resource remembers, and in how many bytes.

use super::super::Header;
use super::*;

type Make = fn(Option<&Entry>) -> Arc<Entry>;

fn put(shelf: &Shelf, key: &str, revision: u64, bytes: usize) {
    let stored = format!(r#"{{"metadata":{{"name":"{key}"}},"data":"{}"}}"#, "x".repeat(bytes));
    let make = |last: Option<&Entry>| {
        Arc::new(match last {
            None => Entry::added(key.into(), revision, stored.as_bytes(), Arc::new(Header::default())),
            Some(last) => last.modified(revision, stored.as_bytes(), Arc::new(Header::default())),
        })
    };
    shelf.apply(key, revision, Some(make));
}

#[test]
fn history_is_bounded_by_what_it_holds_beside_the_present() {
    let shelf = Shelf::new("", "configmaps", 0);
    let size = MAX_REPLACED_BYTES / 4;
    for number in 1..=6 {
        put(&shelf, &format!("m{number}"), number, size);
    }
    assert!(shelf.snapshot_at(0).unwrap().is_empty(), "objects that are there cost it nothing");
    for number in 1..=6 {
        put(&shelf, &format!("m{number}"), 6 + number, size);
    }
    let oldest = shelf.snapshot_at(0).unwrap_err().oldest;
    assert!((6..12).contains(&oldest), "{oldest}");
    assert_eq!(shelf.snapshot_at(oldest).unwrap().len(), 6);
    shelf.apply("m1", 13, None::<Make>);
    assert!(shelf.snapshot_at(12).unwrap().range(None, None).any(|entry| &*entry.key == "m1"));
    let state = shelf.state.read().unwrap();
    let held: usize = state.changes.iter().map(|change| change.replaced_bytes()).sum();
    assert!(held == state.replaced_bytes && held <= MAX_REPLACED_BYTES);
}

/// Ten thousand clients come to a resource that never changes, and most of them go at once.
#[test]
fn watchers_who_have_gone_are_forgotten_although_nothing_changes() {
    let shelf = Shelf::new("", "pods", 0);
    let mut open = Vec::new();
    for number in 0..10_000_u32 {
        let field = (number % 2 == 0).then(|| ("spec.nodeName".into(), number.to_string().into()));
        let subscription = shelf.watch(0, Interest { namespace: None, field }).unwrap();
        if number % 100 < 2 {
            open.push(subscription);
        }
    }
    let remembered = shelf.state.read().unwrap().watchers.len();
    assert!(remembered >= open.len(), "{remembered}");
    assert!(remembered < 4 * open.len(), "{remembered} of {} that are open", open.len());
}

/// Of objects that are alike only the newest are whole, in the history as well, and all are read as they are.
#[test]
fn what_is_not_new_is_held_by_what_is_its_own() {
    let (shelf, bytes, count) = (Shelf::new("", "configmaps", 0), 2_000, 2 * WHOLE_CHANGES as u64);
    let key = |number: u64| format!("m{number:03}");
    (1..=count).for_each(|number| put(&shelf, &key(number), number, bytes));
    let whole = |shelf: &Shelf| -> Vec<bool> {
        let entries = shelf.snapshot_at(count).unwrap();
        entries.range(None, None).map(|entry| entry.held_bytes() > bytes).collect()
    };
    let new: Vec<bool> = (1..=count).map(|number| number == 1 || number > count - WHOLE_CHANGES as u64).collect();
    assert_eq!(whole(&shelf), new, "the first is what the others are like");
    for number in 1..=count {
        let json: serde_json::Value = serde_json::from_slice(&shelf.get(&key(number)).unwrap().json()).unwrap();
        assert_eq!(json["metadata"]["name"], key(number));
        assert_eq!(json["metadata"]["resourceVersion"], number.to_string());
        assert_eq!(json["data"].as_str().unwrap().len(), bytes);
    }
    (1..=count).for_each(|number| put(&shelf, &key(number), count + number, bytes));
    assert_eq!(whole(&shelf).iter().filter(|whole| **whole).count(), 1, "the states before");
    // what is loaded is not new
    let again = Shelf::new("", "configmaps", 0);
    let loaded = shelf.snapshot_at(2 * count).unwrap().range(None, None).map(|entry| entry.json()).collect::<Vec<_>>();
    let entry = |(at, json): (usize, &bytes::Bytes)| {
        Arc::new(Entry::added(key(at as u64).into(), at as u64, json, Arc::new(Header::default())))
    };
    again.replace(loaded.iter().enumerate().map(entry).collect(), count);
    assert_eq!(whole(&again).iter().filter(|whole| **whole).count(), 1);
}
