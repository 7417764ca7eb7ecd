//! OpenAPI documents compared with the reference server's facts.

use super::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn builtin() -> OpenApi {
    let rows: Vec<Arc<Resource>> = registry::table().iter().cloned().map(Arc::new).collect();
    OpenApi::new(&rows, "v1.36.2")
}

fn printed(openapi: &OpenApi, path: &str) -> Value {
    match openapi.respond(path, "application/json", "") {
        Answer::Document(document) => serde_json::from_slice(&document.body).unwrap(),
        other => panic!("{path}: {other:?}"),
    }
}

fn facts() -> Option<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/openapi-facts.json");
    Some(serde_json::from_slice(&std::fs::read(path).ok()?).unwrap())
}

/// An operation as the facts have it: without descriptions, parameters as names, answers as definitions.
fn condensed(operation: &Value) -> Value {
    let mut facts = json!({});
    for key in ["operationId", "x-kubernetes-action", "x-kubernetes-group-version-kind"] {
        if let Some(value) = operation.get(key) {
            facts[key] = value.clone();
        }
    }
    let name = |reference: &Value| reference["$ref"].as_str().map(|text| text.rsplit('/').next().unwrap().to_owned());
    let mut parameters = names(&operation["parameters"]);
    if let Some(content) = operation.pointer("/requestBody/content") {
        parameters.insert("body:body".to_owned());
        let (form, body) = content.as_object().unwrap().iter().next().unwrap();
        if form == "*/*" && body.pointer("/schema/$ref").unwrap().as_str().unwrap().ends_with("DeleteOptions") {
            // The facts leave these bodies out.
        } else if form == "*/*" {
            facts["body"] = name(&body["schema"]).into();
        }
    }
    if !parameters.is_empty() {
        facts["parameters"] = parameters.into_iter().collect();
    }
    let mut responses = json!({});
    for (code, response) in operation["responses"].as_object().unwrap() {
        let schema = response.pointer("/content/application~1json/schema");
        responses[code] = match schema {
            Some(schema) => name(schema).or(schema["type"].as_str().map(str::to_owned)).into(),
            None => Value::Null,
        };
    }
    facts["responses"] = responses;
    facts
}

fn names(parameters: &Value) -> BTreeSet<String> {
    let list = parameters.as_array().cloned().unwrap_or_default();
    let name = |parameter: &Value| {
        let name = parameter["name"].as_str().unwrap();
        if parameter["in"] == "path" { format!("path:{name}") } else { name.to_owned() }
    };
    list.iter().map(name).collect()
}

#[test]
fn operations_are_those_of_the_reference() {
    let Some(facts) = facts() else { return };
    let openapi = builtin();
    let mut paths = Map::new();
    for subject in openapi.subjects.keys() {
        let document = printed(&openapi, &format!("/openapi/v3/{subject}"));
        paths.extend(document["paths"].as_object().unwrap().clone());
    }
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (path, item) in &paths {
        let Some(expected) = facts["paths"].get(path) else {
            wrong.push(format!("{path} is not in the reference"));
            continue;
        };
        let shared: BTreeSet<String> = names(&item["parameters"]);
        let expected_shared: Vec<String> = serde_json::from_value(expected["parameters"].clone()).unwrap_or_default();
        if shared != expected_shared.iter().cloned().collect() {
            wrong.push(format!("{path}: parameters {shared:?}, not {expected_shared:?}"));
        }
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            checked += 1;
            let mut expected = expected[method].clone();
            if let Some(map) = expected.as_object_mut() {
                map.remove("consumes");
            }
            let actual = condensed(operation);
            if actual != expected {
                wrong.push(format!("{method} {path}:\n  {actual}\n  {expected}"));
            }
        }
    }
    for (path, _) in facts["paths"].as_object().unwrap() {
        if !paths.contains_key(path) {
            wrong.push(format!("{path} is missing"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong of {checked}\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 500);
}

/// Takes off what the facts leave out or the documents leave out.
fn bare(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("description");
            if let Some(Value::Array(required)) = map.get_mut("required") {
                required.sort_by_key(Value::to_string);
            }
            map.values_mut().for_each(bare);
        }
        Value::Array(list) => list.iter_mut().for_each(bare),
        _ => {}
    }
}

#[test]
fn definitions_are_those_of_the_reference() {
    let Some(facts) = facts() else { return };
    let openapi = builtin();
    let document = printed(&openapi, "/openapi/v2");
    let mut wrong = Vec::new();
    for (name, definition) in document["definitions"].as_object().unwrap() {
        let mut actual = definition.clone();
        bare(&mut actual);
        let Some(expected) = facts["definitions"].get(name) else {
            wrong.push(format!("{name} is not in the reference"));
            continue;
        };
        let mut expected = expected.clone();
        bare(&mut expected);
        if actual != expected {
            wrong.push(format!("{name}\n  {actual}\n  {expected}"));
        }
    }
    for (name, _) in facts["definitions"].as_object().unwrap() {
        if document["definitions"].get(name).is_none() {
            wrong.push(format!("{name} is missing"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let openapi = builtin();
    for (path, prefix) in [("/openapi/v2", "#/definitions/"), ("/openapi/v3/api/v1", "#/components/schemas/")] {
        let document = printed(&openapi, path);
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 100);
        for reference in found {
            assert!(reference.starts_with(prefix));
            assert!(document.pointer(&reference[1..]).is_some(), "{path}: {reference}");
        }
    }
}

#[test]
fn answers() {
    let openapi = builtin();
    let index = printed(&openapi, "/openapi/v3");
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
    assert!(url.starts_with("/openapi/v3/apis/apps/v1?hash="), "{url}");
    let Answer::Document(document) = openapi.respond("/openapi/v3/apis/apps/v1", "", "") else { panic!() };
    assert!(matches!(openapi.respond("/openapi/v3/apis/apps/v1", "", &document.etag), Answer::NotModified(_)));
    for path in ["/openapi/v2", "/openapi/v3/apis/apps/v1"] {
        let version = if path == "/openapi/v2" { "v2" } else { "v3" };
        let asked = format!("application/com.github.proto-openapi.spec.{version}@v1.0+protobuf");
        let Answer::Document(first) = openapi.respond(path, &asked, "") else { panic!() };
        assert_eq!(first.content_type, format!("application/com.github.proto-openapi.spec.{version}.v1.0+protobuf"));
        assert!(matches!(openapi.respond(path, first.content_type, &first.etag), Answer::NotModified(_)));
        let Answer::Document(json) = openapi.respond(path, "", "") else { panic!() };
        // the tag is the same: what a document says does not depend on its form
        assert_eq!((json.content_type, &json.etag), ("application/json", &first.etag));
        assert_ne!(json.body, first.body);
        assert!(matches!(openapi.respond(path, "text/html", ""), Answer::NotAcceptable));
    }
    assert!(matches!(openapi.respond("/openapi/v3/apis/no/v1", "", ""), Answer::NotFound));
    let containers = "/components/schemas/io.k8s.api.core.v1.PodSpec/properties/containers/description";
    let document = printed(&openapi, "/openapi/v3/api/v1");
    assert!(document.pointer(containers).unwrap().as_str().unwrap().starts_with("List of containers"));
}

#[test]
fn a_hash_of_another_time_leads_to_the_document_of_now() {
    let openapi = builtin();
    let path = "/openapi/v3/apis/apps/v1";
    let Answer::Document(document) = openapi.respond(path, "", "") else { panic!() };
    let hash = document.etag.trim_matches('"');
    assert_eq!(openapi.moved(path, "", hash), None);
    assert_eq!(openapi.moved(path, "", ""), None);
    assert_eq!(openapi.moved(path, "", "0F"), Some(format!("{path}?hash={hash}")));
    assert_eq!(openapi.moved("/openapi/v3/apis/none/v1", "", "0F"), None);
}
