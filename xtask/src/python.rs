//! The official Python client, for the tests that use it as its users do: installed from PyPI into the target directory,
//! where it is kept. What not: nothing is installed into the system's Python.

use crate::command::{self, Done, at};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The client whose types are those of Kubernetes v1.36.
const PACKAGE: &str = "kubernetes==36.0.2";

/// The directory for `PYTHONPATH`; filled when it is not there yet.
pub fn ensure() -> Result<PathBuf, String> {
    let directory = command::target().join(PACKAGE.replace("==", "-"));
    if directory.join("kubernetes").is_dir() {
        return Ok(directory);
    }
    println!("installing the Python client ({PACKAGE})");
    let work = directory.with_extension("partial");
    install(&work)
        .and_then(|()| fs::rename(&work, &directory).map_err(at(&directory)))
        .map_err(|error| format!("{PACKAGE} cannot be had from PyPI: {error}"))?;
    Ok(directory)
}

fn install(work: &PathBuf) -> Done {
    if work.exists() {
        fs::remove_dir_all(work).map_err(at(work))?;
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]);
    command::run(pip.arg("--target").arg(work).arg(PACKAGE))
}
