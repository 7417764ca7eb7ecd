//! YAML: plain bytes, and that what is written as YAML is read as the same.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use api::codec;
use libfuzzer_sys::fuzz_target;
use pintle_fuzz::{Unstructured, shape};
use serde_json::Value;

/// Whole floats are written as whole numbers, as Go writes them.
fn as_go_has_it(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < 9e18);
            if let Some(whole) = whole {
                *value = (whole as i64).into();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(as_go_has_it),
        Value::Object(map) => map.values_mut().for_each(as_go_has_it),
        _ => {}
    }
}

fn written_and_read(value: &Value) {
    let text = codec::encode_yaml(value);
    let mut want = value.clone();
    as_go_has_it(&mut want);
    match codec::decode_yaml(text.as_bytes()) {
        Ok(mut decoded) => {
            as_go_has_it(&mut decoded.value);
            assert_eq!(decoded.value, want, "round trip of {text:?}");
        }
        Err(error) => panic!("{error} in {text:?}, made of {value}"),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    if choice & 3 == 0 {
        written_and_read(&shape::any(&mut Unstructured::new(body)));
    } else if let Ok(decoded) = codec::decode_any(body) {
        written_and_read(&decoded.value);
    }
});
