//! `cargo xtask up`: from a fresh checkout to a running three-node cluster.

use crate::command::{self, Done};
use crate::{images, prerequisites};
use std::path::PathBuf;
use std::process::Command;

/// Builds, makes the images, and hands over to `pintle up`.
pub fn run(arguments: &[String]) -> Done {
    prerequisites::ensure(&prerequisites::BUILD)?;
    prerequisites::ensure(&prerequisites::NODES)?;
    let binary = build("release")?;
    prerequisites::ensure(&prerequisites::IMAGES)?;
    images::run()?;
    command::run(Command::new(binary).arg("up").arg("--images").arg(images::directory()).args(arguments))
}

/// Builds the `pintle` binary in the given profile (`dev` or `release`) and says where it is.
pub fn build(profile: &str) -> Result<PathBuf, String> {
    command::run(command::cargo().args(["build", "--package", "pintle", "--profile", profile]))?;
    let directory = if profile == "dev" { "debug" } else { profile };
    Ok(command::target().join(directory).join("pintle"))
}
