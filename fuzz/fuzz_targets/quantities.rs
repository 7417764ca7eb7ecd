//! Quantities: the canonical form is stable and means the same, and amounts are in order.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use api::quantity::{Quantity, canonical};
use libfuzzer_sys::fuzz_target;
use std::cmp::Ordering;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut amounts = Vec::new();
    for text in text.split(' ').take(3) {
        let Ok(amount) = Quantity::parse(text) else {
            continue;
        };
        let printed = amount.to_string();
        let again = Quantity::parse(&printed).unwrap_or_else(|error| panic!("{text} prints as {printed}: {error}"));
        assert_eq!(again.compare(&amount), Ordering::Equal, "{text} prints as {printed}");
        let written = canonical(text).expect("what can be parsed can be written").unwrap_or_else(|| text.to_owned());
        let read = Quantity::parse(&written).unwrap_or_else(|error| panic!("{text} is written as {written}: {error}"));
        assert_eq!(read.compare(&amount), Ordering::Equal, "{text} is written as {written}");
        // What had a binary suffix and lost it is decimal when it is read again, so upstream needs two rounds.
        let settled = canonical(&written).expect("what was written").unwrap_or_else(|| written.clone());
        assert_eq!(canonical(&settled), Ok(None), "{text} is written as {written}, then as {settled}");
        assert_eq!(amount.is_zero(), amount.sign() == 0);
        assert!(amount.value().signum() == i64::from(amount.sign()), "{text} is {}", amount.value());
        let _milli = amount.milli_value();
        amounts.push(amount);
    }
    let [a, b, rest @ ..] = &amounts[..] else { return };
    assert_eq!(a.compare(b), b.compare(a).reverse(), "{a} and {b}");
    assert_eq!(a.add(b).compare(&b.add(a)), Ordering::Equal, "{a} + {b}");
    assert!(a.sub(a).is_zero(), "{a} - {a}");
    if let [c] = rest
        && a.compare(b) != Ordering::Greater
        && b.compare(c) != Ordering::Greater
    {
        assert_ne!(a.compare(c), Ordering::Greater, "{a} <= {b} <= {c}");
    }
});
