//! A cluster for one test: in a directory of its own, ended with the test, also when it fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A running cluster.
pub struct Cluster {
    directory: tempfile::TempDir,
}

/// The binary under test.
fn pintle() -> &'static str {
    env!("CARGO_BIN_EXE_pintle")
}

/// Where `cargo xtask images` has put the images.
fn images() -> PathBuf {
    let named = std::env::var_os("PINTLE_IMAGES").map(PathBuf::from);
    let directory = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/images"));
    assert!(directory.join("nginx.tar").exists(), "no images in {}: run `cargo xtask images`", directory.display());
    directory
}

/// The kubectl to type with: 1.36 when `PINTLE_KUBECTL` names one, else the machine's.
pub fn kubectl() -> PathBuf {
    std::env::var_os("PINTLE_KUBECTL").map_or_else(|| PathBuf::from("kubectl"), PathBuf::from)
}

/// The corpus beside the repository; `None` where it is not.
pub fn golden() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    directory.is_dir().then_some(directory)
}

impl Cluster {
    /// Starts a cluster of these nodes.
    pub fn up(nodes: &str) -> Self {
        let cluster = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        let output = Command::new(pintle())
            .args(["up", "--nodes", nodes, "--images"])
            .arg(images())
            .arg("--data-dir")
            .arg(cluster.data_dir())
            .output()
            .expect("run pintle");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pintle up: {text}\n{}", cluster.logs());
        cluster
    }

    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("cluster")
    }

    /// An empty directory to work in.
    pub fn work_dir(&self) -> PathBuf {
        let directory = self.directory.path().join("work");
        std::fs::create_dir_all(&directory).expect("make a directory");
        directory
    }

    /// A shell command as the tutorial's reader would type it: `kubectl` and `pintle` mean this cluster.
    pub fn shell(&self, command: &str) -> Output {
        let tools = self.directory.path().join("bin");
        std::fs::create_dir_all(&tools).expect("make a directory");
        for (name, target) in [("pintle", PathBuf::from(pintle())), ("kubectl", kubectl())] {
            let link = tools.join(name);
            if target.is_absolute() && !link.exists() {
                std::os::unix::fs::symlink(&target, &link).expect("link a tool");
            }
        }
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("bash")
            .arg("-c")
            .arg(command)
            .current_dir(self.work_dir())
            .env("PATH", format!("{}:{path}", tools.display()))
            .env("KUBECONFIG", self.data_dir().join("kubeconfig"))
            .env("PINTLE_DATA_DIR", self.data_dir())
            .env("HOME", self.directory.path())
            .output()
            .expect("run bash")
    }

    /// Standard output of a command that must succeed.
    pub fn ok(&self, command: &str) -> String {
        let output = self.shell(command);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {error}\n{}", self.logs());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The ends of the components' logs, for the message of a failed test.
    pub fn logs(&self) -> String {
        let directory = self.data_dir().join("log");
        let mut text = String::new();
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(15)..];
            text.push_str(&format!("--- {}\n{}\n", entry.file_name().to_string_lossy(), tail.join("\n")));
        }
        text
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(pintle()).arg("down").arg("--data-dir").arg(self.data_dir()).output();
    }
}
