//! Header blocks: zlib with the dictionary that SPDY/3 prescribes, one compression context per direction and connection.
//!
//! Ours are written as stored (uncompressed) deflate blocks: they hold at most a few short pairs.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, TINFL_LZ_DICT_SIZE, decompress};
use std::collections::BTreeMap;
use std::fmt;

/// Names and values of one header block, together; the Go side sends some hundred bytes.
const MAX_BLOCK_BYTES: usize = 64 << 10;
/// Pairs in one block.
const MAX_PAIRS: u32 = 256;
/// A stored block holds less than 64 KiB.
const MAX_STORED_BYTES: usize = 0xffff;
/// zlib's header: deflate, 32 KiB window, no dictionary.
const ZLIB_HEADER: [u8; 2] = [0x78, 0x01];
/// An empty stored block: readers hand out what they have when they meet it (Go's waits for more without it, and takes
/// the end of the frame for a broken stream).
const SYNC_FLUSH: [u8; 5] = [0, 0, 0, 0xff, 0xff];
/// The flag in the second byte that says that a dictionary's checksum follows.
const FDICT: u8 = 0x20;

/// The words of the dictionary, each preceded by its length in four bytes.
const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language \
    accept-ranges age allow authorization cache-control connection content-base content-encoding content-language \
    content-length content-location content-md5 content-range content-type date etag expect expires from host if-match \
    if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma \
    proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade \
    user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie \
    keep-alive origin";
/// Its end, without lengths.
const TAIL: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 \
Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not \
Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov \
Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, \
GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,\
publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/// What is wrong with a header block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    Zlib,
    TooLong,
    Form,
}

pub(super) fn dictionary() -> Vec<u8> {
    let mut all = Vec::with_capacity(1500);
    for word in WORDS.split_ascii_whitespace() {
        let word = word.replace('_', " ");
        all.extend_from_slice(&u32::try_from(word.len()).unwrap_or(0).to_be_bytes());
        all.extend_from_slice(word.as_bytes());
    }
    all.extend_from_slice(TAIL.as_bytes());
    all
}

/// The reading half of a connection's header compression.
pub(super) struct Decoder {
    inflate: Box<DecompressorOxide>,
    /// The last 32 KiB of output, as a ring; the dictionary stands at its beginning.
    window: Vec<u8>,
    position: usize,
    started: bool,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder({})", self.position)
    }
}

impl Decoder {
    pub fn new() -> Self {
        let mut window = dictionary();
        let position = window.len();
        window.resize(TINFL_LZ_DICT_SIZE, 0);
        Self { inflate: Box::default(), window, position, started: false }
    }

    /// The pairs of a block; names are in lower case.
    pub fn decode(&mut self, mut block: &[u8]) -> Result<BTreeMap<String, String>, HeaderError> {
        if !self.started {
            let [method, flags, rest @ ..] = block else {
                return Err(HeaderError::Zlib);
            };
            let checked = u16::from_be_bytes([*method, *flags]) % 31 == 0 && method & 0x0f == 8;
            if !checked {
                return Err(HeaderError::Zlib);
            }
            block = rest;
            if flags & FDICT != 0 {
                // The checksum of the one dictionary that there is.
                block = block.get(4..).ok_or(HeaderError::Zlib)?;
            }
            self.started = true;
        }
        parse(&self.inflate(block)?)
    }

    fn inflate(&mut self, mut block: &[u8]) -> Result<Vec<u8>, HeaderError> {
        let mut plain = Vec::new();
        loop {
            let (status, read, written) =
                decompress(&mut self.inflate, block, &mut self.window, self.position, TINFL_FLAG_HAS_MORE_INPUT);
            plain.extend_from_slice(&self.window[self.position..self.position + written]);
            if plain.len() > MAX_BLOCK_BYTES {
                return Err(HeaderError::TooLong);
            }
            self.position = (self.position + written) % self.window.len();
            block = &block[read..];
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput if block.is_empty() => return Ok(plain),
                _ => return Err(HeaderError::Zlib),
            }
        }
    }
}

fn number(bytes: &mut &[u8]) -> Option<u32> {
    let (first, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*first))
}

fn string(bytes: &mut &[u8]) -> Option<String> {
    let length = number(bytes)? as usize;
    let text = bytes.get(..length)?;
    *bytes = &bytes[length..];
    Some(String::from_utf8_lossy(text).into_owned())
}

fn parse(mut bytes: &[u8]) -> Result<BTreeMap<String, String>, HeaderError> {
    let count = number(&mut bytes).ok_or(HeaderError::Form)?;
    if count > MAX_PAIRS {
        return Err(HeaderError::TooLong);
    }
    let mut pairs = BTreeMap::new();
    for _ in 0..count {
        let name = string(&mut bytes).ok_or(HeaderError::Form)?;
        // Several values are separated by zero bytes; the first is meant.
        let value = string(&mut bytes).ok_or(HeaderError::Form)?;
        let first = value.split('\0').next().unwrap_or_default().to_owned();
        pairs.insert(name.to_ascii_lowercase(), first);
    }
    Ok(pairs)
}

/// The writing half of a connection's header compression.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    started: bool,
}

impl Encoder {
    /// A block of these pairs.
    pub fn encode(&mut self, pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = Vec::new();
        let mut put = |bytes: &[u8]| plain.extend_from_slice(bytes);
        put(&u32::try_from(pairs.len()).unwrap_or(0).to_be_bytes());
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            put(&u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
            put(text.as_bytes());
        }
        let mut block = Vec::with_capacity(plain.len() + 16);
        if !std::mem::replace(&mut self.started, true) {
            block.extend_from_slice(&ZLIB_HEADER);
        }
        for piece in plain.chunks(MAX_STORED_BYTES) {
            let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
            block.push(0); // not the last block, stored
            block.extend_from_slice(&length.to_le_bytes());
            block.extend_from_slice(&(!length).to_le_bytes());
            block.extend_from_slice(piece);
        }
        block.extend_from_slice(&SYNC_FLUSH);
        block
    }
}
