//! What Go's YAML library says of broken YAML, as far as our parser's errors tell.
//!
//! Checked against `kubectl label --local`, which quotes the library.

use super::DecodeError;
use granit_parser::{ErrorKind, ScanError};

/// Who finds the error in Go's library; decides how lines are counted. Line 0 is not named.
enum By {
    /// Lines from one, but the first is not named.
    Scanner,
    /// The scanner, at the end of the text.
    ScannerEnd,
    /// Lines from zero.
    Parser,
    /// The parser, at the end of the text, which counts as a line.
    End,
}

const NODE: &str = "did not find expected node content";
const TAB: &str = "found a tab character that violates indentation";

/// The error in Go's words.
pub(super) fn words(error: &ScanError, text: &str) -> DecodeError {
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return DecodeError::TooDeep;
    }
    let at = error.marker();
    let (mut what, mut by) = classify(error.kind());
    if matches!(by, By::End) && text.trim_end().ends_with(['[', '{', ',']) {
        // Where the text ends behind a bracket or comma, Go misses an item and not the next comma.
        what = NODE;
    } else if matches!(by, By::End | By::Parser) && is_second_comma(text, at.index()) {
        (what, by) = (NODE, By::Parser);
    } else if text.lines().nth(at.line().saturating_sub(1)).is_some_and(|line| line.starts_with('%')) {
        (what, by) = ("found unknown directive name", By::Scanner);
    }
    let from_one = |line: usize| if line == 1 { 0 } else { line };
    let line = match by {
        // Our parser names the beginning of the text that the tab interrupts.
        By::Scanner if what == TAB => from_one(line_with_tab(text, at.line())),
        By::Scanner => from_one(at.line()),
        By::ScannerEnd => from_one(text.matches('\n').count() + 1),
        By::Parser => at.line().saturating_sub(1),
        By::End => text.lines().count(),
    };
    DecodeError::Yaml(if line == 0 { format!("yaml: {what}") } else { format!("yaml: line {line}: {what}") })
}

/// Whether the character there is a comma where an item should be.
fn is_second_comma(text: &str, index: usize) -> bool {
    let before: String = text.chars().take(index + 1).collect();
    before.strip_suffix(',').is_some_and(|rest| rest.trim_end().ends_with(['[', '{', ',']))
}

/// The first line from `line` on whose indentation has a tab.
fn line_with_tab(text: &str, line: usize) -> usize {
    let has_tab = |text: &str| text.trim_start_matches(' ').starts_with('\t');
    let offset = text.lines().skip(line.saturating_sub(1)).position(has_tab);
    line + offset.unwrap_or(0)
}

fn classify(kind: &ErrorKind) -> (&'static str, By) {
    match kind {
        ErrorKind::UnexpectedEofFlowSequence | ErrorKind::UnclosedFlowCollection { open: '[' } => {
            ("did not find expected ',' or ']'", By::End)
        }
        ErrorKind::ExpectedFlowSequenceSeparator => ("did not find expected ',' or ']'", By::Parser),
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping => ("did not find expected ',' or '}'", By::End),
        ErrorKind::ExpectedFlowMappingSeparator => ("did not find expected ',' or '}'", By::Parser),
        ErrorKind::UnexpectedEofBlockMapping | ErrorKind::ExpectedBlockMappingKey => {
            ("did not find expected key", By::Parser)
        }
        ErrorKind::UnexpectedEofBlockSequence | ErrorKind::ExpectedBlockSequenceEntry => {
            ("did not find expected '-' indicator", By::Parser)
        }
        ErrorKind::ExpectedDocumentStart => ("did not find expected <document start>", By::Parser),
        ErrorKind::UndeclaredTagHandle => ("found undefined tag handle", By::Parser),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => ("could not find expected ':'", By::Scanner),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            ("mapping values are not allowed in this context", By::Scanner)
        }
        ErrorKind::MappingKeyNotAllowed => ("mapping keys are not allowed in this context", By::Scanner),
        ErrorKind::BlockSequenceEntryNotAllowed => {
            ("block sequence entries are not allowed in this context", By::Scanner)
        }
        ErrorKind::UnclosedQuotedScalar => ("found unexpected end of stream", By::ScannerEnd),
        ErrorKind::InvalidQuotedScalarHexEscape => ("did not find expected hexdecimal number", By::Scanner),
        ErrorKind::InvalidBlockScalarHeader => ("did not find expected comment or line break", By::Scanner),
        ErrorKind::UnclosedVerbatimTag => ("did not find the expected '>'", By::Scanner),
        ErrorKind::MisplacedFlowCollectionEnd | ErrorKind::MismatchedFlowCollectionEnd { .. } => (NODE, By::Parser),
        ErrorKind::DocumentIndicatorInQuotedScalar => ("found unexpected document indicator", By::Scanner),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::InvalidIndentation => (TAB, By::Scanner),
        ErrorKind::UnexpectedCharacter { .. } => ("found character that cannot start any token", By::Scanner),
        ErrorKind::UnknownQuotedScalarEscape => ("found unknown escape character", By::Scanner),
        ErrorKind::UnexpectedEof => (NODE, By::End),
        ErrorKind::ExpectedNodeContent => (NODE, By::Parser),
        _ => ("did not find expected key", By::Parser),
    }
}
