//! The recorded requests and answers of the shared folder, for tests; nothing where the folder is absent.

mod conform;
mod decode;
mod status;

use serde_json::Value;
use std::path::PathBuf;

/// The shared folder.
pub fn shared() -> PathBuf {
    std::env::var_os("PINTLE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from)
}

/// Each step of each scenario, with `scenario/step` as its name.
pub fn steps() -> Vec<(String, Value)> {
    let mut steps = Vec::new();
    let Ok(files) = std::fs::read_dir(shared().join("golden/scenarios")) else {
        return steps;
    };
    let mut files: Vec<PathBuf> = files.map(|f| f.unwrap().path()).collect();
    files.sort();
    for file in files {
        let scenario: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for step in scenario["steps"].as_array().unwrap() {
            let name =
                format!("{}/{}", file.file_stem().unwrap().to_string_lossy(), step["id"].as_str().unwrap_or("?"));
            steps.push((name, step.clone()));
        }
    }
    steps
}

/// The objects of built-in types in an answer: the body, the items of a list, the objects of watch events.
pub fn objects(body: &Value, found: &mut Vec<Value>) {
    match body {
        Value::Array(items) => items.iter().for_each(|item| objects(item, found)),
        Value::Object(map) if map.contains_key("type") && map.contains_key("object") => objects(&map["object"], found),
        Value::Object(map) if map.contains_key("apiVersion") && map.contains_key("kind") => {
            if map.get("kind").and_then(Value::as_str).is_some_and(|k| k.ends_with("List")) {
                let list = body.clone();
                found.push(list);
            } else {
                found.push(body.clone());
            }
        }
        _ => {}
    }
}

/// The built-in type of an object.
pub fn definition(object: &Value) -> Option<&'static str> {
    let (group, version) = match object["apiVersion"].as_str()?.split_once('/') {
        Some(parts) => parts,
        None => ("", object["apiVersion"].as_str()?),
    };
    api::schema::definition_for(group, version, object["kind"].as_str()?)
}

/// The corpus holds placeholders for times and ports; the codec wants times and ports.
pub fn with_times(value: &mut Value) {
    match value {
        Value::String(text) if text == "<time>" => *text = "2026-01-02T03:04:05Z".to_owned(),
        Value::String(text) if text == "<microtime>" => *text = "2026-01-02T03:04:05.000006Z".to_owned(),
        Value::String(text) if text.starts_with("<nodePort:") => *value = 30_000.into(),
        Value::Array(items) => items.iter_mut().for_each(with_times),
        Value::Object(map) => map.values_mut().for_each(with_times),
        _ => {}
    }
}
