//! Field sets: the wire form is read as it was written, and the operations are those of sets.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use api::fieldset::{Set, display_path};
use libfuzzer_sys::fuzz_target;
use pintle_fuzz::words::word;
use pintle_fuzz::{Unstructured, shape};
use serde_json::{Map, Value, json};

fn element(choices: &mut Unstructured<'_>) -> String {
    match choices.arbitrary::<u8>().unwrap_or(0) {
        0..100 => format!("f:{}", ["a", "b", "c", "*"][choices.int_in_range(0..=3).unwrap_or(0)]),
        100..140 => format!("k:{}", json!({word(choices): shape::any(choices)})),
        140..160 => format!("k:{}", shape::any(choices)),
        160..190 => format!("v:{}", shape::any(choices)),
        190..210 => format!("i:{}", choices.arbitrary::<i16>().unwrap_or(0)),
        210..230 => ".".to_owned(),
        _ => word(choices),
    }
}

fn wire(choices: &mut Unstructured<'_>, depth: usize) -> Value {
    if depth > 6 {
        return json!({});
    }
    let count = choices.int_in_range(0..=4).unwrap_or(0);
    (0..count).map(|_| (element(choices), wire(choices, depth + 1))).collect::<Map<_, _>>().into()
}

fn set(value: &Value) -> Option<Set> {
    let checked = Set::check(value);
    let read = Set::from_value(value);
    assert_eq!(checked.is_ok(), read.is_ok(), "check and read of {value}");
    let set = read.ok()?;
    let written = set.clone().into_value();
    assert_eq!(Set::from_value(&written).as_ref(), Ok(&set), "round trip of {value}");
    assert_eq!(Set::check(&written), Ok(true), "the spelling of {written}");
    for path in set.paths() {
        assert!(set.has(&path));
        let _words = display_path(&path);
    }
    Some(set)
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Unstructured::new(data);
    let (one, other) = (wire(&mut choices, 0), wire(&mut choices, 0));
    let (Some(a), Some(b)) = (set(&one), set(&other)) else { return };
    let (union, both) = (a.clone().union(b.clone()), a.intersection(&b));
    let (only_a, only_b) = (a.clone().difference(&b), b.clone().difference(&a));
    assert_eq!(union, b.clone().union(a.clone()));
    assert_eq!(both, b.intersection(&a));
    assert_eq!(only_a.clone().union(both.clone()), a);
    assert_eq!(only_a.clone().union(only_b.clone()).union(both), union);
    assert!(only_a.intersection(&b).is_empty());
    assert!(a.clone().difference(&a).is_empty());
    let less = a.clone().recursive_difference(&b);
    assert_eq!(less.clone().difference(&only_a), Set::default(), "recursive difference takes more");
    let within = a.clone().only_within(&b);
    assert_eq!(within.clone().difference(&a), Set::default());
    for path in union.paths() {
        assert_eq!(union.has(&path), a.has(&path) || b.has(&path));
    }
});
