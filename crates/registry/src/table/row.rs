//! How a row is written: the common case is the default, and every deviation is one call.

use crate::columns;
use crate::{Conversion, NoStrategy, Resource, Scope, Storage, Strategy, Subresource};
use std::sync::Arc;

const ALL_VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// A row under construction. Unless told otherwise: namespaced, all verbs, no subresource, singular is the kind in
/// lower case, `PUT` does not create and needs no resourceVersion, nothing special about the kind.
#[must_use]
pub struct Row(Resource);

/// Starts the row of a namespaced resource. The type of its objects is the one that the schema table has under the name that
/// follows from group, version and kind; [`Row::definition`] names another.
pub fn row(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Row {
    // The package that defines a group's types: the group's first label, with one exception.
    let package = match group.split('.').next() {
        None | Some("") => "core",
        Some(label) => label,
    };
    Row(Resource {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        plural: plural.into(),
        singular: kind.to_lowercase().into(),
        short_names: Vec::new(),
        categories: Vec::new(),
        scope: Scope::Namespaced,
        verbs: ALL_VERBS.to_vec(),
        subresources: Vec::new(),
        definition: format!("io.k8s.api.{package}.{version}.{kind}").into(),
        has_generation: false,
        create_on_update: false,
        unconditional_update: true,
        storage: Storage::Own,
        strategy: Arc::new(NoStrategy),
        printer: columns::builtin(group, plural),
        custom: None,
    })
}

impl Row {
    /// Objects live outside of namespaces.
    pub fn cluster(mut self) -> Self {
        self.0.scope = Scope::Cluster;
        self
    }

    /// Further names that clients may type.
    pub fn short(mut self, names: &[&'static str]) -> Self {
        self.0.short_names = names.iter().map(|&n| n.into()).collect();
        self
    }

    /// A name for several resources at once (`all`).
    pub fn category(mut self, name: &'static str) -> Self {
        self.0.categories.push(name.into());
        self
    }

    /// What can be done with it, in upstream's order; all that there is unless told.
    pub fn verbs(mut self, verbs: &[&'static str]) -> Self {
        self.0.verbs = verbs.to_vec();
        self
    }

    /// What hangs below an object.
    pub fn subresources(mut self, subresources: &[Subresource]) -> Self {
        self.0.subresources = subresources.to_vec();
        self
    }

    /// `metadata.generation` counts the changes of the spec.
    pub fn generation(mut self) -> Self {
        self.0.has_generation = true;
        self
    }

    /// A `PUT` may create.
    pub fn create_on_update(mut self) -> Self {
        self.0.create_on_update = true;
        self
    }

    /// A `PUT` must name the resourceVersion.
    pub fn conditional(mut self) -> Self {
        self.0.unconditional_update = false;
        self
    }

    /// What is special about the kind.
    pub fn strategy(mut self, strategy: impl Strategy + 'static) -> Self {
        self.0.strategy = Arc::new(strategy);
        self
    }

    /// Objects are kept in the form of another row (group, version, plural).
    pub fn stored_as(
        mut self,
        (group, version, plural): (&'static str, &'static str, &'static str),
        conversion: &'static dyn Conversion,
    ) -> Self {
        let conversion = std::sync::Arc::new(Fixed(conversion));
        self.0.storage =
            Storage::Shared { group: group.into(), version: version.into(), plural: plural.into(), conversion };
        self
    }

    /// The name of the type, where it does not follow from group, version and kind.
    pub fn definition(mut self, name: &'static str) -> Self {
        self.0.definition = name.into();
        self
    }

    /// The finished row.
    pub fn build(self) -> Resource {
        self.0
    }
}

/// A built-in conversion.
#[derive(Debug)]
struct Fixed(&'static dyn Conversion);

impl Conversion for Fixed {
    fn to_stored(&self, object: serde_json::Value) -> serde_json::Value {
        self.0.to_stored(object)
    }

    fn to_served(&self, object: serde_json::Value) -> serde_json::Value {
        self.0.to_served(object)
    }
}
