//! Label and field selectors: parsing in upstream's words (`k8s.io/apimachinery/pkg/{labels,fields}`), and matching.

mod field_selector;
mod label_selector;
mod lexer;
mod requirement;

pub use field_selector::{FieldSelector, FieldTerm};
pub use label_selector::{LabelSelector, validate_label_selector};
pub use requirement::{Operator, Requirement};

/// How long a selector may be, in bytes: what fits into a request's URL.
pub const MAX_SELECTOR_BYTES: usize = 1 << 20;

/// Why a selector was refused; the words are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub(crate) String);
