//! Manifests of static pods, as a kubelet reads them from files and URLs.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use kubelet::sources::{Source, decode::decode_manifest};
use libfuzzer_sys::fuzz_target;
use pintle_fuzz::life::NOW;
use pintle_fuzz::{Unstructured, shape};

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let now = NOW.parse().expect("a time");
    let decode = |bytes: &[u8]| decode_manifest(bytes, Source::File, "node", now);
    let mut made = None;
    if choice & 1 == 1 {
        let Some(schema) = registry::find("", "v1", "pods").and_then(|row| row.schema()) else { return };
        made = Some(api::codec::encode_json(&shape::value(&mut Unstructured::new(body), schema)));
    }
    let body = made.as_deref().unwrap_or(body);
    match decode(body) {
        Ok(pods) => {
            let again = decode(body).expect("the same bytes");
            assert_eq!(again, pods, "one manifest, one identity");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
