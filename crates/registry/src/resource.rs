//! The row of the resource table, and the strategy that a row may bring: upstream's `rest.RESTCreateStrategy` and
//! `RESTUpdateStrategy`, cut down to pure functions on JSON values.

use crate::columns::Printer;
use crate::custom::Custom;
use crate::{GarbageCollection, Subresource};
use api::field::ErrorList;
use api::schema::Schema;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whether objects live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `/namespaces/{namespace}/{plural}`
    Namespaced,
    /// `/{plural}`
    Cluster,
}

/// Where the objects of a row are stored.
#[derive(Clone, Debug)]
pub enum Storage {
    /// Under the row's own group and plural, in the row's own version.
    Own,
    /// Shared with another row, which is the form that is stored: events of both groups, both versions of autoscalers.
    Shared {
        /// Group of the row whose form is stored.
        group: Arc<str>,
        /// Its version.
        version: Arc<str>,
        /// Its plural.
        plural: Arc<str>,
        /// The way there and back.
        conversion: Arc<dyn Conversion>,
    },
}

/// Conversion between a served version and the stored one. `apiVersion` and `kind` are converted too.
pub trait Conversion: Send + Sync + std::fmt::Debug {
    /// From the form that this row serves to the stored one.
    fn to_stored(&self, object: Value) -> Value;

    /// From the stored form to the one that this row serves.
    fn to_served(&self, object: Value) -> Value;
}

/// One row: all that the generic path needs to know of a resource. Built-in rows stand in `table`; a
/// CustomResourceDefinition adds rows of the same type at run time.
#[derive(Clone, Debug)]
pub struct Resource {
    /// API group; empty for core.
    pub group: Arc<str>,
    /// `v1`
    pub version: Arc<str>,
    /// `Pod`
    pub kind: Arc<str>,
    /// `pods`; the name in paths and in RBAC.
    pub plural: Arc<str>,
    /// `pod`
    pub singular: Arc<str>,
    /// `po`
    pub short_names: Vec<Arc<str>>,
    /// `all`
    pub categories: Vec<Arc<str>>,
    /// Whether objects live in namespaces.
    pub scope: Scope,
    /// In upstream's order, as discovery prints them. Review kinds have only `create`.
    pub verbs: Vec<&'static str>,
    /// What hangs below an object.
    pub subresources: Vec<Subresource>,
    /// The name of the type in the schema table, `io.k8s.api.core.v1.Pod`.
    pub definition: Arc<str>,
    /// Whether `metadata.generation` counts the changes of `spec`.
    pub has_generation: bool,
    /// Whether a `PUT` to a name that does not exist creates it (upstream's `AllowCreateOnUpdate`).
    pub create_on_update: bool,
    /// Whether a `PUT` without `metadata.resourceVersion` overwrites (upstream's `AllowUnconditionalUpdate`). Else it
    /// is 422 `metadata.resourceVersion: Invalid value: 0: must be specified for an update`.
    pub unconditional_update: bool,
    /// Where the objects are stored.
    pub storage: Storage,
    /// What is special about the kind.
    pub strategy: Arc<dyn Strategy>,
    /// How the kind looks as a `Table`.
    pub printer: Arc<dyn Printer>,
    /// What a CustomResourceDefinition says beyond that; `None` for built-in rows.
    pub custom: Option<Arc<Custom>>,
}

impl Resource {
    /// Group and plural under which the objects are stored.
    pub fn storage_prefix(&self) -> (&str, &str) {
        match &self.storage {
            Storage::Own => (&self.group, &self.plural),
            Storage::Shared { group, plural, .. } => (group, plural),
        }
    }

    /// `v1`, `apps/v1`: the `apiVersion` of the row's objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods`, `deployments.apps`: the resource as error messages name it.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_string() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The type of the row's objects; `None` when the table has none of that name.
    pub fn schema(&self) -> Option<&Schema> {
        match &self.custom {
            Some(custom) => Some(&custom.schema),
            None => api::schema::builtin(&self.definition),
        }
    }

    /// `PodList`: the kind of a list of the row's objects.
    pub fn list_kind(&self) -> Cow<'_, str> {
        match &self.custom {
            Some(custom) => Cow::Borrowed(&custom.list_kind),
            None => Cow::Owned(format!("{}List", self.kind)),
        }
    }

    /// [`Strategy::validate_update`], but where a rule is younger than stored objects, values that were in the same
    /// field or list before may stay (KEP-4858: "ratcheting").
    pub fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let as_it_was = Update { new: update.old, ..update };
        let mut errors = self.strategy.validate_update(update);
        if errors.iter().any(|error| error.is_ratcheting) {
            let old_errors = self.strategy.validate_update(as_it_was);
            let known: Vec<_> = old_errors.iter().map(|error| (error.place(), &error.bad_value)).collect();
            errors.retain(|error| !error.is_ratcheting || !known.contains(&(error.place(), &error.bad_value)));
        }
        errors
    }

    /// Whether the row has the subresource.
    pub fn has(&self, subresource: Subresource) -> bool {
        self.subresources.contains(&subresource)
    }

    /// Group, version and kind that a subresource takes and gives, for discovery and for decoding.
    pub fn subresource_kind(&self, subresource: Subresource) -> (&str, &str, Cow<'_, str>) {
        let options = |suffix: &str| Cow::Owned(format!("{}{suffix}", self.kind));
        match subresource {
            Subresource::Scale => ("autoscaling", "v1", "Scale".into()),
            Subresource::Eviction => ("policy", "v1", "Eviction".into()),
            Subresource::Token => ("authentication.k8s.io", "v1", "TokenRequest".into()),
            Subresource::Binding => (&self.group, &self.version, "Binding".into()),
            Subresource::Exec => (&self.group, &self.version, options("ExecOptions")),
            Subresource::Attach => (&self.group, &self.version, options("AttachOptions")),
            Subresource::PortForward => (&self.group, &self.version, options("PortForwardOptions")),
            Subresource::Proxy => (&self.group, &self.version, options("ProxyOptions")),
            Subresource::Status
            | Subresource::Finalize
            | Subresource::Approval
            | Subresource::EphemeralContainers
            | Subresource::Resize
            | Subresource::Log => (&self.group, &self.version, Cow::Borrowed(&*self.kind)),
        }
    }
}

/// Old and new object of an update, as handed to a strategy.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The stored object.
    pub old: &'a Value,
    /// The object that shall replace it.
    pub new: &'a Value,
    /// `None` for the object itself.
    pub subresource: Option<Subresource>,
    /// Whether [`Strategy::raw_field`] has another text, which may be of the same value.
    pub text_changed: bool,
}

/// Who writes an object.
#[derive(Clone, Copy, Debug)]
pub struct Requestor<'a> {
    /// The user's name.
    pub name: &'a str,
    /// The user's uid; may be empty.
    pub uid: &'a str,
    /// Groups, as authentication lists them.
    pub groups: &'a [String],
    /// What else authentication knows.
    pub extra: &'a BTreeMap<String, Vec<String>>,
}

/// When and by whom an object is written.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The time, RFC 3339 with whole seconds.
    pub now: &'a str,
    /// The writer.
    pub user: Requestor<'a>,
}

/// What is special about a kind. Every method has a default that does nothing special.
///
/// Order of a create: schema decoding and schema defaults → [`Strategy::default`] → admission (may change the object;
/// then defaults again) → [`Strategy::prepare_for_create`] →
/// [`Strategy::stamp`] → [`Strategy::validate`] → [`Strategy::read_back`]. Of an update: the same with
/// `prepare_for_update` and `validate_update`. Generic metadata is validated by the API server's generic path.
pub trait Strategy: Send + Sync + std::fmt::Debug {
    /// Fills in defaults (upstream's `SetDefaults_*`).
    fn default(&self, _object: &mut Value) {}

    /// Drops or sets what a client may not choose on create: `status`, generated fields.
    fn prepare_for_create(&self, _object: &mut Value) {}

    /// Writes what depends on the moment or on who writes: times of conditions, who asked for a certificate. Called
    /// after `prepare_for_create` (`old` is `None`) and `prepare_for_update`.
    fn stamp(&self, _new: &mut Value, _old: Option<&Value>, _occasion: &Occasion<'_>) {}

    /// Fills in what upstream's defaulting finds when it reads a new object back from storage, and so no one validates.
    fn read_back(&self, _object: &mut Value) {}

    /// All that is wrong with a new object.
    fn validate(&self, _object: &Value) -> ErrorList {
        ErrorList::new()
    }

    /// Drops or sets what a client may not change. The generic path has already kept `status` apart from the rest for
    /// rows with [`Subresource::Status`].
    fn prepare_for_update(&self, _new: &mut Value, _old: &Value, _subresource: Option<Subresource>) {}

    /// All that is wrong with a change; immutable fields above all. Ask by [`Resource::validate_update`].
    fn validate_update(&self, _update: Update<'_>) -> ErrorList {
        ErrorList::new()
    }

    /// The field whose text upstream keeps as it was sent and compares byte by byte (Go's `RawExtension`).
    fn raw_field(&self) -> Option<&'static str> {
        None
    }

    /// Upstream's name-validation rule: what is wrong with the name, in upstream's words. For a `generateName`, hand in
    /// the prefix with a trailing dash replaced by a letter.
    fn validate_name(&self, name: &str) -> Vec<String> {
        crate::names::dns1123_subdomain(name)
    }

    /// `Warning` headers for a create or update.
    fn warnings(&self, _new: &Value, _old: Option<&Value>) -> Vec<String> {
        Vec::new()
    }

    /// The fields that field selectors may name beside `metadata.name` and `metadata.namespace`, with their values. The
    /// names do not depend on the object, so `Value::Null` asks for the names alone.
    fn selectable_fields(&self, _object: &Value) -> Vec<(Cow<'static, str>, String)> {
        Vec::new()
    }

    /// Whether a change counts in `metadata.generation`, for rows that have one.
    fn is_new_generation(&self, new: &Value, old: &Value) -> bool {
        new.get("spec") != old.get("spec")
    }

    /// Changes an object whose deletion begins: what must be done before it may go is a finalizer.
    fn begin_deletion(&self, _object: &mut Value, _now: Timestamp) {}

    /// Takes off what Tables do not show of an object: upstream makes them of a form without it.
    fn hide_in_table(&self, _object: &mut Value) {}

    /// What becomes of dependents (`DefaultGarbageCollectionPolicy`).
    fn garbage_collection(&self) -> GarbageCollection {
        GarbageCollection::Background
    }

    /// `Warning` headers for a delete without a policy.
    fn warnings_on_delete(&self) -> Vec<String> {
        Vec::new()
    }

    /// The grace period of a delete, in seconds, for kinds that are deleted gracefully (pods): given the object and
    /// what the client asked for. `None`: the object goes at once.
    fn grace_period_seconds(&self, _object: &Value, _asked: Option<i64>) -> Option<i64> {
        None
    }
}

/// The strategy of a kind with nothing special.
#[derive(Debug)]
pub struct NoStrategy;

impl Strategy for NoStrategy {}
