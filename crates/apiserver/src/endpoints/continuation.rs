//! Continue tokens of lists, as upstream writes them: readable, but nobody's business.

use api::status::Status;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Value, json};

const VERSION: &str = "meta.k8s.io/v1";
/// The revision in a token that goes on with whatever is there.
const NOW: i64 = -1;

/// Reads tokens as Go does, which does not mind bits that are left over.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Where a list goes on.
#[derive(Debug, PartialEq, Eq)]
pub struct Continuation {
    /// The revision that the list is of; `None`: the present one, whatever has changed since the list began.
    pub revision: Option<u64>,
    /// The first key that may come.
    pub start: String,
}

impl Continuation {
    /// After an entry of a list of this revision.
    pub fn after(last_key: &str, revision: u64) -> Self {
        Self { revision: Some(revision), start: format!("{last_key}\0") }
    }

    /// As clients get it.
    pub fn token(&self) -> String {
        let revision = self.revision.map_or(json!(NOW), Value::from);
        URL_SAFE_NO_PAD.encode(json!({"v": VERSION, "rv": revision, "start": self.start}).to_string())
    }
}

/// Where Go's decoder would have stopped: at what is no letter of it, the sign that pads too, or where one letter stands alone
/// at the end.
fn words_of_go(token: &str) -> String {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let at = token.bytes().position(|byte| !is_letter(byte)).unwrap_or(token.len().saturating_sub(1));
    format!("illegal base64 data at input byte {at}")
}

/// What Go's decoder says of a token that has values of other types.
fn wrong_type(token: &Value) -> Option<String> {
    let word = |value: &Value| match value {
        Value::Null => None,
        Value::Bool(_) => Some("bool".to_owned()),
        Value::Number(number) => Some(format!("number {number}")),
        Value::String(_) => Some("string".to_owned()),
        Value::Array(_) => Some("array".to_owned()),
        Value::Object(_) => Some("object".to_owned()),
    };
    let Value::Object(fields) = token else {
        let word = word(token).map(|word| if token.is_number() { "number".to_owned() } else { word });
        return word.map(|word| format!("json: cannot unmarshal {word} into Go value of type storage.continueToken"));
    };
    let fits = |name: &str, value: &Value| if name == "rv" { value.is_i64() } else { value.is_string() };
    [("rv", "int64"), ("start", "string"), ("v", "string")].into_iter().find_map(|(name, go_type)| {
        let value = fields.get(name).filter(|value| !fits(name, value))?;
        let word =
            word(value).map(|word| if name == "rv" || !value.is_number() { word } else { "number".to_owned() })?;
        Some(format!("json: cannot unmarshal {word} into Go struct field continueToken.{name} of type {go_type}"))
    })
}

/// Reads a token.
///
/// # Errors
/// 400 for what this server cannot have given out.
pub fn parse(token: &str) -> Result<Continuation, Status> {
    let bad = |why: &str| Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
    let bytes = LENIENT.decode(token).map_err(|_| bad(&words_of_go(token)))?;
    let value: Value = api::codec::decode_json(&bytes).map_err(|error| bad(&error.to_string()))?.value;
    if let Some(why) = wrong_type(&value) {
        return Err(bad(&why));
    }
    let version = value["v"].as_str().unwrap_or_default();
    if version != VERSION {
        return Err(bad(&format!("server does not recognize this encoded version {version}")));
    }
    let revision = match value["rv"].as_i64().unwrap_or_default() {
        0 => return Err(bad("incorrect encoded start resourceVersion (version meta.k8s.io/v1)")),
        revision => u64::try_from(revision).ok(),
    };
    let start = value["start"].as_str().unwrap_or_default();
    if start.is_empty() {
        return Err(bad("encoded start key empty (version meta.k8s.io/v1)"));
    }
    // No way up, out of what is listed.
    let below = start.strip_prefix('/').unwrap_or(start);
    if !below.is_empty() && below.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(bad(start));
    }
    Ok(Continuation { revision, start: start.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_went() {
        for at in [Continuation::after("default/a", 7), Continuation { revision: None, start: "b\0".to_owned() }] {
            assert_eq!(parse(&at.token()), Ok(at));
        }
    }

    #[test]
    fn what_is_no_base64_is_told_in_gos_words() {
        for (token, at) in [("x", 0), ("abcde", 4), ("ab!d", 2), ("AAAA==", 4), ("e30=", 3)] {
            let words =
                format!("invalid continue token: continue key is not valid: illegal base64 data at input byte {at}");
            assert_eq!(parse(token).unwrap_err().message, words);
        }
    }

    #[test]
    fn what_was_never_given_out_is_refused() {
        for (token, why) in [
            (json!({}), "server does not recognize this encoded version "),
            (json!({"v": "v2"}), "server does not recognize this encoded version v2"),
            (json!({"v": VERSION, "start": "a"}), "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
            (json!({"v": VERSION, "rv": 5}), "encoded start key empty (version meta.k8s.io/v1)"),
            (json!({"v": VERSION, "rv": 5, "start": "a/../../secrets/x"}), "a/../../secrets/x"),
            (json!({"v": VERSION, "rv": 5, "start": "a//b"}), "a//b"),
            (json!([1]), "json: cannot unmarshal array into Go value of type storage.continueToken"),
            (
                json!({"v": VERSION, "rv": "x"}),
                "json: cannot unmarshal string into Go struct field continueToken.rv of type int64",
            ),
        ] {
            let refused = parse(&URL_SAFE_NO_PAD.encode(token.to_string())).unwrap_err();
            let message = format!("invalid continue token: continue key is not valid: {why}");
            assert_eq!((refused.code, refused.message), (400, message));
        }
    }
}
