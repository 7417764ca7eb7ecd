//! Which flow schema a request belongs to, and so which level of priority: compiled anew, and the seats dealt out anew,
//! only when a FlowSchema or a PriorityLevelConfiguration has changed.
//!
//! Its answer carries the UIDs of both, not their names, which are nobody's business.

use super::levels::{self, Plan};
use super::rules::{Rule, list, rule, text};
use super::{Flow, Level, Turns};
use crate::SharedReader;
use crate::reader::Generation;
use crate::request::RequestInfo;
use crate::user::{SYSTEM_PRIVILEGED_GROUP, UserInfo};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The API group of both.
pub(super) const GROUP: &str = "flowcontrol.apiserver.k8s.io";
/// The two resources.
pub(super) const RESOURCES: [&str; 2] = ["flowschemas", "prioritylevelconfigurations"];
const FLOW_SCHEMA_UID: &str = "x-kubernetes-pf-flowschema-uid";
const PRIORITY_LEVEL_UID: &str = "x-kubernetes-pf-prioritylevel-uid";

/// What a request was found to be: the schema that fits, of those that there were at that moment.
#[derive(Clone, Debug)]
pub struct Class {
    compiled: Arc<Compiled>,
    schema: Option<usize>,
    is_master: bool,
}

impl Class {
    fn schema(&self) -> Option<&Schema> {
        self.schema.and_then(|at| self.compiled.schemas.get(at))
    }

    /// How urgent it is. Where no schema fits, as before the mandatory ones are there, masters are exempt.
    pub fn level(&self) -> Level {
        match self.schema() {
            Some(schema) => schema.level,
            None if self.is_master => Level::Exempt,
            None => Level::Seats(levels::FALLBACK),
        }
    }

    /// With which other requests of its level it waits.
    pub fn flow<'a>(&'a self, user: &'a UserInfo, request: &'a RequestInfo) -> Flow<'a> {
        let Some(schema) = self.schema() else { return Flow { schema: "", of: &user.name } };
        let of: &str = match schema.by {
            By::User => &user.name,
            By::Namespace => &request.namespace,
            By::Nothing => "",
        };
        Flow { schema: &schema.name, of }
    }

    /// Tells the client.
    pub fn tell(&self, headers: &mut HeaderMap) {
        if let Some((schema, level)) = self.schema().and_then(|schema| schema.uids.as_ref()) {
            headers.insert(FLOW_SCHEMA_UID, schema.clone());
            headers.insert(PRIORITY_LEVEL_UID, level.clone());
        }
    }
}

/// The flow schemas as they are now.
#[derive(Debug)]
pub struct Flows {
    reader: SharedReader,
    generations: [Generation; RESOURCES.len()],
    compiled: RwLock<Arc<Compiled>>,
    /// What has the seats.
    turns: [Turns; 2],
}

#[derive(Debug, Default)]
struct Compiled {
    /// None before the first time.
    generations: Option<[u64; RESOURCES.len()]>,
    /// In the order in which they are asked.
    schemas: Vec<Schema>,
    plan: Plan,
}

#[derive(Debug)]
struct Schema {
    name: Box<str>,
    level: Level,
    by: By,
    /// Of the flow schema and the level.
    uids: Option<(HeaderValue, HeaderValue)>,
    rules: Vec<Rule>,
}

/// What tells the flows of a schema apart.
#[derive(Clone, Copy, Debug)]
enum By {
    User,
    Namespace,
    Nothing,
}

impl Flows {
    /// Those of this cluster, which say how `turns` deal out their seats.
    pub fn new(reader: SharedReader, turns: [Turns; 2]) -> Self {
        let generations = RESOURCES.map(|plural| reader.generation(GROUP, plural));
        Self { reader, generations, compiled: RwLock::default(), turns }
    }

    /// What a request is.
    pub fn classify(&self, user: &UserInfo, request: &RequestInfo) -> Class {
        let compiled = self.compiled();
        let schema =
            compiled.schemas.iter().position(|schema| schema.rules.iter().any(|rule| rule.fits(user, request)));
        let is_master = schema.is_none() && user.in_group(SYSTEM_PRIVILEGED_GROUP);
        Class { compiled, schema, is_master }
    }

    fn compiled(&self) -> Arc<Compiled> {
        let generations = Some(self.generations.each_ref().map(Generation::now));
        let compiled = self.compiled.read().unwrap_or_else(PoisonError::into_inner);
        if compiled.generations == generations {
            return compiled.clone();
        }
        drop(compiled);
        let mut place = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
        if place.generations != generations {
            let compiled = compile(&self.reader, generations, &place.plan);
            self.turns.iter().for_each(|turns| turns.deal(&compiled.plan));
            *place = Arc::new(compiled);
        }
        place.clone()
    }
}

/// The schemas whose level exists, by precedence and then by name.
fn compile(reader: &SharedReader, generations: Option<[u64; RESOURCES.len()]>, before: &Plan) -> Compiled {
    let name = |object: &Value| text(&object["metadata"]["name"]);
    let levels = reader.list(GROUP, RESOURCES[1], None);
    let plan = Plan::new(&levels, before);
    let levels: HashMap<String, &Arc<Value>> = levels.iter().map(|level| (name(level), level)).collect();
    let mut all = reader.list(GROUP, RESOURCES[0], None);
    all.sort_by_key(|schema| (schema["spec"]["matchingPrecedence"].as_i64(), name(schema)));
    let schemas = all.iter().filter_map(|schema| {
        let spec = &schema["spec"];
        let level_name = text(&spec["priorityLevelConfiguration"]["name"]);
        let level = levels.get(&level_name)?;
        let uid = |object: &Value| HeaderValue::from_str(&text(&object["metadata"]["uid"])).ok();
        Some(Schema {
            name: name(schema).into(),
            level: plan.level(&level_name, level),
            by: match spec["distinguisherMethod"]["type"].as_str() {
                Some("ByUser") => By::User,
                Some("ByNamespace") => By::Namespace,
                _ => By::Nothing,
            },
            uids: uid(schema).zip(uid(level)),
            rules: list(&spec["rules"]).map(rule).collect(),
        })
    });
    Compiled { generations, schemas: schemas.collect(), plan }
}

#[cfg(test)]
mod tests;
