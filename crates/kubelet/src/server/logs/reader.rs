//! Reading a CRI log file: from the wanted line on, as text, within the limit.

use super::line::{Stream, parse};
use super::options::Options;
use bytes::Bytes;
use jiff::Timestamp;
use std::io::SeekFrom;
use std::path::Path;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader};
use tokio::sync::mpsc;

/// Output is put together to pieces of about this size, bytes.
const PIECE_BYTES: usize = 32 << 10;
/// How much is looked at in one step when the last lines are searched for, bytes.
const BLOCK_BYTES: u64 = 64 << 10;
/// The longest line that is read whole, bytes: the runtime writes at most 16 KiB of content. The rest of a longer one is
/// taken for another line, which does not parse.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Why copying stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// All that is there has been read.
    End,
    /// The limit is reached, or the client has gone.
    Enough,
}

/// An open log.
#[derive(Debug)]
pub(super) struct Reader {
    file: BufReader<File>,
    /// A line that has no newline yet.
    line: Vec<u8>,
    /// The client's text stands at the beginning of a line.
    at_line_start: bool,
}

impl Reader {
    /// Opens the file and goes to the first of the wanted last lines.
    pub async fn open(path: &Path, options: &Options) -> std::io::Result<Self> {
        let mut file = File::open(path).await?;
        if let Some(lines) = options.tail_lines {
            let start = tail_start(&mut file, lines).await?;
            file.seek(SeekFrom::Start(start)).await?;
        }
        Ok(Self { file: BufReader::new(file), line: Vec::new(), at_line_start: true })
    }

    /// Goes on in a new file, which takes the place of a rotated one.
    pub async fn reopen(&mut self, path: &Path) -> std::io::Result<()> {
        self.file = BufReader::new(File::open(path).await?);
        self.line.clear();
        Ok(())
    }

    /// Copies to the end of the file, and then also a last line without a newline.
    pub async fn copy_all(mut self, mut options: Options, to: &mpsc::Sender<Bytes>) -> std::io::Result<()> {
        if self.copy(&mut options, to).await? == Stop::End {
            let mut piece = Vec::new();
            let line = std::mem::take(&mut self.line);
            self.text_of(&line, &mut options, &mut piece);
            // A client that has gone has enough.
            let _ = send(piece, to).await;
        }
        Ok(())
    }

    /// Copies whole lines to the end of the file.
    pub async fn copy(&mut self, options: &mut Options, to: &mpsc::Sender<Bytes>) -> std::io::Result<Stop> {
        let mut piece = Vec::new();
        loop {
            let left = MAX_LINE_BYTES.saturating_sub(self.line.len() as u64).max(1);
            let read = (&mut self.file).take(left).read_until(b'\n', &mut self.line).await?;
            let whole = self.line.last() == Some(&b'\n') || self.line.len() as u64 >= MAX_LINE_BYTES;
            if !whole {
                if read > 0 {
                    continue;
                }
                return Ok(if send(piece, to).await { Stop::End } else { Stop::Enough });
            }
            let mut line = std::mem::take(&mut self.line);
            self.text_of(line.strip_suffix(b"\n").unwrap_or(&line), options, &mut piece);
            line.clear();
            self.line = line;
            let enough = options.limit_bytes == Some(0);
            if (piece.len() >= PIECE_BYTES || enough) && !send(std::mem::take(&mut piece), to).await {
                return Ok(Stop::Enough);
            }
            if enough {
                return Ok(Stop::Enough);
            }
        }
    }

    /// Appends what a client sees of one CRI line.
    fn text_of(&mut self, line: &[u8], options: &mut Options, out: &mut Vec<u8>) {
        let Some(line) = parse(line) else { return };
        let early = options.since.is_some_and(|since| line.time.parse::<Timestamp>().is_ok_and(|time| time < since));
        if early || options.stream.is_some_and(|wanted: Stream| wanted != line.stream) {
            return;
        }
        let start = out.len();
        if options.timestamps && self.at_line_start {
            out.extend_from_slice(line.time.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(line.content);
        if !line.partial {
            out.push(b'\n');
        }
        self.at_line_start = !line.partial;
        if let Some(limit) = &mut options.limit_bytes {
            let allowed = usize::try_from(*limit).unwrap_or(usize::MAX);
            out.truncate(start.saturating_add(allowed));
            *limit -= (out.len() - start) as u64;
        }
    }
}

async fn send(piece: Vec<u8>, to: &mpsc::Sender<Bytes>) -> bool {
    piece.is_empty() || to.send(piece.into()).await.is_ok()
}

/// Where the last `lines` lines begin: newlines are counted from the end, block by block.
async fn tail_start(file: &mut File, lines: u64) -> std::io::Result<u64> {
    let length = file.seek(SeekFrom::End(0)).await?;
    if lines == 0 {
        return Ok(length);
    }
    let (mut end, mut found) = (length, 0);
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        file.seek(SeekFrom::Start(start)).await?;
        block.clear();
        (&mut *file).take(end - start).read_to_end(&mut block).await?;
        for (index, byte) in block.iter().enumerate().rev() {
            let after = start + index as u64 + 1;
            // The newline of the last line ends that line; it is not the beginning of another.
            if *byte == b'\n' && after < length {
                found += 1;
                if found == lines {
                    return Ok(after);
                }
            }
        }
        end = start;
    }
    Ok(0)
}
