//! JSON bodies of any kind: plain bytes, as they come from the network.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use api::codec;
use libfuzzer_sys::fuzz_target;
use pintle_fuzz::{Unstructured, life, row};

fuzz_target!(|data: &[u8]| {
    let (choice, body) = data.split_at(data.len().min(2));
    let row = row(&mut Unstructured::new(choice));
    let Ok(decoded) = codec::decode_json(body) else { return };
    let written = codec::encode_json(&decoded.value);
    assert_eq!(codec::decode_json(&written).expect("what was written is JSON").value, decoded.value);
    let _type = codec::type_meta(&decoded.value);
    if let Some(schema) = row.schema()
        && let Ok(conformed) = codec::conform(&mut decoded.value.clone(), schema)
    {
        assert!(codec::strict_errors(body, &decoded, &conformed).len() <= codec::MAX_STRICT_ERRORS);
    }
    life::live(row, decoded.value.clone(), decoded.value);
});
