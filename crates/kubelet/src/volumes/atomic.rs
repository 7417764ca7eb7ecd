//! Writes a payload so that readers see all of it or nothing: files in a new directory, and `..data` turned to it in
//! one rename (upstream's `AtomicWriter`).

use super::payload::Payload;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

const DATA_LINK: &str = "..data";
const NEW_DATA_LINK: &str = "..data_tmp";

/// Brings the files in `directory` to `payload`. Whether anything changed.
pub fn write(directory: &Path, payload: &Payload, fs_group: Option<u32>, now: jiff::Timestamp) -> io::Result<bool> {
    let old = fs::read_link(directory.join(DATA_LINK)).ok().map(|target| directory.join(target));
    if let Some(old) = &old
        && is_current(old, payload)?
    {
        return Ok(false);
    }
    let new_name = fresh_name(directory, now);
    let new = directory.join(&new_name);
    fs::create_dir(&new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
    write_files(&new, payload, fs_group)?;
    let link = directory.join(NEW_DATA_LINK);
    remove_if_there(&link)?;
    symlink(&new_name, &link)?;
    fs::rename(&link, directory.join(DATA_LINK))?;
    link_names(directory, payload)?;
    if let Some(old) = old.filter(|old| *old != new) {
        remove_dir_if_there(&old)?;
    }
    Ok(true)
}

/// `..2006_01_02_15_04_05.123456789`
fn fresh_name(directory: &Path, now: jiff::Timestamp) -> String {
    let mut nanosecond = u64::try_from(now.subsec_nanosecond()).unwrap_or(0);
    loop {
        let name = format!("..{}.{nanosecond}", now.strftime("%Y_%m_%d_%H_%M_%S"));
        if !directory.join(&name).exists() {
            return name;
        }
        nanosecond += 1;
    }
}

fn is_current(data: &Path, payload: &Payload) -> io::Result<bool> {
    let mut there = BTreeSet::new();
    match list_files(data, Path::new(""), &mut there) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    }
    if there.len() != payload.len() {
        return Ok(false);
    }
    for (path, file) in payload {
        let full = data.join(path);
        if !there.contains(Path::new(path)) || fs::read(&full)? != file.data {
            return Ok(false);
        }
        if fs::metadata(&full)?.permissions().mode() & 0o700 != file.mode & 0o700 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn list_files(root: &Path, below: &Path, into: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list_files(root, &path, into)?;
        } else {
            into.insert(path);
        }
    }
    Ok(())
}

fn write_files(directory: &Path, payload: &Payload, fs_group: Option<u32>) -> io::Result<()> {
    for (path, file) in payload {
        let full = directory.join(path);
        if let Some(parent) = full.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&full, &file.data)?;
        let group_bits = if fs_group.is_some() { (file.mode & 0o700) >> 3 & 0o040 } else { 0 };
        fs::set_permissions(&full, fs::Permissions::from_mode(file.mode | group_bits))?;
        if file.uid.is_some() || fs_group.is_some() {
            chown(&full, file.uid, fs_group)?;
        }
    }
    Ok(())
}

/// The names that users see: links through `..data`, so that one rename changes all of them.
fn link_names(directory: &Path, payload: &Payload) -> io::Result<()> {
    let wanted: BTreeSet<&str> = payload.keys().filter_map(|path| path.split('/').next()).collect();
    for name in &wanted {
        let link = directory.join(name);
        let target = Path::new(DATA_LINK).join(name);
        if fs::read_link(&link).ok().as_deref() != Some(&target) {
            remove_if_there(&link)?;
            symlink(&target, &link)?;
        }
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !wanted.contains(&*name) {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove_dir_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
