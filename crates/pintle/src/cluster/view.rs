//! A node's view of the machine: its own mount and UTS namespace, in which /etc is a private layer over the machine's
//! and the directories of kubelet and runtime are the node's own.
//!
//! A namespace needs a process to be made, so `up` runs this file's [`make`] in a child of one thread, binds the
//! child's namespaces to files, and lets the child go. Network namespaces are `network`'s.

use super::layout::{Layout, Node};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Directories that every node has for itself.
const OWN_DIRECTORIES: [&str; 5] = [
    "/var/lib/kubelet",
    "/var/log/pods",
    "/var/log/containers",
    "/var/lib/pintle",
    // of `init --etcd=local`; the machine may have an etcd of its own
    "/var/lib/etcd",
];

/// What lasts as long as the node runs. It is in memory as /run is elsewhere, and not for tidiness alone: ext4 gives an
/// inode out again only a minute or more after it was freed and looks at all younger ones each time, so that the dozen
/// small files of each pod that went made the next pods start slower (forty at once took 1.8 s after 1.0 s).
const RUN_DIRECTORY: &str = "/run/pintle";

/// What could not be done for a node's view.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct ViewError {
    what: String,
    source: io::Error,
}

/// Why a command does not run in a node.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The node is not to be entered.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The command is not to be had there.
    #[error("{program}: {source}")]
    Command {
        /// Its name.
        program: String,
        /// Why.
        source: io::Error,
    },
}

impl EnterError {
    /// What a shell on the node, and so ssh, would give back: 127 for a command that is not found, 126 for one that cannot be run.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::View(_) => 1,
            Self::Command { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::Command { .. } => 126,
        }
    }
}

fn failed<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> ViewError {
    let what = what.into();
    move |source| ViewError { what, source: source.into() }
}

const NO_TEXT: Option<&str> = None;

/// Makes the directory of namespace files fit for holding them: namespaces can only be bound below a mount that does
/// not propagate. A second time changes nothing.
pub fn ensure_run_dir(layout: &Layout) -> Result<(), ViewError> {
    let directory = layout.run_dir();
    let name = || directory.display().to_string();
    fs::create_dir_all(&directory).map_err(failed(name()))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(failed("/proc/self/mountinfo"))?;
    let own = as_in_mountinfo(&directory);
    if !mounts.lines().any(|line| line.split(' ').nth(4) == Some(own.as_str())) {
        mount(Some(&directory), &directory, NO_TEXT, MsFlags::MS_BIND, NO_TEXT).map_err(failed(name()))?;
    }
    mount(NO_TEXT, &directory, NO_TEXT, MsFlags::MS_PRIVATE, NO_TEXT).map_err(failed(name()))
}

/// A path as the kernel writes it into mountinfo.
fn as_in_mountinfo(path: &Path) -> String {
    let escape = |c: char| match c {
        ' ' | '\t' | '\n' | '\\' => format!("\\{:03o}", u32::from(c)),
        c => c.to_string(),
    };
    path.to_string_lossy().chars().map(escape).collect()
}

/// A path as overlayfs reads it from its options, where commas and colons separate.
fn as_overlay_option(path: &Path) -> String {
    let escape = |c: char| if matches!(c, ',' | ':' | '\\') { format!("\\{c}") } else { c.to_string() };
    path.to_string_lossy().chars().map(escape).collect()
}

/// Whether the node's namespaces can be entered.
pub fn exists(layout: &Layout, node: &str) -> bool {
    ["mnt", "uts", "net"].iter().all(|kind| is_namespace(&layout.namespace(node, kind)))
}

/// A file that holds a namespace lies on the kernel's own file system for them; a left-over file does not.
fn is_namespace(path: &Path) -> bool {
    nix::sys::statfs::statfs(path).is_ok_and(|info| info.filesystem_type() == nix::sys::statfs::NSFS_MAGIC)
}

/// Makes the node's mount and UTS namespaces and binds them to their files.
pub fn ensure(layout: &Layout, node: &Node) -> Result<(), ViewError> {
    if ["mnt", "uts"].iter().all(|kind| is_namespace(&layout.namespace(&node.name, kind))) {
        return Ok(());
    }
    let mut child = Command::new("/proc/self/exe")
        .args(["make-node", "--node", &node.name, "--data-dir"])
        .arg(layout.data_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed("start the process that makes namespaces"))?;
    let ready = child.stdout.take().map(|stdout| {
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map(|_| line)
    });
    let made = match ready {
        Some(Ok(line)) if line == READY => bind(layout, &node.name, child.id()),
        _ => Err(failed(format!("make namespaces of {}", node.name))(io::Error::other("the process failed"))),
    };
    drop(child.stdin.take()); // its end of file lets the child go
    child.wait().map_err(failed("wait for the process that makes namespaces"))?;
    made
}

const READY: &str = "ready\n";

fn bind(layout: &Layout, node: &str, pid: u32) -> Result<(), ViewError> {
    for kind in ["mnt", "uts"] {
        let path = layout.namespace(node, kind);
        File::create(&path).map_err(failed(path.display().to_string()))?;
        let source = PathBuf::from(format!("/proc/{pid}/ns/{kind}"));
        mount(Some(&source), &path, NO_TEXT, MsFlags::MS_BIND, NO_TEXT).map_err(failed(path.display().to_string()))?;
    }
    Ok(())
}

/// The child's part: unshares, mounts, says that it is ready, and waits until its namespaces are bound.
pub fn make(layout: &Layout, node: &str) -> Result<(), ViewError> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS).map_err(failed("unshare"))?;
    mount(NO_TEXT, "/", NO_TEXT, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NO_TEXT).map_err(failed("/"))?;
    nix::unistd::sethostname(node).map_err(failed("sethostname"))?;
    let upper = layout.node_path(node, "/etc");
    let work = layout.node_path(node, "/.etc.work");
    for directory in [&upper, &work] {
        fs::create_dir_all(directory).map_err(failed(directory.display().to_string()))?;
    }
    let (upper, work) = (as_overlay_option(&upper), as_overlay_option(&work));
    let options = format!("lowerdir=/etc,upperdir={upper},workdir={work}");
    mount(Some("overlay"), "/etc", Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(failed("/etc"))?;
    fs::write("/etc/hostname", format!("{node}\n")).map_err(failed("/etc/hostname"))?;
    for path in OWN_DIRECTORIES {
        let own = layout.node_path(node, path);
        fs::create_dir_all(&own).map_err(failed(own.display().to_string()))?;
        fs::create_dir_all(path).map_err(failed(path))?;
    }
    // the data directory may itself be below one of these, so all sources are opened before the first is covered
    let sources: Result<Vec<File>, ViewError> =
        OWN_DIRECTORIES.iter().map(|path| File::open(layout.node_path(node, path)).map_err(failed(*path))).collect();
    for (path, source) in OWN_DIRECTORIES.iter().zip(&sources?) {
        let source = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(source)));
        mount(Some(&source), *path, NO_TEXT, MsFlags::MS_BIND, NO_TEXT).map_err(failed(*path))?;
    }
    fs::create_dir_all(RUN_DIRECTORY).map_err(failed(RUN_DIRECTORY))?;
    mount(Some("tmpfs"), RUN_DIRECTORY, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
        .map_err(failed(RUN_DIRECTORY))?;
    let mut stdout = io::stdout();
    stdout.write_all(READY.as_bytes()).and_then(|()| stdout.flush()).map_err(failed("stdout"))?;
    let mut rest = Vec::new();
    io::stdin().read_to_end(&mut rest).map(|_| ()).map_err(failed("stdin"))
}

/// Replaces this process by `command` inside the node. Only returns when that fails. This process must have one thread.
pub fn enter(layout: &Layout, node: &str, command: &[String]) -> EnterError {
    match try_enter(layout, node, command) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn try_enter(layout: &Layout, node: &str, command: &[String]) -> Result<std::convert::Infallible, EnterError> {
    let open = |kind: &str, flag| {
        let path = layout.namespace(node, kind);
        File::open(&path).map(|file| (file, flag)).map_err(failed(path.display().to_string()))
    };
    // the mount namespace last: the files are not to be seen from inside
    let namespaces = [
        open("net", CloneFlags::CLONE_NEWNET)?,
        open("uts", CloneFlags::CLONE_NEWUTS)?,
        open("mnt", CloneFlags::CLONE_NEWNS)?,
    ];
    for (file, flag) in namespaces {
        setns(file, flag).map_err(failed(format!("enter node {node}")))?;
    }
    let Some((program, arguments)) = command.split_first() else {
        return Err(failed("enter")(io::Error::from(io::ErrorKind::InvalidInput)).into());
    };
    std::env::set_current_dir("/").map_err(failed("/"))?;
    let source = Command::new(program).args(arguments).exec();
    Err(EnterError::Command { program: program.clone(), source })
}

/// Lets go of everything that holds the node's namespaces.
pub fn remove(layout: &Layout, node: &str) {
    for kind in ["mnt", "uts", "net"] {
        let path = layout.namespace(node, kind);
        while nix::mount::umount2(&path, nix::mount::MntFlags::MNT_DETACH).is_ok() {}
        let _ = fs::remove_file(&path); // may never have been made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_a_shells() {
        let command = |kind: io::ErrorKind| EnterError::Command { program: "x".to_owned(), source: kind.into() };
        let code = |error: EnterError| error.exit_code();
        assert_eq!(code(command(io::ErrorKind::NotFound)), 127);
        assert_eq!(code(command(io::ErrorKind::PermissionDenied)), 126);
        let view = failed("enter node x")(io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(code(view.into()), 1);
    }

    #[test]
    fn unusual_paths_are_written_as_the_kernel_reads_them() {
        assert_eq!(as_in_mountinfo(Path::new("/my cluster/a\\b")), "/my\\040cluster/a\\134b");
        assert_eq!(as_overlay_option(Path::new("/a,b:c/d e")), "/a\\,b\\:c/d e");
    }
}
