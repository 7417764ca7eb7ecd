//! Regular expressions of schemas: RE2 upstream, the `regex` crate here, with Go's words for what does not parse.

use regex::Regex;
use regex_syntax::ast::{self, ErrorKind};

/// How large a compiled expression may be, in bytes: a schema can hold many of them.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// A compiled `pattern`.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it stands in the schema.
    pub source: String,
    regex: Regex,
}

/// Why an expression does not compile, in Go's words (`error parsing regexp: …`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub String);

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// In Go's words.
    pub fn compile(source: &str) -> Result<Self, PatternError> {
        let built = regex::RegexBuilder::new(source).size_limit(MAX_COMPILED_BYTES).build();
        match built {
            Ok(regex) => Ok(Self { source: source.to_owned(), regex }),
            Err(error) => Err(PatternError(go_words(source, &error))),
        }
    }

    /// Whether the expression matches somewhere in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The compiled expression.
    pub fn regex(&self) -> &Regex {
        &self.regex
    }
}

fn go_words(source: &str, error: &regex::Error) -> String {
    let Err(parse) = ast::parse::Parser::new().parse(source) else {
        return match error {
            regex::Error::CompiledTooBig(_) => "error parsing regexp: expression too large".to_owned(),
            _ => format!("error parsing regexp: invalid or unsupported Perl syntax: `{source}`"),
        };
    };
    let span = source.get(parse.span().start.offset..parse.span().end.offset).unwrap_or_default();
    let from = source.get(parse.span().start.offset..).unwrap_or_default();
    let (words, shown) = match parse.kind() {
        ErrorKind::GroupUnclosed => ("missing closing )", source),
        ErrorKind::GroupUnopened => ("unexpected )", source),
        ErrorKind::ClassUnclosed => ("missing closing ]", from),
        ErrorKind::ClassRangeInvalid => ("invalid character class range", span),
        // The place is before the operator.
        ErrorKind::RepetitionMissing => ("missing argument to repetition operator", from.get(..1).unwrap_or_default()),
        ErrorKind::RepetitionCountInvalid => ("invalid repeat count", span),
        ErrorKind::EscapeUnexpectedEof => ("trailing backslash at end of expression", ""),
        ErrorKind::EscapeUnrecognized | ErrorKind::UnsupportedBackreference => ("invalid escape sequence", span),
        ErrorKind::UnsupportedLookAround | ErrorKind::FlagUnrecognized => ("invalid or unsupported Perl syntax", span),
        ErrorKind::GroupNameInvalid | ErrorKind::GroupNameEmpty => ("invalid named capture", from),
        ErrorKind::NestLimitExceeded(_) => ("expression nests too deeply", source),
        _ => ("invalid or unsupported Perl syntax", span),
    };
    format!("error parsing regexp: {words}: `{shown}`")
}
