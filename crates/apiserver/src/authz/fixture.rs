//! A cluster made of a list of objects, for the tests of the chain.

use crate::reader::{Generation, ObjectReader, SharedReader};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// Objects with their group and plural.
#[derive(Debug, Default)]
pub(crate) struct Objects(Mutex<Vec<Entry>>, Generation);

/// Group, plural, object.
type Entry = (String, String, Arc<Value>);

impl Objects {
    pub fn new(objects: Vec<Value>) -> Arc<Self> {
        let all = Arc::new(Self::default());
        objects.into_iter().for_each(|object| all.put(object));
        all
    }

    /// Adds an object, or replaces the one of its name.
    pub fn put(&self, object: Value) {
        let version = object["apiVersion"].as_str().unwrap();
        let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let kind = object["kind"].as_str().unwrap().to_ascii_lowercase();
        let plural = match kind.as_str() {
            "endpoints" => kind,
            class if class.ends_with("class") => format!("{class}es"),
            _ => format!("{kind}s"),
        };
        self.remove(&group, &plural, &object["metadata"]["namespace"], &object["metadata"]["name"]);
        let mut inner = self.0.lock().unwrap();
        self.1.advance();
        inner.push((group, plural, Arc::new(object)));
    }

    pub fn remove(&self, group: &str, plural: &str, namespace: &Value, name: &Value) {
        let mut inner = self.0.lock().unwrap();
        self.1.advance();
        inner.retain(|(g, p, object)| {
            let metadata = &object["metadata"];
            !(g == group && p == plural && metadata["namespace"] == *namespace && metadata["name"] == *name)
        });
    }

    pub fn reader(self: &Arc<Self>) -> SharedReader {
        self.clone()
    }
}

impl ObjectReader for Objects {
    fn get(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let all = self.list(group, plural, None);
        all.into_iter().find(|object| {
            let metadata = &object["metadata"];
            metadata["name"] == name && metadata["namespace"].as_str().unwrap_or_default() == namespace
        })
    }

    fn list(&self, group: &str, plural: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let inner = self.0.lock().unwrap();
        let fits = |object: &Value| namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace);
        let all = inner.iter().filter(|(g, p, object)| g == group && p == plural && fits(object));
        all.map(|(_, _, object)| object.clone()).collect()
    }

    fn generation(&self, _group: &str, _plural: &str) -> Generation {
        self.1.clone()
    }
}
