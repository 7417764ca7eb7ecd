//! Variables that a container finds in files of the pod's volumes (`fileKeyRef`, KEP-3721): lines of `NAME='value'`, a small
//! part of a shell's language. The reading is apart from the rest, which is pure.

use crate::volumes::MountedVolumes;
use k8s_openapi::api::core::v1::{Container, FileKeySelector};
use runtime::disk;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

/// A longer file is not read: all variables of a process together may not be longer.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Files by the volume's name and their path in it: the text, `None` where there is no such file, or why it cannot be read.
pub type EnvFiles = BTreeMap<(String, String), Result<Option<String>, EnvFileError>>;

/// Why a variable cannot be had from a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvFileError {
    /// A line that is no assignment.
    #[error("invalid environment variable format at line {line}: {what}")]
    Format {
        /// Counted from one.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A value that does not end.
    #[error("invalid environment variable format starting at line {line}: unclosed single quote")]
    Unclosed {
        /// Where it begins.
        line: usize,
    },
    /// A volume that is not there, or has no files.
    #[error("cannot find the volume {0:?} referenced by FileKeyRef")]
    NoVolume(String),
    /// The file system's.
    #[error("failed to open environment variable file {path:?}: {reason}")]
    Unreadable {
        /// In the volume.
        path: String,
        /// Why.
        reason: String,
    },
    /// Neither the file nor the key may be missing, and one is.
    #[error("environment variable key {key:?} not found in file {path:?}")]
    NoKey {
        /// The key.
        key: String,
        /// The file.
        path: String,
    },
}

/// Reads the files that the container's variables come from. Links lead nowhere outside of their volume.
pub fn read(container: &Container, volumes: &MountedVolumes) -> EnvFiles {
    let sources = container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
    let wanted = sources.filter_map(|source| source.file_key_ref.as_ref());
    let one = |file: &FileKeySelector| {
        let volume = volumes.get(&file.volume_name).filter(|volume| volume.path.is_absolute());
        let volume = volume.ok_or_else(|| EnvFileError::NoVolume(file.volume_name.clone()))?;
        match read_below(&volume.path, Path::new(&file.path)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EnvFileError::Unreadable { path: file.path.clone(), reason: error.to_string() }),
        }
    };
    wanted.map(|file| ((file.volume_name.clone(), file.path.clone()), one(file))).collect()
}

fn read_below(volume: &Path, path: &Path) -> io::Result<String> {
    let file = disk::open_below(volume, path)?;
    if file.metadata()?.len() > FILE_MAX_BYTES {
        return Err(io::Error::other(format!("longer than {FILE_MAX_BYTES} bytes")));
    }
    let mut text = String::new();
    file.take(FILE_MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// The variable's value; `None`: it is not set, and need not be.
///
/// # Errors
/// [`EnvFileError`]
pub fn value_of(files: &EnvFiles, source: &FileKeySelector) -> Result<Option<String>, EnvFileError> {
    let place = (source.volume_name.clone(), source.path.clone());
    let text = files.get(&place).cloned().unwrap_or(Ok(None))?;
    let value = text.map(|text| value(&text, &source.key)).transpose()?.flatten();
    if value.is_none() && source.optional != Some(true) {
        return Err(EnvFileError::NoKey { key: source.key.clone(), path: source.path.clone() });
    }
    Ok(value)
}

const BLANKS: [char; 2] = [' ', '\t'];

/// What the first assignment to `key` says. All before it has to be well formed, nothing after it (`ParseEnv`).
fn value(text: &str, key: &str) -> Result<Option<String>, EnvFileError> {
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let line = line.trim_start_matches(BLANKS);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what| EnvFileError::Format { line: number, what };
        let (name, assigned) = line.split_once('=').ok_or_else(|| wrong("missing '='"))?;
        if name.is_empty() {
            return Err(wrong("empty variable name"));
        }
        if name.ends_with(BLANKS) {
            return Err(wrong("whitespace before '=' is not allowed"));
        }
        // as in a shell: what stands after a blank belongs to something else
        let value = if assigned.starts_with(BLANKS) {
            String::new()
        } else {
            let begun = assigned.strip_prefix('\'').ok_or_else(|| wrong("value must be enclosed in single quotes"))?;
            quoted((begun, number), &mut lines)?
        };
        if name == key {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The rest of a value, which may go on over lines.
fn quoted<'a>(
    begun: (&'a str, usize),
    lines: &mut impl Iterator<Item = (&'a str, usize)>,
) -> Result<String, EnvFileError> {
    let (mut rest, mut number) = begun;
    let mut value = String::new();
    loop {
        let Some((inside, after)) = rest.split_once('\'') else {
            value.push_str(rest);
            value.push('\n');
            (rest, number) = lines.next().ok_or(EnvFileError::Unclosed { line: begun.1 })?;
            continue;
        };
        value.push_str(inside);
        let after = after.trim_start_matches(BLANKS);
        return if after.is_empty() || after.starts_with('#') {
            Ok(value)
        } else {
            Err(EnvFileError::Format { line: number, what: "unexpected content after closing quote" })
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volumes::MountedVolume;
    use serde_json::json;

    #[test]
    fn assignments() {
        let show = |text: &str| match value(text, "K") {
            Ok(value) => format!("{value:?}"),
            Err(error) => error.to_string(),
        };
        let format = |line: usize, what: &str| format!("invalid environment variable format at line {line}: {what}");
        for (text, want) in [
            ("K='v'", r#"Some("v")"#.to_owned()),
            ("# c\n\n \t\n  K='v' # more\n", r#"Some("v")"#.to_owned()),
            ("K='a\nb'\nL='c'", r#"Some("a\nb")"#.replace("\\\\", "\\")),
            ("A='x'\r\nK='$(B) \\n # \"'\r\n", r##"Some("$(B) \\n # \"")"##.to_owned()),
            ("K= 'v'", r#"Some("")"#.to_owned()),
            ("K=''", r#"Some("")"#.to_owned()),
            ("KK='v'\nexport K='w'", "None".to_owned()),
            ("K='first'\nK='second'\nrubbish", r#"Some("first")"#.to_owned()),
            ("", "None".to_owned()),
            ("A='1'\nrubbish\nK='v'", format(2, "missing '='")),
            ("='v'", format(1, "empty variable name")),
            ("K ='v'", format(1, "whitespace before '=' is not allowed")),
            ("K=v", format(1, "value must be enclosed in single quotes")),
            ("K=", format(1, "value must be enclosed in single quotes")),
            ("K=\"v\"", format(1, "value must be enclosed in single quotes")),
            ("A='1\n2'3\nK='v'", format(2, "unexpected content after closing quote")),
            (
                "A='1'\nK='v\n\n",
                "invalid environment variable format starting at line 2: unclosed single quote".to_owned(),
            ),
        ] {
            assert_eq!(show(text), want, "{text}");
        }
    }

    #[test]
    fn files_of_volumes_and_what_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "K='stolen'").unwrap();
        std::fs::create_dir(root.path().join("d")).unwrap();
        std::fs::write(root.path().join("d/e"), "K='v'").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), root.path().join("link")).unwrap();
        nix::unistd::mkfifo(&root.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let volumes =
            MountedVolumes::from([("v".to_owned(), MountedVolume { path: root.path().into(), read_only: false })]);
        let show = |volume: &str, path: &str, optional: bool| {
            let source = json!({"volumeName": volume, "path": path, "key": "K", "optional": optional});
            let container = json!({"name": "c", "env": [{"name": "A", "valueFrom": {"fileKeyRef": source}}]});
            let files = read(&serde_json::from_value(container).unwrap(), &volumes);
            match value_of(&files, &serde_json::from_value(source).unwrap()) {
                Ok(value) => format!("{value:?}"),
                Err(error) => error.to_string(),
            }
        };
        assert_eq!(show("v", "d/e", false), r#"Some("v")"#);
        assert_eq!(show("v", "d/none", true), "None");
        assert_eq!(show("v", "d/none", false), r#"environment variable key "K" not found in file "d/none""#);
        assert_eq!(show("w", "d/e", true), r#"cannot find the volume "w" referenced by FileKeyRef"#);
        assert_eq!(show("v", "link", true), "None", "a link that leads out leads nowhere");
        let unreadable = |path: &str| format!("failed to open environment variable file {path:?}: not a regular file");
        assert_eq!(show("v", "pipe", true), unreadable("pipe"));
        assert_eq!(show("v", "d", true), unreadable("d"));
    }
}
