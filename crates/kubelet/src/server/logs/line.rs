//! One line of a CRI log: `TIME STREAM F|P CONTENT`.

/// Where a container wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// A line taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// As written, RFC 3339 with nanoseconds.
    pub time: &'a str,
    pub stream: Stream,
    /// The container's own line goes on in the next one.
    pub partial: bool,
    pub content: &'a [u8],
}

fn word<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    let word = std::str::from_utf8(&bytes[..end]).ok()?;
    *bytes = &bytes[end + 1..];
    Some(word)
}

/// Reads a line without its newline; `None` for what is no CRI line.
pub(super) fn parse(mut bytes: &[u8]) -> Option<Line<'_>> {
    let time = word(&mut bytes)?;
    let stream = match word(&mut bytes)? {
        "stdout" => Stream::Stdout,
        "stderr" => Stream::Stderr,
        _ => return None,
    };
    // The tag ends at a blank, which is missing where the content is empty and blanks were trimmed.
    let (tag, content) = match bytes.iter().position(|byte| *byte == b' ') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[][..]),
    };
    // Tags are a list; the first says whether it is whole.
    let partial = match tag.split(|byte| *byte == b':').next() {
        Some(b"P") => true,
        Some(b"F") => false,
        _ => return None,
    };
    Some(Line { time, stream, partial, content })
}
