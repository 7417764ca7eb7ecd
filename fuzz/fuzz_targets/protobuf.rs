//! Protobuf bodies: plain bytes as any kind, and that what is written is read as the same object.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use apiserver::protobuf;
use libfuzzer_sys::fuzz_target;
use pintle_fuzz::{Unstructured, life, row, shape};

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let mut choices = Unstructured::new(body);
    let row = row(&mut choices);
    let api_version = row.api_version();
    if choice & 3 != 0 {
        let raw = choices.take_rest();
        let _whole = protobuf::decode(raw, (&api_version, &row.kind));
        // Past the envelope, which chance seldom makes: an `Unknown` without a type, the bytes as its object.
        let mut enveloped = b"k8s\0\x12".to_vec();
        let mut length = raw.len();
        while length >= 128 {
            enveloped.push((length & 127) as u8 | 128);
            length >>= 7;
        }
        enveloped.push(length as u8);
        enveloped.extend_from_slice(raw);
        if let Ok(value) = protobuf::decode(&enveloped, (&api_version, &row.kind)) {
            life::live(row, value.clone(), value);
        }
        return;
    }
    let Some(schema) = row.schema() else { return };
    let Some(object) = life::decoded(row, shape::value(&mut choices, schema)) else { return };
    let Some(written) = protobuf::encode(&object) else { return };
    protobuf::decode(&written, ("", "")).expect("what was written can be read");
});
