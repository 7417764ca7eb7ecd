//! `cargo xtask kubectl`: the real kubectl 1.36, for the tests that compare words on the screen; prints where it is.
//!
//! It comes from Debian sid, with a sources list, package lists and a cache of its own below target/kubectl-1.36, so that
//! nothing of sid gets near the system. What was fetched is kept. What not: nothing is installed; a person's own kubectl
//! is used where `PINTLE_KUBECTL` names one.

use crate::command::{self, Done, at};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release whose words the recordings have.
const RELEASE: &str = "1.36";
const SOURCE: &str = "http://deb.debian.org/debian sid main";
/// Debian's own keys, where the system has them in the usual place; else apt's trusted ones decide.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where kubectl 1.36 is; fetched when it is not there yet. The error says what to do.
pub fn ensure() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("PINTLE_KUBECTL").map(PathBuf::from) {
        return check(&named).map(|()| named);
    }
    let directory = command::target().join(format!("kubectl-{RELEASE}"));
    let program = directory.join("kubectl");
    if check(&program).is_ok() {
        return Ok(program);
    }
    fetch(&directory, &program).and_then(|()| check(&program)).map_err(|error| {
        format!(
            "kubectl {RELEASE} cannot be had from Debian sid: {error}\n\
             Put one anywhere and name it in PINTLE_KUBECTL to run the tests that type with it."
        )
    })?;
    Ok(program)
}

/// For `cargo xtask kubectl`.
pub fn print() -> Done {
    println!("{}", ensure()?.display());
    Ok(())
}

/// Whether this is a kubectl of the release.
fn check(program: &Path) -> Done {
    if !program.is_file() {
        return Err(format!("{}: no such file", program.display()));
    }
    let text = command::output(Command::new(program).args(["version", "--client", "--output=json"]))?;
    let answer: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("kubectl version: {error}"))?;
    let version = answer["clientVersion"]["gitVersion"].as_str().unwrap_or_default().to_owned();
    let wanted = version.strip_prefix('v').and_then(|v| v.strip_prefix(RELEASE)).is_some_and(|v| v.starts_with('.'));
    if wanted { Ok(()) } else { Err(format!("{} is {version}, not {RELEASE}", program.display())) }
}

fn fetch(directory: &Path, program: &Path) -> Done {
    if !command::exists("apt-get") || !command::exists("dpkg-deb") {
        return Err("this is no Debian system".to_owned());
    }
    eprintln!("fetching kubectl {RELEASE}");
    let work = directory.join("apt");
    if work.exists() {
        fs::remove_dir_all(&work).map_err(at(&work))?;
    }
    for name in ["lists/partial", "cache/archives/partial", "root"] {
        fs::create_dir_all(work.join(name)).map_err(at(&work))?;
    }
    let keys = if Path::new(KEYS).exists() { format!("[signed-by={KEYS}] ") } else { String::new() };
    let list = work.join("sid.list");
    fs::write(&list, format!("deb {keys}{SOURCE}\n")).map_err(at(&list))?;
    command::output(apt("apt-get", &work).args(["--quiet=2", "update"]))?;
    let version = newest(&command::output(apt("apt-cache", &work).args(["madison", "kubectl"]))?)
        .ok_or_else(|| format!("sid has no kubectl {RELEASE} any more"))?;
    let download = format!("kubectl={version}");
    command::output(apt("apt-get", &work).args(["--quiet=2", "download", &download]).current_dir(&work))?;
    let unpack = "dpkg-deb --extract kubectl_*.deb root";
    command::output(Command::new("sh").args(["-c", unpack]).current_dir(&work))?;
    fs::rename(work.join("root/usr/bin/kubectl"), program).map_err(at(program))?;
    fs::remove_dir_all(&work).map_err(at(&work))
}

/// apt that sees our one source and nothing of the system's state.
fn apt(program: &str, work: &Path) -> Command {
    let mut command = Command::new(program);
    let mut set = |name: &str, value: &str| {
        command.arg("-o").arg(format!("{name}={value}"));
    };
    let inside = |name: &str| work.join(name).to_string_lossy().into_owned();
    set("Dir::Etc::sourcelist", &inside("sid.list"));
    set("Dir::Etc::sourceparts", "/dev/null");
    set("Dir::State::lists", &inside("lists"));
    set("Dir::State::status", "/dev/null");
    set("Dir::Cache", &inside("cache"));
    // the lists belong to whoever runs this, not to apt's download user
    set("APT::Sandbox::User", "");
    set("Acquire::Languages", "none");
    set("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false");
    command
}

/// The first version of the release that `apt-cache madison` names (it sorts the newest first).
fn newest(madison: &str) -> Option<String> {
    let versions = madison.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    let prefix = format!("{RELEASE}.");
    versions.into_iter().find(|version| version.starts_with(&prefix)).map(str::to_owned)
}

#[test]
fn the_newest_version_of_the_release_is_taken() {
    let madison = "   kubectl | 1.37.0+ds-1 | http://deb.debian.org/debian sid/main amd64 Packages\n   \
                   kubectl | 1.36.4+ds-1 | http://deb.debian.org/debian sid/main amd64 Packages\n";
    assert_eq!(newest(madison).as_deref(), Some("1.36.4+ds-1"));
    assert_eq!(newest("kubectl | 1.360.1 | x"), None);
}
