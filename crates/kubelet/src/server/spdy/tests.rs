//! Header blocks and frames, also those that a Go client sends.

use super::frame::{Frame, read, write};
use super::headers::{Decoder, Encoder, dictionary};
use super::session::Session;
use bytes::Bytes;
use std::collections::BTreeMap;
use tokio::io::{AsyncWriteExt, duplex};

#[test]
fn the_dictionary_is_the_specified_one() {
    let all = dictionary();
    assert_eq!(all.len(), 1423);
    // The checksum by which zlib names it.
    assert_eq!(adler32(&all), 0xe3c6_a7c2);
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    b << 16 | a
}

fn pairs(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn what_we_write_we_can_read() {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new());
    for _ in 0..200 {
        let list = [("streamtype", "data"), ("port", "80"), ("requestid", "7")];
        assert_eq!(decoder.decode(&encoder.encode(&list)).unwrap(), pairs(&list));
        assert_eq!(decoder.decode(&encoder.encode(&[])).unwrap(), BTreeMap::new());
    }
}

#[test]
fn every_block_ends_with_a_sync_flush() {
    let mut encoder = Encoder::default();
    // Without it, a Go reader fails at the second block.
    for want in ["7801000400fbff00000000000000ffff", "000400fbff00000000000000ffff"] {
        assert_eq!(hex::encode(encoder.encode(&[])), want);
    }
}

#[test]
fn blocks_of_zlib_with_the_dictionary_are_read() {
    // python3: zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, dictionary), Z_SYNC_FLUSH after each.
    let mut decoder = Decoder::new();
    for (block, want) in [(FIRST, "error"), (SECOND, "data")] {
        let got = decoder.decode(&hex::decode(block).unwrap()).unwrap();
        assert_eq!(got, pairs(&[("port", "8080"), ("requestid", "0"), ("streamtype", want)]));
    }
}

const FIRST: &str =
    "78f9e3c6a7c202253a703a2b294a4dcc851625aca9a0808614cb45e01c6061606100a4398b20d198094ade8c0600000000ffff";
const SECOND: &str = "c2aa19540e2512d60b000000ffff";

#[test]
fn broken_blocks_are_errors() {
    for block in ["", "78", "7801", "0000", "78f9e3c6a7c2ffff", "78010004 00fbff ffffffff"] {
        let bytes = hex::decode(block.replace(' ', "")).unwrap();
        assert!(Decoder::new().decode(&bytes).is_err(), "{block}");
    }
}

#[tokio::test]
async fn frames_come_back_as_they_were_written() {
    let frames = [
        Frame::SynStream { id: 1, fin: true, block: Bytes::from_static(b"head") },
        Frame::SynReply { id: 1, block: Bytes::from_static(b"x") },
        Frame::Data { id: 3, fin: false, data: Bytes::from_static(b"hello") },
        Frame::Data { id: 3, fin: true, data: Bytes::new() },
        Frame::Reset { id: 5, status: 3 },
        Frame::Ping { id: 9 },
        Frame::GoAway { last: 7 },
    ];
    let (mut near, mut far) = duplex(1 << 16);
    for frame in &frames {
        write(&mut near, frame).await.unwrap();
    }
    drop(near);
    for frame in frames {
        assert_eq!(read(&mut far).await.unwrap(), Some(frame));
    }
    assert_eq!(read(&mut far).await.unwrap(), None);
}

#[tokio::test]
async fn broken_frames_end_the_connection() {
    for bytes in ["800300010000000400000000", "8002000600000004ffffffff", "80030006ff", "8003000100ffffff"] {
        let (mut near, far) = duplex(1 << 16);
        let mut session = Session::start(far);
        near.write_all(&hex::decode(bytes).unwrap()).await.unwrap();
        near.shutdown().await.unwrap();
        assert!(session.accept().await.is_none(), "{bytes}");
    }
}

#[tokio::test]
async fn a_session_hands_out_streams_answers_pings_and_sends_data() {
    let (mut near, far) = duplex(1 << 16);
    let mut session = Session::start(far);
    let block = Encoder::default().encode(&[("streamtype", "data")]).into();
    write(&mut near, &Frame::SynStream { id: 1, fin: false, block }).await.unwrap();
    write(&mut near, &Frame::Ping { id: 1 }).await.unwrap();
    write(&mut near, &Frame::Data { id: 1, fin: false, data: Bytes::from_static(b"in") }).await.unwrap();
    write(&mut near, &Frame::Data { id: 1, fin: true, data: Bytes::new() }).await.unwrap();
    let mut stream = session.accept().await.unwrap();
    assert_eq!(stream.headers, pairs(&[("streamtype", "data")]));
    assert_eq!(stream.data.recv().await.unwrap(), "in");
    assert_eq!(stream.data.recv().await, None);
    assert!(stream.send.send(Bytes::from_static(b"out")).await);
    stream.send.finish().await;
    assert!(matches!(read(&mut near).await.unwrap(), Some(Frame::SynReply { id: 1, .. })));
    assert_eq!(read(&mut near).await.unwrap(), Some(Frame::Ping { id: 1 }));
    assert_eq!(
        read(&mut near).await.unwrap(),
        Some(Frame::Data { id: 1, fin: false, data: Bytes::from_static(b"out") })
    );
    assert_eq!(read(&mut near).await.unwrap(), Some(Frame::Data { id: 1, fin: true, data: Bytes::new() }));
}
