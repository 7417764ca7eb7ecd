//! What v1.36.2 said to bodies that it could not decode, or not under strict field validation.

use api::codec;
use api::schema::{builtin, definition_for};
use serde_json::Value;

/// JSON with the spaces that the corpus' recorder put in; error messages quote the beginning of the body.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, item)| format!("{key:?}: {}", spaced(item))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// The bytes that a step sends, and whether they are YAML.
fn body(step: &Value) -> Option<(Vec<u8>, bool)> {
    let request = &step["request"];
    if !request["bodyFrom"].is_null() || !request["bodyRepeat"].is_null() {
        return None;
    }
    let yaml = request["headers"]["Content-Type"] == "application/yaml";
    match (&request["bodyText"], &request["body"]) {
        (Value::String(text), _) => Some((text.clone().into_bytes(), yaml)),
        (_, Value::Null) => None,
        (_, value) => Some((spaced(value).into_bytes(), yaml)),
    }
}

/// What a create handler does with a body, as far as this crate goes.
fn create(
    body: &[u8],
    yaml: bool,
    group: &str,
    version: &str,
    kind: &str,
    strict: bool,
) -> Result<Vec<String>, String> {
    let decoded = if yaml { codec::decode_yaml(body) } else { codec::decode_json(body) };
    let mut decoded = decoded.map_err(|e| codec::undecodable(kind, &e, body).message)?;
    codec::type_meta(&decoded.value).map_err(|why| codec::unrecognized(kind, &why, body).message)?;
    let schema = builtin(definition_for(group, version, kind).unwrap()).unwrap();
    let refuse = |why: &str| codec::cannot_be_handled(kind, version, kind, why).message;
    let mut value = decoded.value.take();
    let conformed = codec::conform(&mut value, schema).map_err(|e| refuse(&e.to_string()))?;
    let errors = codec::strict_errors(body, &decoded, &conformed);
    if strict && !errors.is_empty() {
        return Err(refuse(&codec::strict_decoding_error(&errors)));
    }
    Ok(errors)
}

/// Steps about things that the API server decides (which kinds a path takes), not the codec.
const NOT_HERE: &[&str] = &[
    "wrong-kind",
    "wrong-version",
    "wrong-group",
    "unknown-kind",
    "list-posted",
    "text-plain",
    "bogus-value",
    "null-metadata",
];

#[test]
fn words_for_bodies_that_do_not_decode() {
    let mut seen = 0;
    for (name, step) in crate::steps() {
        let Some((scenario, id)) = name.split_once('/') else {
            continue;
        };
        if !["field-validation", "request-decoding"].contains(&scenario)
            || NOT_HERE.contains(&id)
            || step["request"]["method"] != "POST"
        {
            continue;
        }
        let path = step["request"]["path"].as_str().unwrap();
        let (group, version) = match path.split('/').collect::<Vec<_>>()[..] {
            ["", "api", version, ..] => ("", version),
            ["", "apis", group, version, ..] => (group, version),
            _ => continue,
        };
        let kind = match path.rsplit('/').next().unwrap() {
            "pods" => "Pod",
            "configmaps" => "ConfigMap",
            "secrets" => "Secret",
            "deployments" => "Deployment",
            "leases" => "Lease",
            other => panic!("{other}"),
        };
        let (body, yaml) = body(&step).unwrap_or_default();
        let strict = step["request"]["query"]["fieldValidation"] == "Strict";
        let answer = &step["response"];
        let result = create(&body, yaml, group, version, kind, strict);
        seen += 1;
        match (result, answer["status"].as_u64().unwrap()) {
            (Err(message), 400) => assert_eq!(Some(message.as_str()), answer["body"]["message"].as_str(), "{name}"),
            (Ok(warnings), 201 | 422) => {
                let expected = answer["headers"]["Warning"].as_array().cloned().unwrap_or_default();
                if step["request"]["query"]["fieldValidation"] != "Ignore" {
                    let mut warnings: Vec<Value> = warnings.iter().map(|w| format!("299 - {w:?}").into()).collect();
                    let mut expected = expected;
                    if step["request"]["bodyText"].is_null() {
                        // Reading the corpus sorted the keys, and with them the warnings.
                        warnings.sort_by_key(ToString::to_string);
                        expected.sort_by_key(ToString::to_string);
                    }
                    assert_eq!(warnings, expected, "{name}");
                }
            }
            (result, status) => panic!("{name}: {result:?}, upstream {status}"),
        }
    }
    assert!(seen > 20 || !crate::shared().join("golden").exists());
}
