//! Objects of every kind in the shape of their schema: decoded, defaulted, validated, printed, charged and changed.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use libfuzzer_sys::fuzz_target;
use pintle_fuzz::{Unstructured, life, row, shape};

fuzz_target!(|data: &[u8]| {
    let mut choices = Unstructured::new(data);
    let row = row(&mut choices);
    let Some(schema) = row.schema() else { return };
    let first = shape::value(&mut choices, schema);
    let second = shape::value(&mut choices, schema);
    life::live(row, first, second);
});
