//! What a patch comes to: checked to be an object of its type, as what is sent is, and told of in the words for patches.

use super::patch::Target;
use crate::decode::{self, FieldValidation};
use api::codec;
use api::patch;
use api::status::Status;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

/// What a patch comes to, and what of it an error shows.
pub(super) struct Shown<'a> {
    /// Makes the patched object; again where it has to be shown in an error, so that the usual way makes no copy of it.
    pub(super) patched: &'a dyn Fn() -> Result<Value, Status>,
    /// The patch, if it is a strategic merge: then this is shown.
    pub(super) strategic: Option<&'a Value>,
    /// It was applied by the server, and is not decoded anew.
    pub(super) applied: bool,
}

impl Shown<'_> {
    /// The answer to a patch that makes what cannot be decoded.
    fn undecodable(&self, words: &str) -> Result<Status, Status> {
        Ok(match self.strategic {
            Some(patch) => patch::undecodable_strategic(patch, words),
            None => patch::undecodable(&(self.patched)()?, words),
        })
    }
}

/// The patched object in the shape of its type, with its strict errors.
pub(super) fn conformed(shown: &Shown<'_>, target: &Target<'_>) -> Result<(Value, Vec<String>), Status> {
    let mut object = (shown.patched)()?;
    // Strategic merges end in a type that is known beforehand: upstream does not look at the one that they name.
    if target.typed && shown.strategic.is_none() {
        let type_meta = codec::type_meta(&object).map_err(|why| patch::undecodable(&object, &why))?;
        if let Some(why) = decode::other_type(&object, type_meta, target.wanted) {
            return Err(patch::undecodable(&object, &why));
        }
    }
    if !target.typed {
        let names = |field: &str| object[field].as_str().is_some_and(|text| !text.is_empty());
        if !names("kind") {
            return Err(patch::undecodable(&object, &format!("Object 'Kind' is missing in '{object}'")));
        }
        if !names("apiVersion") {
            return Err(Status::internal("Object 'apiVersion' is missing in 'object has no apiVersion field'"));
        }
        // What a patch of the status has beside the status is left out of account, kind and version too.
        if target.subresource != "status" {
            decode::check_patched_type(&object, target.wanted)?;
        }
    }
    let conform = if shown.applied { codec::conform_applied } else { codec::conform };
    let conformed = match conform(&mut object, target.schema) {
        Ok(conformed) => conformed,
        Err(error) => {
            let words = if shown.strategic.is_some() { error.converter_words() } else { error.to_string() };
            return Err(shown.undecodable(&words)?);
        }
    };
    decode::set_type(&mut object, target.wanted);
    let unknown = match target.typed {
        true => conformed.unknown_field_errors().collect(),
        false => decode::unknown_of_custom(&conformed),
    };
    Ok((object, unknown))
}

/// Deals with strict errors; retries of one request warn once.
pub(super) fn report(
    validation: FieldValidation,
    strict: Vec<String>,
    shown: &Shown<'_>,
    warnings: &Mutex<Vec<String>>,
) -> Result<(), Status> {
    match validation {
        _ if strict.is_empty() => Ok(()),
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            *warnings.lock().unwrap_or_else(PoisonError::into_inner) = codec::strict_warnings(strict);
            Ok(())
        }
        FieldValidation::Strict => Err(shown.undecodable(&codec::strict_decoding_error(&strict))?),
    }
}
