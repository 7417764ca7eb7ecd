//! Validation errors with the path of the field, in upstream's words (`k8s.io/apimachinery/pkg/util/validation/field`).

mod go_text;

pub use go_text::{go_json, go_quote};

use go_text::go_value;
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;

/// The path of a field, printed as upstream prints it: `spec.containers[0].name`, `metadata.labels[a/b]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// A path of one name.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The field `name` below this one. Below the empty path it is the name alone.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self::new(name) } else { Self(format!("{}.{name}", self.0)) }
    }

    /// The list element `index` of this field.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The map entry `key` of this field.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "<nil>" } else { &self.0 })
    }
}

/// What is wrong with a field: upstream's `field.ErrorType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// `FieldValueNotFound`
    NotFound,
    /// `FieldValueRequired`
    Required,
    /// `FieldValueDuplicate`
    Duplicate,
    /// `FieldValueInvalid`
    Invalid,
    /// `FieldValueNotSupported`
    NotSupported,
    /// `FieldValueForbidden`
    Forbidden,
    /// `FieldValueTooLong`
    TooLong,
    /// `FieldValueTooMany`
    TooMany,
    /// `InternalError`
    Internal,
    /// `FieldValueTypeInvalid`
    TypeInvalid,
    /// `FieldValueTooShort`
    TooShort,
    /// `FieldValueTooFew`
    TooFew,
}

impl ErrorType {
    /// The `reason` of the cause in a `Status`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Internal => "InternalError",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::TooShort => "FieldValueTooShort",
            Self::TooFew => "FieldValueTooFew",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
            Self::TooShort => "Too short",
            Self::TooFew => "Too few",
        }
    }
}

/// One validation error.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorType,
    /// Where.
    pub field: String,
    /// The offending value; not printed for [`ErrorType::Required`], [`ErrorType::Forbidden`], `TooLong` and `Internal`.
    pub bad_value: Value,
    /// The explanation after the value; may be empty.
    pub detail: String,
    /// The value as upstream prints it, where that is not the JSON of `bad_value`: Go structs keep their field order.
    pub printed: Option<String>,
    /// The rule is younger than stored objects: a value that was there before may stay (upstream's ratcheting).
    pub is_ratcheting: bool,
    /// Nothing is refused for it: what was there before may stay, and the writer is warned of it.
    pub is_tolerated: bool,
}

/// All errors of one object, in upstream's order.
pub type ErrorList = Vec<Error>;

impl Error {
    fn new(kind: ErrorType, path: &Path, bad_value: Value, detail: impl Into<String>) -> Self {
        Self {
            kind,
            field: path.to_string(),
            bad_value,
            detail: detail.into(),
            printed: None,
            is_ratcheting: false,
            is_tolerated: false,
        }
    }

    /// `field.Required`
    pub fn required(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Required, path, Value::Null, detail)
    }

    /// `field.Invalid`
    pub fn invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Invalid, path, value.into(), detail)
    }

    /// `field.NotFound`
    pub fn not_found(path: &Path, value: impl Into<Value>) -> Self {
        Self::new(ErrorType::NotFound, path, value.into(), "")
    }

    /// `field.Duplicate`
    pub fn duplicate(path: &Path, value: impl Into<Value>) -> Self {
        Self::new(ErrorType::Duplicate, path, value.into(), "")
    }

    /// `field.Forbidden`
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Forbidden, path, Value::Null, detail)
    }

    /// `field.NotSupported` as most of upstream's validation calls it: the supported values are printed sorted and quoted.
    pub fn not_supported(path: &Path, value: impl Into<Value>, supported: &[&str]) -> Self {
        let mut sorted = supported.to_vec();
        sorted.sort_unstable();
        Self::not_supported_as_listed(path, value, &sorted)
    }

    /// `field.NotSupported` with the supported values in the order given.
    pub fn not_supported_as_listed(path: &Path, value: impl Into<Value>, supported: &[&str]) -> Self {
        if supported.is_empty() {
            return Self::new(ErrorType::NotSupported, path, value.into(), "");
        }
        let quoted: Vec<String> = supported.iter().map(|s| go_quote(s)).collect();
        Self::new(ErrorType::NotSupported, path, value.into(), format!("supported values: {}", quoted.join(", ")))
    }

    /// `field.TypeInvalid`: the value has not the type that its schema says.
    pub fn type_invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::TypeInvalid, path, value.into(), detail)
    }

    /// `field.TooLong`: may not be more than `max` bytes.
    pub fn too_long(path: &Path, max: usize) -> Self {
        let bytes = if max == 1 { "byte" } else { "bytes" };
        Self::new(ErrorType::TooLong, path, Value::Null, format!("may not be more than {max} {bytes}"))
    }

    /// `field.TooLongCharacters`: may not be more than `max` characters.
    pub fn too_long_characters(path: &Path, max: usize) -> Self {
        let characters = if max == 1 { "character" } else { "characters" };
        Self::new(ErrorType::TooLong, path, Value::Null, format!("may not be more than {max} {characters}"))
    }

    /// `field.TooShort`: at least `min` bytes.
    pub fn too_short(path: &Path, min: usize) -> Self {
        let bytes = if min == 1 { "byte" } else { "bytes" };
        Self::new(ErrorType::TooShort, path, Value::Null, format!("must be at least {min} {bytes}"))
    }

    /// `field.TooFew`: `actual` items where at least `min` must be.
    pub fn too_few(path: &Path, actual: usize, min: usize) -> Self {
        let items = if min == 1 { "item" } else { "items" };
        Self::new(ErrorType::TooFew, path, Value::from(actual), format!("must have at least {min} {items}"))
    }

    /// `field.TooMany`: `actual` items where at most `max` may be.
    pub fn too_many(path: &Path, actual: usize, max: usize) -> Self {
        let items = if max == 1 { "item" } else { "items" };
        Self::new(ErrorType::TooMany, path, Value::from(actual), format!("must have at most {max} {items}"))
    }

    /// `field.InternalError`
    pub fn internal(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Internal, path, Value::Null, detail)
    }

    /// Prints the value as `text` instead of the JSON of `bad_value`.
    #[must_use]
    pub fn printed_as(self, text: String) -> Self {
        Self { printed: Some(text), ..self }
    }

    /// Leaves the value out (upstream's `OmitValueType`).
    #[must_use]
    pub fn without_value(self) -> Self {
        self.printed_as(String::new())
    }

    /// Marks the error as one that only warns.
    #[must_use]
    pub fn tolerated(self) -> Self {
        Self { is_tolerated: true, ..self }
    }

    /// Marks the error as one that a value does not give which was there before.
    #[must_use]
    pub fn ratcheting(self) -> Self {
        Self { is_ratcheting: true, ..self }
    }

    /// The field without indices of lists: the same for all items, wherever they are moved.
    pub fn place(&self) -> String {
        let mut place = String::with_capacity(self.field.len());
        for (count, part) in self.field.split('[').enumerate() {
            let index = part.split_once(']').filter(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit()));
            match index {
                Some((_, rest)) if count > 0 => place.push_str(rest),
                _ if count > 0 => {
                    place.push('[');
                    place.push_str(part);
                }
                _ => place.push_str(part),
            }
        }
        place
    }

    /// The text without the field: what stands in a cause's `message` (`field.Error.ErrorBody`).
    pub fn body(&self) -> String {
        let mut text = match self.kind {
            ErrorType::Required
            | ErrorType::Forbidden
            | ErrorType::TooLong
            | ErrorType::TooShort
            | ErrorType::Internal => self.kind.words().to_owned(),
            _ => match &self.printed {
                Some(text) if text.is_empty() => self.kind.words().to_owned(),
                Some(text) => format!("{}: {text}", self.kind.words()),
                None => format!("{}: {}", self.kind.words(), go_value(&self.bad_value)),
            },
        };
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// The errors in one text, as `ErrorList.ToAggregate` prints them: one as it is, several in brackets, equal ones once.
pub fn aggregate(errors: &[Error]) -> String {
    let mut seen = HashSet::with_capacity(errors.len());
    let mut texts: Vec<String> = errors.iter().map(Error::to_string).collect();
    texts.retain(|text| seen.insert(text.clone()));
    match texts.len() {
        1 => texts.swap_remove(0),
        _ => format!("[{}]", texts.join(", ")),
    }
}
