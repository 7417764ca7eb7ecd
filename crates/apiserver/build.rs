//! Collects the descriptions of the API's types and fields for OpenAPI (`kubectl explain`) out of the doc comments of
//! the k8s-openapi crate, which this workspace depends on anyway.
//!
//! The crate's own `schemars` feature would bring the same texts as code: megabytes of it, in every build of everything.
//! The result is one text file in `OUT_DIR`: a line `=<definition>\t<text>` for each type, below it ` <field>\t<text>`
//! for each field. Without the crate's sources the build fails: a binary whose documents have no descriptions looks whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The folder of the API version that the workspace chose (`k8s-openapi`'s feature).
const API_VERSION: &str = "v1_36";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    let mut types = BTreeMap::new();
    let folder =
        unpacked().or_else(told_by_cargo).expect("the sources of k8s-openapi are where cargo has unpacked them");
    collect(&folder, &mut types);
    let text: String = types.into_values().collect();
    let out = env::var_os("OUT_DIR").map(PathBuf::from).expect("cargo sets OUT_DIR");
    fs::write(out.join("descriptions.txt"), text).expect("OUT_DIR is writable");
}

/// The sources below cargo's home, by the version in the lock file: where they are unless they were vendored.
fn unpacked() -> Option<PathBuf> {
    let lock = fs::read_to_string("../../Cargo.lock").ok()?;
    let package = lock.split("[[package]]").find(|package| package.contains("name = \"k8s-openapi\"\n"))?;
    let version = package.split("version = \"").nth(1)?.split('"').next()?;
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))?;
    let registries = fs::read_dir(home.join("registry/src")).ok()?;
    let folders = registries.flatten().map(|registry| registry.path().join(format!("k8s-openapi-{version}")));
    folders.map(|folder| folder.join("src").join(API_VERSION)).find(|folder| folder.is_dir())
}

/// The same from `cargo metadata`, which knows wherever crates come from, but says nothing while a crate that only other
/// packages of the workspace need was never fetched.
fn told_by_cargo() -> Option<PathBuf> {
    let arguments = ["metadata", "--format-version", "1", "--offline", "--filter-platform"];
    let output = Command::new(env::var_os("CARGO")?).args(arguments).arg(env::var_os("TARGET")?).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // The only file name of this shape in the whole document; not worth a JSON parser in every build.
    let marker = "\"manifest_path\":\"";
    let manifest = text.split(marker).skip(1).filter_map(|rest| rest.split('"').next()).find(|path| {
        let package = Path::new(path).parent().and_then(Path::file_name).and_then(|name| name.to_str());
        package.is_some_and(|name| name.starts_with("k8s-openapi-") && !name.starts_with("k8s-openapi-derive"))
    })?;
    let folder = Path::new(manifest).parent()?.join("src").join(API_VERSION);
    folder.is_dir().then_some(folder)
}

fn collect(folder: &Path, types: &mut BTreeMap<String, String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            collect(&path, types);
        } else if let Ok(source) = fs::read_to_string(&path)
            && let Some(definition) = source.lines().find_map(|line| line.strip_prefix("// Generated from definition "))
        {
            types.insert(definition.to_owned(), describe(definition, &source));
        }
    }
}

/// The lines for one generated file: the comment above the first `struct` or `enum`, and those of its public fields.
fn describe(definition: &str, source: &str) -> String {
    let keys = json_keys(source);
    let mut text = String::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut inside = false;
    for line in source.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            comment.push(words.strip_prefix(' ').unwrap_or(words));
            continue;
        }
        if !inside && (line.starts_with("pub struct ") || line.starts_with("pub enum ")) {
            push(&mut text, &format!("={definition}"), &comment);
            if !line.starts_with("pub struct ") || !line.ends_with('{') {
                break;
            }
            inside = true;
        } else if inside && line == "}" {
            break;
        } else if inside
            && let Some(field) = line.strip_prefix("pub ").and_then(|rest| rest.split(':').next())
            && let Some(key) = keys.get(field.trim_start_matches("r#").trim_end_matches('_'))
        {
            push(&mut text, &format!(" {key}"), &comment);
        }
        if !line.starts_with("#[") {
            comment.clear();
        }
    }
    text
}

/// Rust field → JSON key, from the generated decoder: `"hostIP" => Field::Key_host_ip,`.
fn json_keys(source: &str) -> BTreeMap<&str, &str> {
    let mut keys = BTreeMap::new();
    for line in source.lines().map(str::trim) {
        if let Some((key, field)) = line.split_once(" => Field::Key_") {
            keys.insert(field.trim_end_matches(',').trim_end_matches('_'), key.trim_matches('"'));
        }
    }
    keys
}

/// One line: rustdoc's escapes taken off, line breaks as `\n`, backslashes as `\\`.
fn push(text: &mut String, name: &str, comment: &[&str]) {
    let mut words = comment.join("\n");
    for escaped in ["\\<", "\\>", "\\[", "\\]", "\\*", "\\_", "\\`", "\\#"] {
        words = words.replace(escaped, &escaped[1..]);
    }
    text.push_str(name);
    text.push('\t');
    text.push_str(&words.trim().replace('\\', "\\\\").replace('\n', "\\n"));
    text.push('\n');
}
