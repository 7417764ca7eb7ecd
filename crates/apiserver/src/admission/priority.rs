//! Priority: the number behind a pod's priority class (`k8s.io/kubernetes/plugin/pkg/admission/priority`).

use super::{Plugin, forbidden, is, name_of, text};
use crate::SharedReader;
use crate::chain::{Attributes, Operation};
use api::status::Status;

const GROUP: &str = "scheduling.k8s.io";
/// The two classes that every cluster has, also before their objects are there.
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];
const DEFAULT_POLICY: &str = "PreemptLowerPriority";

pub(super) struct Priority {
    reader: SharedReader,
}

/// What a class says.
struct Class {
    name: String,
    value: i64,
    policy: String,
}

impl Priority {
    pub fn new(reader: SharedReader) -> Self {
        Self { reader }
    }

    fn named(&self, name: &str) -> Option<Class> {
        if let Some(class) = self.reader.get(GROUP, "priorityclasses", "", name) {
            return Some(read(&class));
        }
        let value = SYSTEM_CLASSES.iter().find(|(own, _)| *own == name)?.1;
        Some(Class { name: name.to_owned(), value, policy: DEFAULT_POLICY.to_owned() })
    }

    /// The global default; of several the lowest.
    fn default_class(&self) -> Class {
        let all = self.reader.list(GROUP, "priorityclasses", None);
        let defaults = all.iter().filter(|class| class["globalDefault"] == true).map(|class| read(class));
        let none = || Class { name: String::new(), value: 0, policy: DEFAULT_POLICY.to_owned() };
        defaults.min_by_key(|class| class.value).unwrap_or_else(none)
    }

    fn pod(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        let spec = &attributes.object["spec"];
        let asked = text(&spec["priorityClassName"]);
        let class = if asked.is_empty() {
            self.default_class()
        } else {
            let missing = || forbidden(attributes, &format!("no PriorityClass with name {asked} was found"));
            self.named(asked).ok_or_else(missing)?
        };
        if let Some(own) = spec["priority"].as_i64()
            && own != class.value
        {
            let why = format!(
                "the integer value of priority ({own}) must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name",
                class.value
            );
            return Err(forbidden(attributes, &why));
        }
        if let Some(own) = spec["preemptionPolicy"].as_str()
            && own != class.policy
        {
            let why = format!(
                "the string value of PreemptionPolicy ({own}) must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name",
                class.policy
            );
            return Err(forbidden(attributes, &why));
        }
        let spec = api::meta::child_mut(&mut attributes.object, "spec");
        if !class.name.is_empty() {
            spec.insert("priorityClassName".to_owned(), class.name.into());
        }
        spec.insert("priority".to_owned(), class.value.into());
        spec.insert("preemptionPolicy".to_owned(), class.policy.into());
        Ok(())
    }

    fn only_one_default(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        if attributes.object["globalDefault"] != true {
            return Ok(());
        }
        let all = self.reader.list(GROUP, "priorityclasses", None);
        let name = name_of(attributes);
        match all.iter().find(|class| class["globalDefault"] == true && class["metadata"]["name"] != name) {
            None => Ok(()),
            Some(other) => {
                let other = text(&other["metadata"]["name"]);
                let why = format!("PriorityClass {other} is already marked as default. Only one default can exist");
                Err(forbidden(attributes, &why))
            }
        }
    }
}

fn read(class: &serde_json::Value) -> Class {
    let policy = class["preemptionPolicy"].as_str().unwrap_or(DEFAULT_POLICY).to_owned();
    Class { name: text(&class["metadata"]["name"]).to_owned(), value: class["value"].as_i64().unwrap_or(0), policy }
}

impl Plugin for Priority {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        if attributes.operation == Operation::Create && is(attributes, "", "pods", "") {
            return self.pod(attributes);
        }
        let delete = attributes.operation == Operation::Delete && is(attributes, GROUP, "priorityclasses", "");
        if delete && SYSTEM_CLASSES.iter().any(|(name, _)| *name == name_of(attributes)) {
            return Err(forbidden(attributes, "this is a system priority class and cannot be deleted"));
        }
        Ok(())
    }

    fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        let write = matches!(attributes.operation, Operation::Create | Operation::Update);
        if write && is(attributes, GROUP, "priorityclasses", "") { self.only_one_default(attributes) } else { Ok(()) }
    }
}
