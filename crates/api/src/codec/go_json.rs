//! What Go's JSON decoder says of broken JSON. Used only where a text is already known to be broken.

use crate::field::go_quote;

/// What the scanner waits for.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Value,
    FirstItem,
    FirstKey,
    Key,
    Colon,
    AfterItem,
    AfterEntry,
    End,
}

const END: &str = "unexpected end of JSON input";

fn invalid(byte: u8, where_: &str) -> String {
    let shown = match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        // Go quotes the byte as the character of the same number.
        other => {
            let quoted = go_quote(char::from(other).encode_utf8(&mut [0; 4]));
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    };
    format!("invalid character {shown} {where_}")
}

/// The greatest depth of brackets outside strings.
pub(super) fn depth(body: &[u8]) -> usize {
    let (mut depth, mut most, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                most = most.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// The first syntax error, if there is one.
pub fn syntax_error(body: &[u8]) -> Option<String> {
    Scanner { body, at: 0, open: Vec::new() }.run().err()
}

/// The first number of a body without syntax errors that is beyond all floats.
pub(super) fn infinite_number(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let (mut at, mut in_string) = (0, false);
    while at < text.len() {
        let byte = body[at];
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'0'..=b'9' if !in_string => {
                let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let length = body[at..].iter().take_while(|byte| is_part(byte)).count();
                let number = &text[at..at + length];
                if number.parse::<f64>().is_ok_and(f64::is_infinite) {
                    return Some(number);
                }
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
    open: Vec<u8>,
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), String> {
        let mut state = State::Value;
        loop {
            while self.body.get(self.at).is_some_and(|b| b" \t\r\n".contains(b)) {
                self.at += 1;
            }
            let Some(&byte) = self.body.get(self.at) else {
                return if state == State::End { Ok(()) } else { Err(END.to_owned()) };
            };
            state = self.step(state, byte)?;
        }
    }

    fn step(&mut self, state: State, byte: u8) -> Result<State, String> {
        match (state, byte) {
            (State::FirstItem, b']') | (State::FirstKey, b'}') => Ok(self.close()),
            (State::Value | State::FirstItem, _) => self.value(byte),
            (State::FirstKey | State::Key, b'"') => self.string().map(|()| State::Colon),
            (State::FirstKey | State::Key, _) => Err(invalid(byte, "looking for beginning of object key string")),
            (State::Colon, b':') => Ok(self.next(State::Value)),
            (State::Colon, _) => Err(invalid(byte, "after object key")),
            (State::AfterItem, b',') => Ok(self.next(State::Value)),
            (State::AfterItem, b']') | (State::AfterEntry, b'}') => Ok(self.close()),
            (State::AfterItem, _) => Err(invalid(byte, "after array element")),
            (State::AfterEntry, b',') => Ok(self.next(State::Key)),
            (State::AfterEntry, _) => Err(invalid(byte, "after object key:value pair")),
            (State::End, _) => Err(invalid(byte, "after top-level value")),
        }
    }

    fn next(&mut self, state: State) -> State {
        self.at += 1;
        state
    }

    fn after_value(&self) -> State {
        match self.open.last() {
            None => State::End,
            Some(b'[') => State::AfterItem,
            Some(_) => State::AfterEntry,
        }
    }

    fn close(&mut self) -> State {
        self.at += 1;
        self.open.pop();
        self.after_value()
    }

    fn value(&mut self, byte: u8) -> Result<State, String> {
        match byte {
            b'{' | b'[' => {
                self.open.push(byte);
                self.at += 1;
                return Ok(if byte == b'{' { State::FirstKey } else { State::FirstItem });
            }
            b'"' => self.string()?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(invalid(byte, "looking for beginning of value")),
        }
        Ok(self.after_value())
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        for (index, expected) in word.bytes().enumerate() {
            match self.body.get(self.at) {
                None => return Err(END.to_owned()),
                Some(&byte) if byte != expected => {
                    return Err(invalid(
                        byte,
                        &format!("in literal {word} (expecting '{}')", char::from(word.as_bytes()[index])),
                    ));
                }
                Some(_) => self.at += 1,
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            let byte = *self.body.get(self.at).ok_or(END)?;
            self.at += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' => {
                    let escape = *self.body.get(self.at).ok_or(END)?;
                    self.at += 1;
                    match escape {
                        b'u' => self.hex()?,
                        _ if b"\"\\/bfnrt".contains(&escape) => {}
                        _ => return Err(invalid(escape, "in string escape code")),
                    }
                }
                0..=0x1f => return Err(invalid(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn hex(&mut self) -> Result<(), String> {
        for _ in 0..4 {
            let byte = *self.body.get(self.at).ok_or(END)?;
            if !byte.is_ascii_hexdigit() {
                return Err(invalid(byte, "in \\u hexadecimal character escape"));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn digits(&mut self, where_: &str) -> Result<(), String> {
        match self.body.get(self.at) {
            None => return Err(END.to_owned()),
            Some(byte) if !byte.is_ascii_digit() => return Err(invalid(*byte, where_)),
            Some(_) => {}
        }
        while self.body.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        if self.body[self.at] == b'-' {
            self.at += 1;
        }
        if self.body.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.body.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if self.body.get(self.at).is_some_and(|b| b"eE".contains(b)) {
            self.at += 1;
            if self.body.get(self.at).is_some_and(|b| b"+-".contains(b)) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }
}
