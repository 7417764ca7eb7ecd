//! What can be wrong at a place, as upstream's `field.Error`s, quoting what stands there.
//!
//! Whether it is wrong is asked elsewhere: by the kinds, and by the short rules in `rules`.

use super::At;
use crate::go_text::{go_list_text, go_text};
use api::field::Error;
use serde_json::Value;

impl At<'_, '_> {
    /// The value as it stands in a message.
    fn bad_value(&self) -> Value {
        self.value.cloned().unwrap_or(Value::Null)
    }

    /// `Required value`
    pub fn required(&self, detail: &str) -> Error {
        Error::required(&self.path(), detail)
    }

    /// `Invalid value`, quoting the value here.
    pub fn invalid(&self, detail: impl Into<String>) -> Error {
        Error::invalid(&self.path(), self.bad_value(), detail)
    }

    /// `Invalid value`, quoting the Go struct here, which is the internal form of `definition`.
    pub fn invalid_struct(&self, definition: &str, detail: impl Into<String>) -> Error {
        self.invalid(detail).printed_as(self.go_text(definition))
    }

    /// `Invalid value`, quoting the list of such structs here.
    pub fn invalid_structs(&self, definition: &str, detail: impl Into<String>) -> Error {
        let list = self.value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        self.invalid(detail).printed_as(go_list_text(definition, list))
    }

    /// `Duplicate value`, quoting the Go struct here, which is the internal form of `definition`.
    pub fn duplicate_struct(&self, definition: &str) -> Error {
        self.duplicate().printed_as(self.go_text(definition))
    }

    /// The value here as Go prints the internal form of `definition`; what is not there is a nil pointer.
    pub fn go_text(&self, definition: &str) -> String {
        if self.exists() { go_text(definition, self.value) } else { "null".to_owned() }
    }

    /// `Invalid value`, quoting another value.
    pub fn invalid_value(&self, value: impl Into<Value>, detail: impl Into<String>) -> Error {
        Error::invalid(&self.path(), value, detail)
    }

    /// `Invalid value` without the value (`field.OmitValueType`).
    pub fn wrong(&self, detail: &str) -> Error {
        self.invalid_value(Value::Null, "").printed_as(detail.to_owned())
    }

    /// `Forbidden`
    pub fn forbidden(&self, detail: impl Into<String>) -> Error {
        Error::forbidden(&self.path(), detail)
    }

    /// `Duplicate value`, quoting the value here.
    pub fn duplicate(&self) -> Error {
        Error::duplicate(&self.path(), self.bad_value())
    }

    /// `Not found`, quoting the string here.
    pub fn not_found(&self) -> Error {
        Error::not_found(&self.path(), self.str())
    }

    /// `Unsupported value`, quoting the string here. The supported ones are printed in the order given, as upstream
    /// sorts some lists and not others.
    pub fn not_supported(&self, supported: &[&str]) -> Error {
        self.not_supported_value(self.str(), supported)
    }

    /// `Unsupported value`, quoting another value.
    pub fn not_supported_value(&self, value: impl Into<Value>, supported: &[&str]) -> Error {
        let quoted: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let mut error = Error::not_supported(&self.path(), value, &[]);
        error.detail = format!("supported values: {}", quoted.join(", "));
        error
    }

    /// `Too long`
    pub fn too_long(&self, max: usize) -> Error {
        Error::too_long(&self.path(), max)
    }
}
