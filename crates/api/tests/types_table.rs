//! The type table against the facts of the shared folder. With `UPDATE_EXPECT=1` it writes the table anew.
//!
//! `data/types.txt` is made from `openapi-facts.json` (types, list types, merge keys, …) and `data/go-facts.txt` (how Go
//! writes zero values). Where the shared folder is absent, nothing is compared.

use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::PathBuf;

const HEADER: &str =
    "# The built-in types of v1.36, made by tests/types_table.rs. schema/parse.rs explains the format.\n";

/// Definitions that decode by rules of their own.
const SCALARS: &[(&str, &str)] = &[
    ("io.k8s.apimachinery.pkg.api.resource.Quantity", "quantity"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", "time"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", "microtime"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", "fieldsv1"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Patch", "json"),
    ("io.k8s.apimachinery.pkg.runtime.RawExtension", "rawextension"),
    ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "intorstring"),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON", "json"),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray", "json JSONSchemaProps"),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool", "json JSONSchemaProps"),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray", "json JSONSchemaProps"),
];

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn facts() -> Option<Value> {
    let shared = std::env::var_os("PINTLE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let bytes = std::fs::read(shared.join("data/openapi-facts.json")).ok()?;
    Some(serde_json::from_slice(&bytes).expect("facts are JSON"))
}

/// `definition field` → the words that stand there in go-facts.txt.
fn go_facts() -> HashMap<String, String> {
    let text = std::fs::read_to_string(data("go-facts.txt")).expect("go-facts.txt");
    let mut definition = "";
    let mut facts = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix(' ').and_then(|l| l.split_once(' ')) {
            Some((field, words)) => drop(facts.insert(format!("{definition} {field}"), words.to_owned())),
            None => definition = line,
        }
    }
    facts
}

fn type_text(schema: &Value, package: &str) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.trim_start_matches("#/definitions/");
        return match name.rsplit_once('.') {
            Some((own, short)) if own == package => short.to_owned(),
            _ => name.to_owned(),
        };
    }
    match (schema["type"].as_str().unwrap_or_default(), schema["format"].as_str().unwrap_or_default()) {
        ("array", _) => format!("[]{}", type_text(&schema["items"], package)),
        ("object", _) => format!("{{}}{}", type_text(&schema["additionalProperties"], package)),
        ("string", "byte") => "bytes".to_owned(),
        ("integer", format) => format.to_owned(),
        ("boolean", _) => "bool".to_owned(),
        (plain, _) => plain.to_owned(),
    }
}

fn list_of(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn field_line(name: &str, property: &Value, required: bool, package: &str, go: Option<&String>) -> String {
    let mut line = format!(" {name} {}", type_text(property, package));
    if required {
        line.push_str(" !");
    }
    let go_words: Vec<&str> = go.map(|words| words.split(' ').collect()).unwrap_or_default();
    let zeros = ["drop", "keep", "write", "null"];
    let zero = go_words.iter().find(|word| zeros.contains(word)).copied();
    let rule = match property["type"].as_str() {
        None => "keep",
        Some("array" | "object") => {
            if required {
                "null"
            } else {
                "drop"
            }
        }
        Some(_) => {
            if required {
                "write"
            } else {
                "drop"
            }
        }
    };
    if let word @ ("keep" | "write" | "null") = zero.unwrap_or(rule) {
        write!(line, " {word}").unwrap();
    }
    match property["x-kubernetes-list-type"].as_str() {
        Some("set") => line.push_str(" list=set"),
        Some("map") => {
            write!(line, " list=map:{}", list_of(&property["x-kubernetes-list-map-keys"]).join(",")).unwrap()
        }
        // said of all lists, and of one value that is a list only in Go
        Some("atomic") if property["format"] == "byte" => line.push_str(" list=atomic"),
        _ => {}
    }
    // A map is granular unless it says otherwise; a reference takes the map type of what it refers to.
    match property["x-kubernetes-map-type"].as_str() {
        Some(map) if map == "atomic" || !property["$ref"].is_null() => write!(line, " map={map}").unwrap(),
        _ => {}
    }
    let key = property["x-kubernetes-patch-merge-key"].as_str();
    for strategy in property["x-kubernetes-patch-strategy"].as_str().unwrap_or_default().split(',') {
        match (strategy, key) {
            ("", _) => {}
            ("merge", Some(key)) => write!(line, " merge={key}").unwrap(),
            (other, _) => write!(line, " {other}").unwrap(),
        }
    }
    for word in go_words.iter().filter(|word| !zeros.contains(word)) {
        write!(line, " {word}").unwrap();
    }
    let inner = if property["type"] == "array" {
        &property["items"]
    } else if property["type"] == "object" {
        &property["additionalProperties"]
    } else {
        property
    };
    if !inner["enum"].is_null() {
        write!(line, " enum={}", list_of(&inner["enum"]).join("|")).unwrap();
    }
    line
}

fn render(facts: &Value) -> String {
    let go = go_facts();
    let mut packages: BTreeMap<&str, Vec<(&str, &Value)>> = BTreeMap::new();
    for (name, definition) in facts["definitions"].as_object().unwrap() {
        let (package, short) = name.rsplit_once('.').unwrap();
        packages.entry(package).or_default().push((short, definition));
    }
    let mut text = HEADER.to_owned();
    for (package, definitions) in packages {
        writeln!(text, "package {package}").unwrap();
        for (short, definition) in definitions {
            let name = format!("{package}.{short}");
            if let Some((_, scalar)) = SCALARS.iter().find(|(scalar, _)| *scalar == name) {
                writeln!(text, "scalar {short} {scalar}").unwrap();
                continue;
            }
            render_type(&mut text, package, short, definition, &go);
        }
    }
    text
}

fn render_type(text: &mut String, package: &str, short: &str, definition: &Value, go: &HashMap<String, String>) {
    write!(text, "type {short}").unwrap();
    if definition["x-kubernetes-map-type"] == "atomic" {
        text.push_str(" atomic");
    }
    for gvk in definition["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
        let part = |name: &str| gvk[name].as_str().unwrap_or_default().to_owned();
        write!(text, " gvk={}/{}/{}", part("group"), part("version"), part("kind")).unwrap();
    }
    for union in definition["x-kubernetes-unions"].as_array().into_iter().flatten() {
        let fields = union["fields-to-discriminateBy"].as_object().unwrap().iter();
        let pairs: Vec<String> = fields.map(|(f, v)| format!("{f}={}", v.as_str().unwrap())).collect();
        write!(text, " union={}:{}", union["discriminator"].as_str().unwrap_or_default(), pairs.join(",")).unwrap();
    }
    text.push('\n');
    let required = list_of(&definition["required"]);
    for (name, property) in definition["properties"].as_object().into_iter().flatten() {
        let words = go.get(&format!("{package}.{short} {name}"));
        writeln!(text, "{}", field_line(name, property, required.contains(&name.as_str()), package, words)).unwrap();
    }
}

#[test]
fn table_is_made_from_the_facts() {
    let Some(facts) = facts() else { return };
    let made = render(&facts);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(data("types.txt"), &made).unwrap();
    }
    let kept = std::fs::read_to_string(data("types.txt")).unwrap();
    let differs = made.lines().zip(kept.lines()).find(|(a, b)| a != b);
    assert!(made == kept, "data/types.txt is not what the facts say: {differs:?}");
}
