//! What Go's YAML library says of broken YAML, as far as our parser's errors tell.
//!
//! Go's scanner counts lines from one, its parser names the line before the offending token's, and the end of the
//! text counts as a line of its own.

use super::DecodeError;
use granit_parser::{ErrorKind, ScanError};

/// Who finds the error in Go's library; decides how lines are counted.
enum By {
    Scanner,
    Parser,
    /// The parser, at the end of the text.
    End,
}

const NODE: &str = "did not find expected node content";

/// The error in Go's words.
pub(super) fn words(error: &ScanError, text: &str) -> DecodeError {
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return DecodeError::TooDeep;
    }
    let (mut what, by) = classify(error.kind());
    let line = match by {
        By::Scanner => error.marker().line(),
        By::Parser => error.marker().line().saturating_sub(1),
        By::End => text.lines().count(),
    };
    // Where the text ends behind a bracket or comma, Go misses an item and not the next comma.
    if matches!(by, By::End) && text.trim_end().ends_with(['[', '{', ',']) {
        what = NODE;
    }
    DecodeError::Yaml(if line == 0 { format!("yaml: {what}") } else { format!("yaml: line {line}: {what}") })
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
        ErrorKind::UnexpectedEofBlockMapping | ErrorKind::ExpectedBlockMappingKey => ("did not find expected key", By::Parser),
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
        ErrorKind::BlockSequenceEntryNotAllowed => ("block sequence entries are not allowed in this context", By::Scanner),
        ErrorKind::UnclosedQuotedScalar => ("found unexpected end of stream", By::Scanner),
        ErrorKind::DocumentIndicatorInQuotedScalar => ("found unexpected document indicator", By::Scanner),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::InvalidIndentation
        | ErrorKind::UnexpectedCharacter { .. } => ("found character that cannot start any token", By::Scanner),
        ErrorKind::UnknownQuotedScalarEscape => ("found unknown escape character", By::Scanner),
        ErrorKind::UnexpectedEof => (NODE, By::End),
        ErrorKind::ExpectedNodeContent => (NODE, By::Parser),
        _ => ("did not find expected key", By::Parser),
    }
}
