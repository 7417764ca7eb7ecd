//! Where keys stand in etcd: several clusters may share one, each below a root of its own (`--etcd-prefix`). Pure.

use bytes::Bytes;

/// What the store's keys begin with, and what stands in its place in etcd.
#[derive(Clone, Debug)]
pub(super) struct Place {
    prefix: String,
    root: String,
}

impl Place {
    pub(super) fn new(prefix: String, root: Option<String>) -> Self {
        Self { root: root.unwrap_or_else(|| prefix.clone()), prefix }
    }

    /// What all our keys in etcd begin with.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// The store's key in etcd. One that does not begin with the prefix stays as it is.
    pub(super) fn outside(&self, key: &str) -> Bytes {
        match key.strip_prefix(&self.prefix) {
            Some(rest) => format!("{}{rest}", self.root).into(),
            None => Bytes::copy_from_slice(key.as_bytes()),
        }
    }

    /// A key of etcd as the store has it; `None` for one that is not ours.
    pub(super) fn inside(&self, key: &[u8]) -> Option<String> {
        let rest = std::str::from_utf8(key).ok()?.strip_prefix(&self.root)?;
        Some(format!("{}{rest}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_they_went() {
        let place = Place::new("/registry/".to_owned(), Some("/two/registry/".to_owned()));
        let key = place.outside("/registry/core/pods/a/b");
        assert_eq!(key, "/two/registry/core/pods/a/b");
        assert_eq!(place.inside(&key).as_deref(), Some("/registry/core/pods/a/b"));
        assert_eq!(place.inside(b"/registry/core/pods/a/b"), None, "another cluster's");
        let same = Place::new("/registry/".to_owned(), None);
        assert_eq!(same.outside("/registry/x"), "/registry/x");
    }
}
