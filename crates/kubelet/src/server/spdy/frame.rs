//! Frames of SPDY/3.1 on the wire.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const VERSION: u16 = 3;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GO_AWAY: u16 = 7;
const FLAG_FIN: u8 = 1;
/// Control frames hold headers; nothing in use comes near this.
const MAX_CONTROL_BYTES: usize = 64 << 10;
/// The length field has 24 bits; the Go side sends at most 32 KiB at once.
const MAX_DATA_BYTES: usize = (1 << 24) - 1;
const STREAM_ID_MASK: u32 = 0x7fff_ffff;

/// One frame, as far as it means something here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    SynStream {
        id: u32,
        fin: bool,
        block: Bytes,
    },
    SynReply {
        id: u32,
        block: Bytes,
    },
    Reset {
        id: u32,
        status: u32,
    },
    Ping {
        id: u32,
    },
    GoAway {
        last: u32,
    },
    Data {
        id: u32,
        fin: bool,
        data: Bytes,
    },
    /// SETTINGS, HEADERS, WINDOW_UPDATE: of no use here.
    Other,
}

fn broken(words: &'static str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, words)
}

fn word(bytes: &[u8], at: usize) -> std::io::Result<u32> {
    let word = bytes.get(at..at + 4).and_then(|word| word.first_chunk::<4>());
    word.map(|word| u32::from_be_bytes(*word)).ok_or_else(|| broken("a SPDY frame is too short"))
}

/// The next frame; `None` at an orderly end.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Frame>> {
    let mut head = [0; 8];
    match stream.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let first = word(&head, 0)?;
    let second = word(&head, 4)?;
    let fin = (second >> 24) as u8 & FLAG_FIN != 0;
    let length = (second & 0x00ff_ffff) as usize;
    let control = first & !STREAM_ID_MASK != 0;
    if control && length > MAX_CONTROL_BYTES {
        return Err(broken("a SPDY control frame is too long"));
    }
    let mut body = BytesMut::zeroed(length);
    stream.read_exact(&mut body).await?;
    let body = body.freeze();
    if !control {
        return Ok(Some(Frame::Data { id: first, fin, data: body }));
    }
    if (first >> 16) as u16 & 0x7fff != VERSION {
        return Err(broken("not SPDY version 3"));
    }
    let id = || Ok::<u32, std::io::Error>(word(&body, 0)? & STREAM_ID_MASK);
    Ok(Some(match (first & 0xffff) as u16 {
        // Id, associated id, priority, slot.
        SYN_STREAM if body.len() >= 10 => Frame::SynStream { id: id()?, fin, block: body.slice(10..) },
        SYN_STREAM => return Err(broken("a SYN_STREAM frame is too short")),
        SYN_REPLY if body.len() >= 4 => Frame::SynReply { id: id()?, block: body.slice(4..) },
        RST_STREAM => Frame::Reset { id: id()?, status: word(&body, 4)? },
        PING => Frame::Ping { id: word(&body, 0)? },
        GO_AWAY => Frame::GoAway { last: id()? },
        _ => Frame::Other,
    }))
}

/// Writes a frame; the caller flushes.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> std::io::Result<()> {
    let (kind, fin, words, body): (u16, bool, Vec<u32>, &[u8]) = match frame {
        Frame::Data { id, fin, data } => {
            let flags = if *fin { u32::from(FLAG_FIN) << 24 } else { 0 };
            let length = u32::try_from(data.len().min(MAX_DATA_BYTES)).unwrap_or(0);
            stream.write_all(&id.to_be_bytes()).await?;
            stream.write_all(&(flags | length).to_be_bytes()).await?;
            return stream.write_all(&data[..length as usize]).await;
        }
        // The last two bytes of the fixed part, priority and slot, go with the block.
        Frame::SynStream { id, fin, block } => (SYN_STREAM, *fin, vec![*id, 0], block),
        Frame::SynReply { id, block } => (SYN_REPLY, false, vec![*id], block),
        Frame::Reset { id, status } => (RST_STREAM, false, vec![*id, *status], &[]),
        Frame::Ping { id } => (PING, false, vec![*id], &[]),
        Frame::GoAway { last } => (GO_AWAY, false, vec![*last, 0], &[]),
        Frame::Other => return Ok(()),
    };
    let priority: &[u8] = if kind == SYN_STREAM { &[0, 0] } else { &[] };
    let length = u32::try_from(words.len() * 4 + priority.len() + body.len()).unwrap_or(0);
    let mut out = Vec::with_capacity(8 + length as usize);
    out.extend_from_slice(&(0x8000 | VERSION).to_be_bytes());
    out.extend_from_slice(&kind.to_be_bytes());
    let flags = if fin { u32::from(FLAG_FIN) << 24 } else { 0 };
    out.extend_from_slice(&(flags | length).to_be_bytes());
    words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
    out.extend_from_slice(priority);
    out.extend_from_slice(body);
    stream.write_all(&out).await
}
