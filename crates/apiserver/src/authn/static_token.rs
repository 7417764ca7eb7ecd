//! Static tokens: `--token-auth-file` (lines of `token,user,uid,"group1,group2"`) and `--token`.

use crate::user::{SYSTEM_PRIVILEGED_GROUP, UserInfo};
use std::collections::HashMap;

/// More users than this belong into another authenticator; the file is read into memory whole.
const MAX_TOKENS: usize = 10_000;

/// Tokens that never change while the server runs, kept as digests.
#[derive(Clone, Default)]
pub struct StaticTokens(HashMap<[u8; 32], UserInfo>);

/// What is wrong with a token file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StaticTokenError {
    /// Upstream's sentence for short lines.
    #[error("line {line}: token file must have at least 3 columns (token, user name, user uid), found {columns}")]
    Columns {
        /// Counted from 1.
        line: usize,
        /// How many there are.
        columns: usize,
    },
    /// A line without a token.
    #[error("line {0}: the token is empty")]
    Empty(usize),
    /// More than the limit of ten thousand.
    #[error("the token file has more than 10000 lines")]
    TooMany,
}

impl std::fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StaticTokens({})", self.0.len())
    }
}

fn digest(token: &str) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

impl StaticTokens {
    /// Adds a token of an administrator in `system:masters`: what `pintle server --token` gives.
    pub fn add_administrator(&mut self, token: &str) {
        let groups = vec![SYSTEM_PRIVILEGED_GROUP.to_owned()];
        self.0.insert(digest(token), UserInfo { name: "admin".to_owned(), groups, ..UserInfo::default() });
    }

    /// Adds what a token file says; empty lines and those that begin with `#` are skipped.
    ///
    /// # Errors
    /// [`StaticTokenError`] for the first line that is wrong.
    pub fn add_file(&mut self, text: &str) -> Result<(), StaticTokenError> {
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if self.0.len() >= MAX_TOKENS {
                return Err(StaticTokenError::TooMany);
            }
            let columns = columns(line);
            let [token, name, uid, rest @ ..] = columns.as_slice() else {
                return Err(StaticTokenError::Columns { line: index + 1, columns: columns.len() });
            };
            if token.is_empty() {
                return Err(StaticTokenError::Empty(index + 1));
            }
            let groups = rest.first().map_or("", String::as_str).split(',').filter(|group| !group.is_empty());
            let groups = groups.map(str::to_owned).collect();
            self.0.insert(
                digest(token),
                UserInfo { name: name.clone(), uid: uid.clone(), groups, ..UserInfo::default() },
            );
        }
        Ok(())
    }

    pub(super) fn authenticate(&self, token: &str) -> Option<UserInfo> {
        if self.0.is_empty() { None } else { self.0.get(&digest(token)).cloned() }
    }
}

/// The fields of a CSV line; a double quote in a quoted field is written twice.
fn columns(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = columns.len() - 1;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                columns[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            // Blanks before a field do not count.
            ' ' if !quoted && columns[last].is_empty() => {}
            other => columns[last].push(other),
        }
    }
    columns
}
