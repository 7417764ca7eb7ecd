//! Systemd units, as far as starting a kubelet needs them: the last `ExecStart` of a unit with its drop-ins,
//! `Environment` and `EnvironmentFile`, and `$VARIABLES` expanded as systemd does. Where there is no systemd, pintle
//! starts the kubelet by this, so that a drop-in changes what it changes elsewhere.
//!
//! Pure but for [`load`].

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// What a unit says about its process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    environment: BTreeMap<String, String>,
    environment_files: Vec<(String, bool)>,
    exec_start: Option<String>,
}

/// Why a unit cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Nothing to start.
    #[error("{0}: Service has no ExecStart= setting. Refusing.")]
    NoExecStart(String),
}

impl Service {
    /// Takes over one unit file or drop-in; later files win, and an empty assignment takes earlier ones back.
    pub fn add(&mut self, text: &str) {
        let joined = text.replace("\\\n", " ");
        let mut in_service = false;
        for line in joined.lines().map(str::trim) {
            if line.starts_with('#') || line.starts_with(';') {
                continue;
            }
            if let Some(section) = line.strip_prefix('[') {
                in_service = section == "Service]";
                continue;
            }
            if let (true, Some((key, value))) = (in_service, line.split_once('=')) {
                self.set(key.trim(), value.trim());
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        match key {
            "ExecStart" => self.exec_start = Some(value.to_owned()).filter(|text| !text.is_empty()),
            "Environment" if value.is_empty() => self.environment.clear(),
            "Environment" => self.environment.extend(words(value).iter().filter_map(|word| assignment(word))),
            "EnvironmentFile" if value.is_empty() => self.environment_files.clear(),
            "EnvironmentFile" => {
                let optional = value.starts_with('-');
                self.environment_files.push((value.trim_start_matches('-').to_owned(), optional));
            }
            _ => {}
        }
    }

    /// The environment: the settings of the unit, then those of its files, which win.
    pub fn environment(
        &self,
        read: impl Fn(&str) -> io::Result<String>,
    ) -> Result<BTreeMap<String, String>, UnitError> {
        let mut all = self.environment.clone();
        for (path, optional) in &self.environment_files {
            match read(path) {
                Ok(text) => all.extend(text.lines().filter_map(file_assignment)),
                Err(source) if *optional && source.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(UnitError::Read { path: path.clone(), source }),
            }
        }
        Ok(all)
    }

    /// The command line: a word `$NAME` becomes as many words as its value has, `${NAME}` exactly one.
    pub fn command(&self, environment: &BTreeMap<String, String>) -> Option<Vec<String>> {
        let value = |name: &str| environment.get(name).map(String::as_str).unwrap_or_default();
        let mut command = Vec::new();
        for word in words(self.exec_start.as_deref()?) {
            match word.strip_prefix('$') {
                Some(name) if is_name(name) => command.extend(words(value(name))),
                _ => command.push(braces(&word, value)),
            }
        }
        (!command.is_empty()).then_some(command)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn braces<'a>(word: &str, value: impl Fn(&str) -> &'a str) -> String {
    let mut rest = word;
    let mut result = String::new();
    while let Some((before, after)) = rest.split_once("${") {
        result.push_str(before);
        match after.split_once('}') {
            Some((name, after)) => {
                result.push_str(value(name));
                rest = after;
            }
            None => {
                result.push_str("${");
                rest = after;
            }
        }
    }
    result + rest
}

fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    Some((name.trim().to_owned(), value.to_owned()))
}

/// A line of an environment file: the value may be quoted as a whole.
fn file_assignment(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.starts_with('#') || line.starts_with(';') {
        return None;
    }
    let (name, value) = assignment(line)?;
    let value = value.trim();
    let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Some((name, unquoted.unwrap_or(value).to_owned()))
}

/// Splits at white space; quotes hold words together.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Reads `<name>.service` with its drop-ins (`<name>.service.d/*.conf`, by name) from the directories of units; a
/// directory named later wins. Returns the command line and the environment.
pub fn load(directories: &[&Path], name: &str) -> Result<(Vec<String>, BTreeMap<String, String>), UnitError> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|source| UnitError::Read { path: path.display().to_string(), source })
    };
    let mut service = Service::default();
    let unit = directories.iter().rev().map(|d| d.join(format!("{name}.service"))).find(|path| path.exists());
    if let Some(unit) = unit {
        service.add(&read(&unit)?);
    }
    let mut drop_ins = BTreeMap::new();
    for directory in directories {
        let entries = fs::read_dir(directory.join(format!("{name}.service.d"))).into_iter().flatten().flatten();
        drop_ins.extend(entries.map(|entry| (entry.file_name(), entry.path())));
    }
    for path in drop_ins.values().filter(|path| path.extension().is_some_and(|e| e == "conf")) {
        service.add(&read(path)?);
    }
    let environment = service.environment(|path| fs::read_to_string(path))?;
    let command = service.command(&environment).ok_or_else(|| UnitError::NoExecStart(format!("{name}.service")))?;
    Ok((command, environment))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(files: &[&str], environment_file: Option<&str>) -> Vec<String> {
        let mut service = Service::default();
        files.iter().for_each(|text| service.add(text));
        let environment = service.environment(|_| match environment_file {
            Some(text) => Ok(text.to_owned()),
            None => Err(io::ErrorKind::NotFound.into()),
        });
        service.command(&environment.unwrap()).unwrap_or_default()
    }

    #[test]
    fn a_drop_in_replaces_the_command_and_adds_arguments() {
        let unit = "[Unit]\nExecStart=/wrong\n[Service]\nExecStart=/usr/bin/kubelet\nRestart=always\n";
        let drop_in = "# Note\n[Service]\nEnvironment=\"KUBELET_CONFIG_ARGS=--config=/c.yaml\" A=b\n\
             EnvironmentFile=-/flags.env\nExecStart=\n\
             ExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS $KUBELET_EXTRA_ARGS --x=${A}y $NOTHING \\\n  --last\n";
        assert_eq!(command(&[unit], None), ["/usr/bin/kubelet"]);
        assert_eq!(command(&[unit, drop_in], None), ["/usr/bin/kubelet", "--config=/c.yaml", "--x=by", "--last"]);
        let flags = "KUBELET_EXTRA_ARGS=\"--pod-manifest-path=/etc/kubelet.d --v=2\"\n";
        assert_eq!(
            command(&[unit, drop_in], Some(flags)),
            ["/usr/bin/kubelet", "--config=/c.yaml", "--pod-manifest-path=/etc/kubelet.d", "--v=2", "--x=by", "--last"]
        );
    }

    #[test]
    fn a_missing_file_that_is_not_optional_is_an_error() {
        let mut service = Service::default();
        service.add("[Service]\nEnvironmentFile=/needed\nExecStart=/x\n");
        assert!(service.environment(|_| Err(io::ErrorKind::NotFound.into())).is_err());
    }
}
