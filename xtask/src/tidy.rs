//! `cargo xtask tidy`: the rules of ARCHITECTURE.md that a program can check, each with its reason.

use crate::command::{self, Done, at};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates, lowest layer first. A crate may use only crates of lower layers.
const LAYERS: [&[&str]; 6] = [
    &["clock", "api", "pkcs10"],
    &["cel-kubernetes"],
    &["registry", "store", "certs", "runtime", "network"],
    &["apiserver", "client"],
    &["kubelet", "scheduler", "controllers", "simulate"],
    &["pintle", "load"],
];

/// Uses beyond the layers' rule that are forbidden: (crate, what it must not use, why).
const FORBIDDEN: [(&str, &str, &str); 5] = [
    ("client", "store", "components reach state only through the API"),
    ("kubelet", "store", "components reach state only through the API"),
    ("scheduler", "store", "components reach state only through the API"),
    ("controllers", "store", "components reach state only through the API"),
    ("registry", "clock", "registry is pure: time is an argument"),
];

/// A file is one idea; beyond this many lines it is several.
const LINES_MAX: usize = 800;

/// Module names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "misc"];

/// Text that may not stand in source files, and why.
const BANNED: [(&str, &str); 2] = [
    (concat!("todo", "!("), "nothing unfinished is on main"),
    (concat!("unimplemented", "!("), "nothing unfinished is on main"),
];

/// Runs all checks and prints every finding.
pub fn run() -> Done {
    let mut findings = layers()?;
    for file in source_files(&command::root())? {
        findings.extend(check_file(&file)?);
    }
    findings.iter().for_each(|finding| println!("tidy: {finding}"));
    if findings.is_empty() { Ok(()) } else { Err(format!("tidy: {} findings", findings.len())) }
}

fn layers() -> Result<Vec<String>, String> {
    let text = command::output(command::cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let layer_of: BTreeMap<&str, usize> =
        LAYERS.iter().enumerate().flat_map(|(layer, names)| names.iter().map(move |name| (*name, layer))).collect();
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(layer) = layer_of.get(name) else {
            if name != "xtask" {
                findings.push(format!("crate {name} has no layer in xtask/src/tidy.rs and ARCHITECTURE.md"));
            }
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            if layer_of.get(used).is_some_and(|used_layer| used_layer >= layer) {
                findings.push(format!("crate {name} uses {used}, which is not on a lower layer"));
            }
            for (_, _, why) in FORBIDDEN.iter().filter(|(from, to, _)| *from == name && *to == used) {
                findings.push(format!("crate {name} uses {used}: {why}"));
            }
        }
    }
    Ok(findings)
}

fn source_files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let text = command::output(std::process::Command::new("git").current_dir(root).args([
        "ls-files",
        "-co",
        "--exclude-standard",
        "*.rs",
    ]))?;
    Ok(text.lines().map(|line| root.join(line)).filter(|path| path.is_file()).collect())
}

fn check_file(path: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(path).map_err(at(path))?;
    let shown = path.strip_prefix(command::root()).unwrap_or(path).display().to_string();
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push(format!("{shown}: does not start with a //! header that says what, why and what not"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(format!("{shown}: {lines} lines; a file is one idea (at most {LINES_MAX})"));
    }
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if EMPTY_NAMES.contains(&stem) {
        findings.push(format!("{shown}: the name says nothing about what is inside"));
    }
    for (banned, why) in BANNED {
        if text.contains(banned) {
            findings.push(format!("{shown}: {banned}…): {why}"));
        }
    }
    let may_be_unsafe = ["crates/runtime/", "crates/network/"].iter().any(|place| shown.starts_with(place));
    if text.contains(concat!("allow(unsafe", "_code)")) && !may_be_unsafe {
        findings.push(format!("{shown}: unsafe code belongs into syscall modules of runtime and network only"));
    }
    Ok(findings)
}
