//! Running other programs: inherit the screen or capture the output, and say clearly what failed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a verb answers: nothing, or the sentence that says why not.
pub type Done = Result<(), String>;

/// The root of the repository: the one that cargo runs us for, since a target directory can be shared by several clones.
pub fn root() -> PathBuf {
    let here =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().unwrap_or(&here).to_path_buf()
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a program with the screen handed through, in the root of the repository.
pub fn run(command: &mut Command) -> Done {
    let text = format!("{command:?}");
    let status = command.current_dir(root()).status().map_err(|error| format!("{text}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{text}: {status}")) }
}

/// Runs a program and returns what it printed.
pub fn output(command: &mut Command) -> Result<String, String> {
    let text = format!("{command:?}");
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("{text}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{text}: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{text}: printed no UTF-8"))
}

/// Whether a program of this name can be found.
pub fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // A tool of ours must see the workspace as a person at the prompt would. What cargo told us of xtask is not for the
    // builds below: ring's build script asks for all of it, and ring and all above it would be built anew.
    let ours = ["CARGO_MANIFEST_", "CARGO_PKG_"];
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| ours.iter().any(|prefix| name.starts_with(prefix))).for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// Adds the path to an I/O error.
pub fn at(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}
