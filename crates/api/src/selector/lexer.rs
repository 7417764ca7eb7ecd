//! Splits a label selector into words.

/// A word of a label selector, with its text as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Error,
    End,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Identifier,
    In,
    Less,
    NotEquals,
    NotIn,
    Open,
}

const SPECIAL: &[u8] = b"=!(),><";
/// One character more than the longest operator has: further ones cannot change what is found. Looking at the whole run for
/// each of its words would take a minute for a selector of 60,000 brackets.
const MAX_RUN: usize = 3;
const SPACE: &[u8] = b" \t\r\n";

fn keyword(text: &str) -> Option<Token> {
    Some(match text {
        ")" => Token::Close,
        "," => Token::Comma,
        "!" => Token::Not,
        "==" => Token::DoubleEquals,
        "=" => Token::Equals,
        ">" => Token::Greater,
        "in" => Token::In,
        "<" => Token::Less,
        "!=" => Token::NotEquals,
        "notin" => Token::NotIn,
        "(" => Token::Open,
        _ => return None,
    })
}

/// All words; the last is [`Token::End`].
pub(super) fn words(text: &str) -> Vec<(Token, String)> {
    let bytes = text.as_bytes();
    // Upstream's reader takes a NUL for the end.
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let mut words = Vec::new();
    let mut at = 0;
    while at < end {
        if SPACE.contains(&bytes[at]) {
            at += 1;
        } else if SPECIAL.contains(&bytes[at]) {
            let (token, length) = special(&text[at..end]);
            let literal = &text[at..at + length];
            let literal = if token == Token::Error {
                format!("error expected: keyword found '{literal}'")
            } else {
                literal.to_owned()
            };
            words.push((token, literal));
            at += length;
        } else {
            let length =
                bytes[at..end].iter().position(|b| SPACE.contains(b) || SPECIAL.contains(b)).unwrap_or(end - at);
            let literal = &text[at..at + length];
            words.push((keyword(literal).unwrap_or(Token::Identifier), literal.to_owned()));
            at += length;
        }
    }
    words.push((Token::End, String::new()));
    words
}

/// The operator that `text` starts with and its length: the longest one of the run of special characters.
fn special(text: &str) -> (Token, usize) {
    let run = text.bytes().take(MAX_RUN).take_while(|b| SPECIAL.contains(b)).count();
    let mut found = None;
    for length in 1..=run {
        match keyword(&text[..length]) {
            Some(token) => found = Some((token, length)),
            None if found.is_some() => break,
            None => {}
        }
    }
    found.unwrap_or((Token::Error, run))
}
