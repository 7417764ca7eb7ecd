//! Every `Invalid` and conflict-like answer of the corpus, put together again by this crate's constructors.

use api::field::{Error, ErrorType};
use api::status::{Status, Subject};
use serde_json::Value;

/// The error that has this cause, or `None` for causes of other origin.
fn error(cause: &Value) -> Option<Error> {
    let text = |name: &str| cause[name].as_str().unwrap_or_default();
    let kind = match text("reason") {
        "FieldValueNotFound" => ErrorType::NotFound,
        "FieldValueRequired" => ErrorType::Required,
        "FieldValueDuplicate" => ErrorType::Duplicate,
        "FieldValueInvalid" => ErrorType::Invalid,
        "FieldValueNotSupported" => ErrorType::NotSupported,
        "FieldValueForbidden" => ErrorType::Forbidden,
        "FieldValueTooLong" => ErrorType::TooLong,
        "FieldValueTooMany" => ErrorType::TooMany,
        "FieldValueTypeInvalid" => ErrorType::TypeInvalid,
        _ => return None,
    };
    let plain = matches!(kind, ErrorType::Required | ErrorType::Forbidden | ErrorType::TooLong);
    let rest = text("message").split_once(": ").map_or("", |(_, rest)| rest);
    let (detail, printed) = if plain { (rest.to_owned(), None) } else { (String::new(), Some(rest.to_owned())) };
    let field = text("field").to_owned();
    Some(Error { kind, field, bad_value: Value::Null, detail, printed, is_ratcheting: false, is_tolerated: false })
}

#[test]
fn invalid_answers_are_put_together_as_recorded() {
    let mut seen = 0;
    for (name, step) in crate::steps() {
        let body = &step["response"]["body"];
        let details = &body["details"];
        let causes = details["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_validation = body["reason"] == "Invalid" && !causes.is_empty() && step["response"]["view"].is_null();
        let is_own = body["message"].as_str().is_some_and(|m| m.contains(" is invalid: "));
        if !is_validation || !is_own || step["unorderedErrors"] == true {
            continue;
        }
        let Some(errors) = causes.iter().map(error).collect::<Option<Vec<Error>>>() else {
            continue;
        };
        let text = |name: &str| details[name].as_str().unwrap_or_default();
        let subject = Subject { group: text("group"), resource: text("kind"), name: text("name") };
        assert_eq!(Status::invalid(&subject, &errors).to_value(), *body, "{name}");
        seen += 1;
    }
    assert!(seen > 300 || !crate::shared().join("golden").exists(), "{seen}");
}
