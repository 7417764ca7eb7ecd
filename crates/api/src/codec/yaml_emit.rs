//! YAML as `sigs.k8s.io/yaml` prints it: sorted keys, two spaces, lists not indented, long text folded at 80 columns.

use super::yaml_plain::allowed;
use super::yaml_scalar;
use serde_json::Value;
use std::fmt::Write as _;

/// The column after which a space becomes a line break.
const BEST_WIDTH: usize = 80;
/// The longest key that stands on one line with its value.
const MAX_SIMPLE_KEY: usize = 128;
/// What as an unquoted key does not name an entry.
const MERGE_KEY: &str = "<<";

/// The document, with a line break at the end.
pub(super) fn emit(value: &Value) -> String {
    let mut emitter = Emitter { out: String::new(), line_start: 0 };
    match value {
        Value::Object(map) if !map.is_empty() => emitter.node(value, 0, true),
        Value::Array(list) if !list.is_empty() => emitter.node(value, 0, true),
        _ => emitter.scalar(value, 0),
    }
    emitter.newline();
    emitter.out
}

struct Emitter {
    out: String,
    /// Where in `out` the current line begins.
    line_start: usize,
}

impl Emitter {
    fn newline(&mut self) {
        if self.line_start != self.out.len() {
            self.out.push('\n');
            self.line_start = self.out.len();
        }
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.line_start = self.out.len();
    }

    fn indent(&mut self, columns: usize) {
        for _ in 0..columns {
            self.out.push(' ');
        }
    }

    fn column(&self) -> usize {
        self.out[self.line_start..].chars().count()
    }

    /// A collection that is not empty, at `indent` columns. `started`: its first line has been indented already.
    fn node(&mut self, value: &Value, indent: usize, mut started: bool) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if !started {
                        self.newline();
                        self.indent(indent);
                    }
                    started = false;
                    self.key(key, indent);
                    self.entry(value, indent);
                }
            }
            Value::Array(list) => {
                for item in list {
                    if !started {
                        self.newline();
                        self.indent(indent);
                    }
                    started = false;
                    self.out.push('-');
                    self.item(item, indent);
                }
            }
            scalar => self.scalar(scalar, indent),
        }
    }

    fn key(&mut self, key: &str, indent: usize) {
        if key.len() > MAX_SIMPLE_KEY || key.contains('\n') {
            self.out.push_str("? ");
            self.string(key, indent);
            self.newline();
            self.indent(indent);
        } else if key == MERGE_KEY {
            // unquoted it would be read as the order to merge another mapping
            self.double_quoted(key, indent, usize::MAX);
        } else {
            self.string_without_folding(key, indent);
        }
        self.out.push(':');
    }

    /// The value behind `key:`.
    fn entry(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(map) if !map.is_empty() => self.node(value, indent + 2, false),
            // Lists stand below their key without further indentation.
            Value::Array(list) if !list.is_empty() => self.node(value, indent, false),
            scalar => {
                self.out.push(' ');
                self.scalar(scalar, indent);
            }
        }
    }

    /// The value behind `-`.
    fn item(&mut self, value: &Value, indent: usize) {
        self.out.push(' ');
        match value {
            Value::Object(map) if !map.is_empty() => self.node(value, indent + 2, true),
            Value::Array(list) if !list.is_empty() => self.node(value, indent + 2, true),
            scalar => self.scalar(scalar, indent),
        }
    }

    /// A scalar or an empty collection; `indent` is that of the collection around it.
    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(flag) => drop(write!(self.out, "{flag}")),
            Value::Number(number) => drop(write!(self.out, "{number}")),
            Value::String(text) => self.string(text, indent),
            Value::Array(list) if list.is_empty() => self.out.push_str("[]"),
            Value::Object(map) if map.is_empty() => self.out.push_str("{}"),
            collection => self.node(collection, indent, true),
        }
    }

    fn string(&mut self, text: &str, indent: usize) {
        self.styled(text, indent, BEST_WIDTH);
    }

    fn string_without_folding(&mut self, text: &str, indent: usize) {
        self.styled(text, indent, usize::MAX);
    }

    fn styled(&mut self, text: &str, indent: usize, width: usize) {
        let allowed = allowed(text);
        if text.contains('\n') && allowed.block && width != usize::MAX {
            self.literal(text, indent);
        } else if !text.contains('\n') && !yaml_scalar::is_string(text) {
            self.double_quoted(text, indent, width);
        } else if allowed.plain {
            self.folded(text, indent, width);
        } else if allowed.single_quoted && !text.contains('\n') {
            self.out.push('\'');
            self.folded(&text.replace('\'', "''"), indent, width);
            self.out.push('\'');
        } else {
            self.double_quoted(text, indent, width);
        }
    }

    /// Text in which a single space beyond the width becomes a line break.
    fn folded(&mut self, text: &str, indent: usize, width: usize) {
        let mut column = self.column();
        let mut previous_space = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next_space = chars.peek().is_none_or(|(_, n)| *n == ' ');
            if c == ' ' && !previous_space && column > width && at > 0 && !next_space {
                self.line_break();
                self.indent(indent + 2);
                column = indent + 2;
                previous_space = true;
                continue;
            }
            previous_space = c == ' ';
            self.out.push(c);
            column += 1;
        }
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        if text.starts_with([' ', '\n']) {
            self.out.push('2');
        }
        if !text.ends_with('\n') {
            self.out.push('-');
        } else if text.ends_with("\n\n") || text == "\n" {
            self.out.push('+');
        }
        let body = text.strip_suffix('\n').unwrap_or(text);
        for line in body.split('\n') {
            self.line_break();
            if !line.is_empty() {
                self.indent(indent + 2);
                self.out.push_str(line);
            }
        }
        if self.line_start == self.out.len() {
            // The last line is empty: the break that ends it is part of the text.
            self.line_break();
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, width: usize) {
        self.out.push('"');
        let mut previous_space = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, n)| *n);
            if c == ' ' && !previous_space && self.column() > width && at > 0 && next.is_some() {
                self.line_break();
                self.indent(indent + 2);
                if next == Some(' ') {
                    self.out.push('\\');
                }
                previous_space = true;
                continue;
            }
            previous_space = c == ' ';
            self.escaped(c);
        }
        self.out.push('"');
    }

    fn escaped(&mut self, c: char) {
        match c {
            '\\' => self.out.push_str("\\\\"),
            '"' => self.out.push_str("\\\""),
            '\0' => self.out.push_str("\\0"),
            '\u{7}' => self.out.push_str("\\a"),
            '\u{8}' => self.out.push_str("\\b"),
            '\t' => self.out.push_str("\\t"),
            '\n' => self.out.push_str("\\n"),
            '\u{b}' => self.out.push_str("\\v"),
            '\u{c}' => self.out.push_str("\\f"),
            '\r' => self.out.push_str("\\r"),
            '\u{1b}' => self.out.push_str("\\e"),
            '\u{85}' => self.out.push_str("\\N"),
            '\u{2028}' => self.out.push_str("\\L"),
            '\u{2029}' => self.out.push_str("\\P"),
            ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' => self.out.push(c),
            c if u32::from(c) <= 0xff => drop(write!(self.out, "\\x{:02X}", u32::from(c))),
            c if u32::from(c) <= 0xffff => drop(write!(self.out, "\\u{:04X}", u32::from(c))),
            c => drop(write!(self.out, "\\U{:08X}", u32::from(c))),
        }
    }
}
