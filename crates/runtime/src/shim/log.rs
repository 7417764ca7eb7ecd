//! CRI-format log files: `<time> <stream> <F|P> <text>`.
//!
//! A line becomes visible with its newline, or at the end of the process; lines longer than the limit are cut into parts
//! tagged P. Rotation is somebody else's: they rename the file and have it opened anew.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Longest text of one log line, as in containerd (`max_container_log_line_size`).
pub(crate) const LINE_MAX_BYTES: usize = 16 << 10;

/// An open log file with what has not ended in a newline yet.
#[derive(Debug)]
pub(crate) struct ContainerLog {
    path: PathBuf,
    file: File,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Which output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl ContainerLog {
    /// Opens or makes the file; appends.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open(path)?, stdout: Vec::new(), stderr: Vec::new() })
    }

    /// Opens the file anew under its name.
    pub(crate) fn reopen(&mut self) -> std::io::Result<()> {
        self.file = open(&self.path)?;
        Ok(())
    }

    /// Takes output that came at `now`.
    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8], now: jiff::Timestamp) {
        let pending = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
        let lines = format_lines(pending, stream, bytes, now);
        self.emit(&lines);
    }

    /// The stream has ended: what is left becomes its last line.
    pub(crate) fn finish(&mut self, stream: Stream, now: jiff::Timestamp) {
        let pending = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
        if !pending.is_empty() {
            let mut out = Vec::new();
            // Not a full line, but the last one: containerd tags it F as well when the stream closes.
            push_line(&mut out, stream, b'F', pending, now);
            pending.clear();
            self.emit(&out);
        }
    }

    fn emit(&mut self, lines: &[u8]) {
        // A full disk must not stop the container: the lines are lost, as upstream.
        let _ = self.file.write_all(lines);
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.create(true).append(true).open(path)
}

fn push_line(out: &mut Vec<u8>, stream: Stream, tag: u8, text: &[u8], now: jiff::Timestamp) {
    let _ = write!(out, "{now:.9} {} ", stream.name()); // writing to memory cannot fail
    out.push(tag);
    out.push(b' ');
    out.extend_from_slice(text);
    out.push(b'\n');
}

fn format_lines(pending: &mut Vec<u8>, stream: Stream, bytes: &[u8], now: jiff::Timestamp) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (text, ended) = match piece.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (piece, false),
        };
        pending.extend_from_slice(text);
        while pending.len() > LINE_MAX_BYTES {
            let rest = pending.split_off(LINE_MAX_BYTES);
            push_line(&mut out, stream, b'P', pending, now);
            *pending = rest;
        }
        if ended {
            push_line(&mut out, stream, b'F', pending, now);
            pending.clear();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(writes: &[&str], expected: Expect) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/0.log");
        let mut log = ContainerLog::open(&path).unwrap();
        let now = jiff::Timestamp::UNIX_EPOCH;
        for bytes in writes {
            log.write(Stream::Stdout, bytes.as_bytes(), now);
        }
        let before = std::fs::read_to_string(&path).unwrap();
        log.finish(Stream::Stdout, now);
        let after = std::fs::read_to_string(&path).unwrap();
        expected.assert_eq(&format!("{before}--\n{}", &after[before.len()..]));
    }

    #[test]
    fn lines_become_visible_with_their_newline_or_at_the_end() {
        check(
            &["a\nb"],
            expect![[r#"
            1970-01-01T00:00:00.000000000Z stdout F a
            --
            1970-01-01T00:00:00.000000000Z stdout F b
        "#]],
        );
        check(
            &["a", "b", "\n", "\n"],
            expect![[r#"
            1970-01-01T00:00:00.000000000Z stdout F ab
            1970-01-01T00:00:00.000000000Z stdout F 
            --
        "#]],
        );
        check(&[], expect!["--\n"]);
    }

    #[test]
    fn a_long_line_is_cut_into_parts() {
        let mut pending = Vec::new();
        let long = vec![b'x'; 2 * LINE_MAX_BYTES + 5];
        let lines =
            format_lines(&mut pending, Stream::Stderr, &[&long[..], b"\n"].concat(), jiff::Timestamp::UNIX_EPOCH);
        let tags: Vec<(u8, usize)> = lines
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| (line[38], line.len() - 40))
            .collect();
        assert_eq!(tags, [(b'P', LINE_MAX_BYTES), (b'P', LINE_MAX_BYTES), (b'F', 5)]);
    }

    #[test]
    fn after_a_rotation_lines_go_to_the_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let (path, old) = (directory.path().join("0.log"), directory.path().join("0.log.1"));
        let mut log = ContainerLog::open(&path).unwrap();
        log.write(Stream::Stdout, b"one\n", jiff::Timestamp::UNIX_EPOCH);
        std::fs::rename(&path, &old).unwrap();
        log.reopen().unwrap();
        log.write(Stream::Stdout, b"two\n", jiff::Timestamp::UNIX_EPOCH);
        assert!(std::fs::read_to_string(&old).unwrap().ends_with("F one\n"));
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("F two\n"));
    }
}
