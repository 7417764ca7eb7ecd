//! An image made from a program of this machine: the file, the libraries that its loader says it needs, and names for it.
//! It becomes a docker archive that the node's image store imports. No registry is asked.

use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes into an image.
pub struct Recipe<'a> {
    /// `name:tag`
    pub name: &'a str,
    /// The program, on this machine and in the image.
    pub program: &'a Path,
    /// Where the program is in the image.
    pub path: &'a str,
    /// Further names in /usr/local/bin that are links to the program.
    pub links: &'a [&'a str],
}

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program's loader does not say which libraries it needs.
    #[error("{program}: its libraries cannot be found: {reason}")]
    Libraries {
        /// Which program.
        program: PathBuf,
        /// What the loader says.
        reason: String,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ImageError {
    let path = path.to_owned();
    move |source| ImageError::File { path, source }
}

/// A directory for the archive that goes with this value.
pub struct Archive(PathBuf);

impl Archive {
    /// The docker archive.
    pub fn path(&self) -> PathBuf {
        self.0.join("image.tar")
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // nothing else is to be done about it
    }
}

/// Writes the image as a docker archive below `scratch`.
///
/// # Errors
/// [`ImageError`]
pub fn build(recipe: &Recipe<'_>, scratch: &Path) -> Result<Archive, ImageError> {
    let directory = scratch.join(format!(".image-{}", std::process::id()));
    fs::create_dir_all(&directory).map_err(at(&directory))?;
    let archive = Archive(directory);
    let layer = archive.0.join("layer.tar");
    write_layer(recipe, &layer)?;
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {"Entrypoint": [recipe.path], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer)?)]},
    });
    let config = config.to_string();
    let config_name = format!("{}.json", hex::encode(Sha256::digest(config.as_bytes())));
    let manifest = json!([{"Config": config_name, "RepoTags": [recipe.name], "Layers": ["layer.tar"]}]).to_string();
    let path = archive.path();
    let mut tar = tar::Builder::new(File::create(&path).map_err(at(&path))?);
    append(&mut tar, &config_name, config.as_bytes()).map_err(at(&path))?;
    tar.append_path_with_name(&layer, "layer.tar").map_err(at(&layer))?;
    append(&mut tar, "manifest.json", manifest.as_bytes()).map_err(at(&path))?;
    tar.into_inner().and_then(|mut file| file.flush()).map_err(at(&path))?;
    fs::remove_file(&layer).map_err(at(&layer))?;
    Ok(archive)
}

/// The image specification's word for this machine.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

const DIRECTORIES: [&str; 9] = ["etc", "proc", "sys", "dev", "tmp", "run", "var/lib", "usr/local/bin", "var/run"];

fn write_layer(recipe: &Recipe<'_>, path: &Path) -> Result<(), ImageError> {
    let mut tar = tar::Builder::new(File::create(path).map_err(at(path))?);
    tar.follow_symlinks(true);
    // the same program gives the same image
    tar.mode(tar::HeaderMode::Deterministic);
    for directory in DIRECTORIES {
        let mut header = header(tar::EntryType::Directory, if directory == "tmp" { 0o1777 } else { 0o755 });
        header.set_size(0);
        tar.append_data(&mut header, directory, io::empty()).map_err(at(path))?;
    }
    append(&mut tar, "etc/passwd", b"root:x:0:0:root:/root:/sbin/nologin\n").map_err(at(path))?;
    append(&mut tar, "etc/group", b"root:x:0:\n").map_err(at(path))?;
    append(&mut tar, "etc/nsswitch.conf", b"hosts: files dns\n").map_err(at(path))?;
    tar.append_path_with_name(recipe.program, recipe.path.trim_start_matches('/')).map_err(at(recipe.program))?;
    for link in recipe.links {
        let mut header = header(tar::EntryType::Symlink, 0o777);
        tar.append_link(&mut header, format!("usr/local/bin/{link}"), recipe.path).map_err(at(path))?;
    }
    for library in libraries(recipe.program)? {
        let inside = library.strip_prefix("/").unwrap_or(&library);
        tar.append_path_with_name(&library, inside).map_err(at(&library))?;
    }
    tar.into_inner().and_then(|mut file| file.flush()).map_err(at(path))
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    // numbers that nobody wrote are no zeros to those who read them
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}

fn append(tar: &mut tar::Builder<File>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = header(tar::EntryType::Regular, 0o644);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, name, content)
}

fn digest(path: &Path) -> Result<String, ImageError> {
    let mut file = File::open(path).map_err(at(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(at(path))? {
            0 => return Ok(hex::encode(hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// The loader and the libraries of a program, by the paths under which the loader looks for them; none for a static one.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let Some(loader) = interpreter(program).map_err(at(program))? else { return Ok(Vec::new()) };
    let failed = |reason: String| ImageError::Libraries { program: program.to_owned(), reason };
    let output = Command::new(&loader).arg("--list").arg(program).output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let mut paths = listed(&String::from_utf8_lossy(&output.stdout));
    if !paths.contains(&loader) {
        paths.push(loader);
    }
    Ok(paths)
}

/// Reads `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)`; lines without a path are the kernel's own.
fn listed(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let rest = line.split_once("=>").map_or(line, |(_, rest)| rest);
        let word = rest.split_whitespace().next()?;
        word.starts_with('/').then(|| PathBuf::from(word))
    };
    let mut paths: Vec<PathBuf> = text.lines().filter_map(path).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Bytes of an ELF header and of a program header, 64 bit.
const ELF_HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
/// Linux' PATH_MAX: a loader's name is no longer.
const PATH_BYTES_MAX: usize = 4096;
/// The program header that names the loader.
const PT_INTERP: u32 = 3;

/// The loader that a program names; `None` for a static one and for what is no 64-bit little-endian ELF file.
fn interpreter(program: &Path) -> io::Result<Option<PathBuf>> {
    use std::os::unix::fs::FileExt;
    let file = File::open(program)?;
    let mut header = [0; ELF_HEADER_BYTES];
    if file.read_exact_at(&mut header, 0).is_err() || &header[..6] != b"\x7fELF\x02\x01" {
        return Ok(None);
    }
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let (table, count) = (number(&header[32..40]), number(&header[56..58]));
    for index in 0..count {
        let mut entry = [0; PROGRAM_HEADER_BYTES];
        file.read_exact_at(&mut entry, table + index * PROGRAM_HEADER_BYTES as u64)?;
        if number(&entry[..4]) == u64::from(PT_INTERP) {
            let length = usize::try_from(number(&entry[32..40])).unwrap_or(0).min(PATH_BYTES_MAX);
            let mut text = vec![0; length];
            file.read_exact_at(&mut text, number(&entry[8..16]))?;
            text.retain(|byte| *byte != 0);
            return Ok(String::from_utf8(text).ok().map(PathBuf::from));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_list() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(
            listed(text),
            [PathBuf::from("/lib/x86_64-linux-gnu/libm.so.6"), PathBuf::from("/lib64/ld-linux-x86-64.so.2")]
        );
    }

    #[test]
    fn this_test_makes_an_image_that_the_store_takes() {
        let scratch = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let recipe = Recipe { name: "localhost/it:1", program: &program, path: "/usr/bin/it", links: &["that"] };
        let archive = build(&recipe, scratch.path()).unwrap();
        let store = runtime::images::ImageStore::open(&scratch.path().join("images")).unwrap();
        let images = store.import(&archive.path(), None).unwrap();
        assert_eq!(images[0].repo_tags, ["localhost/it:1"]);
        let left = archive.path();
        drop(archive);
        assert!(!left.exists());
    }
}
