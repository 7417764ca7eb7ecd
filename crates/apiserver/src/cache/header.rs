//! What selectors and the generic path look at in an object without parsing it.
//!
//! One buffer: of tens of thousands of pods and events each has a dozen selectable fields, most of them a few letters, and
//! a box for each word took more than the words.

use api::meta::ObjectMeta;
use registry::Resource;
use serde_json::Value;

/// Namespace, name, uid, labels and the kind's selectable fields (without those of metadata).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// Each word behind its length, seven bits to a byte, the lowest first.
    words: Box<[u8]>,
    labels: u32,
}

/// Room for most, so that the buffer does not grow step by step; what is kept has no more than it needs.
const USUAL_BYTES: usize = 512;
/// Words before the labels.
const FIXED: usize = 3;

impl Header {
    /// Reads the header off an object in its stored form.
    pub fn of(object: &Value, row: Option<&Resource>) -> Self {
        let mut words = Vec::with_capacity(USUAL_BYTES);
        [object.namespace(), object.name(), object.uid()].iter().for_each(|word| push(&mut words, word));
        let mut labels = 0;
        for (key, value) in object.labels().iter().filter_map(|(key, value)| Some((key, value.as_str()?))) {
            push(&mut words, key);
            push(&mut words, value);
            labels += 1;
        }
        for (name, value) in row.map(|row| row.strategy.selectable_fields(object)).unwrap_or_default() {
            push(&mut words, &name);
            push(&mut words, &value);
        }
        Self { words: words.into_boxed_slice(), labels }
    }

    /// Empty for cluster scope.
    pub fn namespace(&self) -> &str {
        self.words().next().unwrap_or_default()
    }

    /// `metadata.name`
    pub fn name(&self) -> &str {
        self.words().nth(1).unwrap_or_default()
    }

    /// `metadata.uid`
    pub fn uid(&self) -> &str {
        self.words().nth(2).unwrap_or_default()
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        value_of(self.words().skip(FIXED).take(2 * self.labels as usize), key)
    }

    /// The value of a field of a field selector.
    pub fn field(&self, name: &str) -> Option<&str> {
        match name {
            "metadata.name" => Some(self.name()),
            "metadata.namespace" => Some(self.namespace()),
            _ => value_of(self.words().skip(FIXED + 2 * self.labels as usize), name),
        }
    }

    fn words(&self) -> Words<'_> {
        Words(&self.words)
    }
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.words()).finish()
    }
}

fn value_of<'a>(mut words: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        if key == name {
            return Some(value);
        }
    }
    None
}

fn push(words: &mut Vec<u8>, word: &str) {
    let mut length = word.len();
    while length > 0x7f {
        words.push(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    words.push(length as u8);
    words.extend_from_slice(word.as_bytes());
}

struct Words<'a>(&'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (mut length, mut shift) = (0, 0);
        loop {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            length |= usize::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        let (word, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(word).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_of_any_length_are_found_again() {
        let long = "é\0".repeat(100);
        for value in ["", "x", &"x".repeat(127), &"x".repeat(128), &"y".repeat(20_000), &long] {
            let object = json!({"metadata": {"namespace": "n", "name": value, "uid": "u", "labels":
                {"a": value, "b": "", "spec.nodeName": "label", "no": 1}}, "spec": {"nodeName": value}, "status": {"phase": "P"}});
            let pods = registry::table().iter().find(|row| &*row.plural == "pods" && row.group.is_empty());
            let header = Header::of(&object, pods);
            assert_eq!([header.namespace(), header.name(), header.uid()], ["n", value, "u"]);
            let labels = ["a", "b", "spec.nodeName", "no", "", "n"].map(|key| header.label(key));
            assert_eq!(labels, [Some(value), Some(""), Some("label"), None, None, None]);
            let fields = ["metadata.name", "spec.nodeName", "status.phase", "a", "spec"].map(|name| header.field(name));
            assert_eq!(fields, [Some(value), Some(value), Some("P"), None, None]);
        }
        let none = Header::default();
        assert_eq!((none.name(), none.label("a"), none.field("a")), ("", None, None));
    }
}
