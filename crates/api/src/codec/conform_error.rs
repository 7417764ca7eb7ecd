//! Why a value has not the shape of its type, in the words of Go's decoders.

use crate::quantity::QuantityError;
use crate::time::TimeError;

/// Why a value has not the type. The words are Go's; the API server puts its own around them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConformError {
    /// A value of another JSON type, or a number out of range.
    #[error("json: cannot unmarshal {value} into Go {target} of type {go_type}")]
    Type {
        /// `string`, `number 1.5`, `object` …
        value: String,
        /// `struct field PodSpec.spec.nodeName`, or `value` where there is no field.
        target: String,
        /// `int32`, `[]v1.Container` …
        go_type: String,
        /// The whole in the words of [`ConformError::converter_words`].
        converter: String,
    },
    /// No quantity.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// No time.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// What the type's own decoder says.
    #[error("{0}")]
    Own(&'static str),
    /// Of an embedded resource: with its place.
    #[error("{0}")]
    Embedded(String),
    /// No base64.
    #[error("{0}")]
    Base64(String),
}

impl ConformError {
    /// What `DefaultUnstructuredConverter` says, which reads the outcome of strategic merge patches.
    pub fn converter_words(&self) -> String {
        match self {
            Self::Type { converter, .. } => converter.clone(),
            Self::Base64(words) => format!("error decoding from json: {words}"),
            Self::Quantity(_) | Self::Time(_) | Self::Own(_) | Self::Embedded(_) => self.to_string(),
        }
    }
}
