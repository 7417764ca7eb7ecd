//! Test images made from Debian packages, without any registry: `nginx` (a real nginx), `centos` and `busybox` (a real
//! shell and tools). Written as docker archives to target/images/NAME.tar.
//!
//! An image is made anew when its recipe changes (a stamp beside it holds the recipe).

use crate::command::{self, Done, at};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How an image is made.
struct Recipe {
    name: &'static str,
    packages: &'static [&'static str],
    command: &'static [&'static str],
    /// Small files to write: path and content.
    files: &'static [(&'static str, &'static str)],
    directories: &'static [&'static str],
}

const PASSWD: (&str, &str) = (
    "etc/passwd",
    "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
     www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
);
const GROUP: (&str, &str) = ("etc/group", "root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\n");
const NGINX_CONF: &str = "user www-data;\nworker_processes 1;\npid /run/nginx.pid;\nerror_log /dev/stderr notice;\n\
events { worker_connections 512; }\nhttp {\n  access_log /dev/stdout;\n  default_type text/html;\n\
  server { listen 80; root /usr/share/nginx/html; index index.html; }\n}\n";
const WELCOME: &str = "<!DOCTYPE html>\n<html>\n<head><title>Welcome to nginx!</title></head>\n\
<body><h1>Welcome to nginx!</h1></body>\n</html>\n";

const RECIPES: [Recipe; 3] = [
    Recipe {
        name: "nginx",
        packages: &["nginx-light", "dash", "coreutils", "libc-bin", "tar"],
        command: &["nginx", "-g", "daemon off;"],
        files: &[PASSWD, GROUP, ("etc/nginx/nginx.conf", NGINX_CONF), ("usr/share/nginx/html/index.html", WELCOME)],
        directories: &["var/log/nginx", "var/lib/nginx", "run", "tmp", "root", "proc", "sys", "dev"],
    },
    Recipe {
        name: "centos",
        packages: &[
            "bash",
            "coreutils",
            "findutils",
            "grep",
            "sed",
            "hostname",
            "procps",
            "util-linux",
            "libc-bin",
            "tar",
        ],
        command: &["/bin/bash"],
        files: &[PASSWD, GROUP],
        directories: &["run", "tmp", "root", "var/tmp", "proc", "sys", "dev", "home"],
    },
    Recipe {
        name: "busybox",
        packages: &["busybox-static"],
        command: &["sh"],
        files: &[PASSWD, GROUP],
        directories: &["run", "tmp", "root", "var/tmp", "proc", "sys", "dev", "home"],
    },
];

/// Packages that dependencies name but that a container has no use for.
const LEFT_OUT: [&str; 6] = ["debconf", "dpkg", "init-system-helpers", "perl-base", "lsb-base", "sysvinit-utils"];

/// Where the images are.
pub fn directory() -> PathBuf {
    command::target().join("images")
}

/// Makes every image that is missing or out of date.
pub fn run() -> Done {
    let directory = directory();
    fs::create_dir_all(&directory).map_err(at(&directory))?;
    let stale: Vec<&Recipe> = RECIPES.iter().filter(|recipe| !is_current(&directory, recipe)).collect();
    if stale.is_empty() {
        return Ok(());
    }
    // Lists that came with the machine name versions that the archive has dropped since, or lack those installed. Whoever
    // is not root has the lists that there are.
    if let Err(error) = command::output(Command::new("apt-get").args(["update", "-q"])) {
        eprintln!("{error}; trying with the lists of packages that are here");
    }
    stale.into_iter().try_for_each(|recipe| make(&directory, recipe))
}

fn stamp(recipe: &Recipe) -> String {
    format!("{:?} {:?} {:?} {:?}\n", recipe.packages, recipe.command, recipe.files, recipe.directories)
}

fn is_current(directory: &Path, recipe: &Recipe) -> bool {
    let stamp_file = directory.join(format!("{}.recipe", recipe.name));
    let tar = directory.join(format!("{}.tar", recipe.name));
    tar.is_file() && fs::read_to_string(stamp_file).is_ok_and(|text| text == stamp(recipe))
}

fn make(directory: &Path, recipe: &Recipe) -> Done {
    println!("making image {}", recipe.name);
    let work = directory.join(format!(".{}.work", recipe.name));
    if work.exists() {
        fs::remove_dir_all(&work).map_err(at(&work))?;
    }
    let root = work.join("root");
    fs::create_dir_all(&root).map_err(at(&root))?;
    lay_out(&root, recipe)?;
    unpack_packages(&work, &root, recipe)?;
    write_files(&root, recipe)?;
    pack(&work, &root, recipe, &directory.join(format!("{}.tar", recipe.name)))?;
    let stamp_file = directory.join(format!("{}.recipe", recipe.name));
    fs::write(&stamp_file, stamp(recipe)).map_err(at(&stamp_file))?;
    fs::remove_dir_all(&work).map_err(at(&work))
}

/// The merged /usr that Debian's packages expect to find.
fn lay_out(root: &Path, recipe: &Recipe) -> Done {
    for (link, target) in [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        fs::create_dir_all(root.join(target)).map_err(at(root))?;
        symlink(target, root.join(link)).map_err(at(root))?;
    }
    recipe.directories.iter().try_for_each(|directory| {
        let path = root.join(directory);
        fs::create_dir_all(&path).map_err(at(&path))?;
        let mode = if directory.ends_with("tmp") { 0o1777 } else { 0o755 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(at(&path))
    })
}

fn unpack_packages(work: &Path, root: &Path, recipe: &Recipe) -> Done {
    let packages = with_dependencies(recipe.packages)?;
    // apt's own download user may not write here; that is only a warning, but a loud one
    let mut download = Command::new("apt-get");
    download.args(["download", "-q", "-o", "APT::Sandbox::User=root"]).args(&packages).current_dir(work);
    command::output(&mut download)?;
    let script = "set -e; for deb in *.deb; do dpkg-deb --fsys-tarfile \"$deb\" | \
         tar -x --keep-directory-symlink -C root --exclude=./usr/share/doc --exclude=./usr/share/man \
         --exclude=./usr/share/locale --exclude=./usr/share/info; done";
    let mut unpack = Command::new("sh");
    unpack.arg("-c").arg(script).current_dir(work);
    command::output(&mut unpack)?;
    if recipe.packages.contains(&"busybox-static") {
        link_applets(root)?;
    }
    let shell = root.join("usr/bin/sh");
    if !shell.exists() {
        let target = if root.join("usr/bin/dash").exists() { "dash" } else { "bash" };
        symlink(target, &shell).map_err(at(&shell))?;
    }
    Ok(())
}

/// The packages and all that they depend on, by apt's knowledge.
fn with_dependencies(packages: &[&str]) -> Result<BTreeSet<String>, String> {
    let mut command = Command::new("apt-cache");
    command
        .args(["depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks"])
        .args(["--no-replaces", "--no-enhances"])
        .args(packages);
    let text = command::output(&mut command)?;
    // lines that start with a name are packages; `<name>` are virtual ones
    let names = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric()));
    let native = names.filter(|name| !name.contains(':') && !LEFT_OUT.contains(name));
    // of what packages need beyond each other, a container needs the libraries; the rest serves installing
    let needed = native.filter(|name| packages.contains(name) || is_library(name));
    Ok(needed.map(str::to_owned).collect())
}

fn is_library(package: &str) -> bool {
    ["lib", "zlib", "nginx"].iter().any(|prefix| package.starts_with(prefix)) && !package.ends_with("-perl")
}

fn link_applets(root: &Path) -> Done {
    let busybox = root.join("usr/bin/busybox");
    let applets = command::output(Command::new(&busybox).arg("--list"))?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        let link = root.join("usr/bin").join(applet);
        symlink("busybox", &link).map_err(at(&link))?;
    }
    Ok(())
}

fn write_files(root: &Path, recipe: &Recipe) -> Done {
    recipe.files.iter().try_for_each(|(name, content)| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap_or(root)).map_err(at(&path))?;
        fs::write(&path, content).map_err(at(&path))
    })
}

/// Writes the docker archive: one layer, one config, one manifest.
fn pack(work: &Path, root: &Path, recipe: &Recipe, archive: &Path) -> Done {
    let layer = work.join("layer.tar");
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--mtime=@0", "--numeric-owner", "--owner=0", "--group=0", "-cf"]);
    command::output(tar.arg(&layer).arg("-C").arg(root).arg("."))?;
    let digest = sha256(&layer)?;
    let command_json: Vec<serde_json::Value> = recipe.command.iter().map(|word| (*word).into()).collect();
    let config = serde_json::json!({
        "architecture": architecture(), "os": "linux", "created": "1970-01-01T00:00:00Z",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": command_json,
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "cargo xtask images"}],
    });
    fs::write(work.join("config.json"), config.to_string()).map_err(at(work))?;
    let config_name = format!("{}.json", sha256(&work.join("config.json"))?);
    fs::rename(work.join("config.json"), work.join(&config_name)).map_err(at(work))?;
    let manifest = serde_json::json!([
        {"Config": config_name, "RepoTags": [format!("{}:latest", recipe.name)], "Layers": ["layer.tar"]}
    ]);
    fs::write(work.join("manifest.json"), manifest.to_string()).map_err(at(work))?;
    let partial = archive.with_extension("tar.partial");
    let mut tar = Command::new("tar");
    tar.arg("-cf").arg(&partial).arg("-C").arg(work).args(["manifest.json", &config_name, "layer.tar"]);
    command::output(&mut tar)?;
    fs::rename(&partial, archive).map_err(at(archive))
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

fn sha256(file: &Path) -> Result<String, String> {
    let text = command::output(Command::new("sha256sum").arg(file))?;
    text.split_whitespace().next().map(str::to_owned).ok_or_else(|| "sha256sum printed nothing".to_owned())
}
