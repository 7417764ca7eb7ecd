//! The type table: what every built-in type of v1.36 looks like, as far as generic code must know it.
//!
//! One [`Schema`] is one type. [`builtin`] finds the built-in ones, which are read from `data/types.txt` when first
//! asked for; [`structural`] makes the same from a CustomResourceDefinition's `openAPIV3Schema`. Besides what OpenAPI says (types, list types, merge keys)
//! a field says what Go does with its zero value ([`Zero`]). Not here: which values are valid (that is `registry`).

mod builtin;
mod parse;
mod structural;

pub use builtin::{builtin, definition_for, definitions};
pub use structural::{MAX_SCHEMA_DEPTH, StructuralError, structural};

use serde_json::Value;
use std::ops::Deref;
use std::sync::Arc;

/// One type: an object, a list, a scalar …
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// What kind of JSON value it is and what is below it.
    pub kind: Kind,
    /// Who decodes it upstream: Go's typed decoder, or the untyped one of custom resources.
    pub origin: Origin,
    /// Whether `null` is a value of its own (custom resources' `nullable`). Go types take `null` as "not set".
    pub nullable: bool,
    /// The values that OpenAPI lists. Not checked here: upstream's validation does that in its own words.
    pub enum_values: Vec<Box<str>>,
    /// Of a scalar with a definition of its own, its name: `…apiextensions.v1.JSONSchemaPropsOrBool`.
    pub definition: Option<Box<str>>,
    /// Of [`Kind::Json`]: the type of those values that are objects (`items` of a JSON schema is a schema or something else).
    pub json_object: Option<Ref>,
}

/// Whose rules for missing, zero and `null` values hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A Go struct: zero values are dropped or written as [`Field::zero`] says, `null` means not set.
    Go,
    /// A custom resource: values stay as they are.
    Structural,
}

/// What a [`Schema`] describes.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A map with known keys.
    Object(Object),
    /// A map with any keys, all values of one type.
    Map {
        /// The type of each value.
        values: Ref,
        /// How server-side apply treats it.
        map_type: MapType,
    },
    /// A list.
    List {
        /// The type of each item.
        items: Ref,
        /// How server-side apply treats it.
        list_type: ListType,
    },
    /// A string.
    String,
    /// Base64 text of a Go `[]byte`.
    Bytes,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// Any number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `resource.Quantity`: a string or a number; written as canonical string.
    Quantity,
    /// `metav1.Time`: RFC 3339, whole seconds, UTC.
    Time,
    /// `metav1.MicroTime`: RFC 3339 with six fraction digits, UTC.
    MicroTime,
    /// `metav1.Duration`: a Go duration such as `1m0s`.
    Duration,
    /// `intstr.IntOrString`.
    IntOrString,
    /// `runtime.RawExtension`: an object of any kind, kept as it is.
    RawExtension,
    /// `metav1.FieldsV1`: a field set, kept as it is.
    FieldsV1,
    /// `apiextensions.JSON` and whatever else is any JSON value, kept as it is.
    Json,
}

/// A map with known keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The definition's name (`io.k8s.api.core.v1.Pod`); empty for types without one.
    pub name: Box<str>,
    /// The known keys, sorted by name.
    pub fields: Box<[Field]>,
    /// The numbers of the fields that are written even when missing ([`Zero::Write`], [`Zero::WriteNull`]), ascending.
    pub always: Box<[usize]>,
    /// The numbers of the fields that have a default or something with a default below them, ascending: nobody needs
    /// to look at the others for defaults.
    pub defaulted: Box<[usize]>,
    /// The numbers of the lists and maps that are written as `null` when empty ([`Zero::WriteNull`]), and of the fields
    /// with such below them, ascending.
    pub nulled: Box<[usize]>,
    /// How server-side apply treats it.
    pub map_type: MapType,
    /// `x-kubernetes-group-version-kind`; empty for types that are no objects of their own.
    pub group_version_kinds: Box<[GroupVersionKind]>,
    /// The key whose value chooses one of the others (`x-kubernetes-unions`).
    pub unions: Box<[Union]>,
    /// `x-kubernetes-preserve-unknown-fields`
    pub preserve_unknown_fields: bool,
    /// `x-kubernetes-embedded-resource`: has `apiVersion`, `kind` and `metadata` of its own.
    pub embedded_resource: bool,
}

/// `x-kubernetes-group-version-kind`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupVersionKind {
    /// API group; empty for core.
    pub group: Box<str>,
    /// `v1`
    pub version: Box<str>,
    /// `Pod`
    pub kind: Box<str>,
}

/// One entry of `x-kubernetes-unions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Union {
    /// The field that names the chosen member; empty when there is none.
    pub discriminator: Box<str>,
    /// Field and the discriminator's value for it, sorted by field.
    pub fields: Box<[(Box<str>, Box<str>)]>,
}

/// One known key of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The key.
    pub name: Box<str>,
    /// The type of its value.
    pub schema: Ref,
    /// Whether OpenAPI lists it as required.
    pub required: bool,
    /// What Go writes for a zero or missing value.
    pub zero: Zero,
    /// The value for a missing field (`+default`, or a custom resource's `default`).
    pub default: Option<Box<Value>>,
    /// How a strategic merge patch treats it.
    pub patch: PatchStrategy,
    /// Overrides the map type of the field's own type (`claimRef` of a PersistentVolume).
    pub map_type: Option<MapType>,
    /// `x-kubernetes-list-type: atomic` said of bytes, which are a list only in Go.
    pub atomic_list: bool,
    /// Go's name of the type where it does not follow from the schema (`v1.PullPolicy`); for error messages.
    pub go_type: Option<Box<str>>,
    /// The embedded Go structs that the field stands in (`VolumeSource`, `RuleWithOperations.Rule`); for error messages.
    pub embedded_in: Option<Box<str>>,
}

/// What Go's encoder does with the zero value of a field, and with a missing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zero {
    /// `omitempty` or `omitzero` on a value: `""`, `0`, `false`, `[]`, `{}` are left out.
    Drop,
    /// A pointer with `omitempty`: what was set stays, even if zero; what was not set is left out.
    Keep,
    /// A value that is always written: missing becomes the type's zero value (`""`, `0`, `false`, an object of zero values, `null` for times).
    Write,
    /// A pointer, list or map that is always written: missing becomes `null`.
    WriteNull,
}

/// `x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    /// `merge`: lists are merged by key, or as sets without one.
    pub merge: bool,
    /// `retainKeys`
    pub retain_keys: bool,
    /// `replace`
    pub replace: bool,
    /// The key that tells the items of a merged list apart.
    pub merge_key: Option<Box<str>>,
}

/// `x-kubernetes-list-type`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListType {
    /// One owner for the whole list. Also where OpenAPI says nothing.
    Atomic,
    /// Scalars, each at most once.
    Set,
    /// Objects told apart by the values of these keys (`x-kubernetes-list-map-keys`, in its order).
    Map(Box<[Box<str>]>),
}

/// `x-kubernetes-map-type`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType {
    /// Each key has its own owner.
    Granular,
    /// One owner for the whole map.
    Atomic,
}

/// A reference to a type; dereferences to it.
#[derive(Clone, Debug)]
pub enum Ref {
    /// The definition with this number in the built-in table. Built-in types may refer to themselves.
    Builtin(u16),
    /// A scalar that everyone shares.
    Static(&'static Schema),
    /// A type of its own.
    Owned(Arc<Schema>),
}

impl Deref for Ref {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        match self {
            Self::Builtin(number) => builtin::by_number(*number),
            Self::Static(schema) => schema,
            Self::Owned(schema) => schema,
        }
    }
}

impl PartialEq for Ref {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Builtin(a), Self::Builtin(b)) => a == b,
            (Self::Builtin(_), _) | (_, Self::Builtin(_)) => false,
            (a, b) => **a == **b,
        }
    }
}

impl Schema {
    /// A type of `kind` with Go's rules and nothing else.
    pub const fn go(kind: Kind) -> Self {
        Self { kind, origin: Origin::Go, nullable: false, enum_values: Vec::new(), definition: None, json_object: None }
    }

    /// The object part, if it is an object with known keys.
    pub fn object(&self) -> Option<&Object> {
        match &self.kind {
            Kind::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The known key `name` of an object.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.object().and_then(|object| object.field(name))
    }

    /// The type of the value at key `name`: of a known key of an object, or of any key of a map.
    pub fn child(&self, name: &str) -> Option<&Schema> {
        match &self.kind {
            Kind::Object(object) => object.field(name).map(|field| &*field.schema),
            Kind::Map { values, .. } => Some(values),
            _ => None,
        }
    }

    /// Whether the type or anything below it has a field with a default.
    pub fn has_defaults(&self) -> bool {
        match &self.kind {
            Kind::Object(object) => !object.defaulted.is_empty(),
            Kind::Map { values: below, .. } | Kind::List { items: below, .. } => below.has_defaults(),
            _ => false,
        }
    }

    /// Whether the type or anything below it has a list or map that is written as `null` when empty.
    pub fn has_nulled(&self) -> bool {
        match &self.kind {
            Kind::Object(object) => !object.nulled.is_empty(),
            Kind::Map { values: below, .. } | Kind::List { items: below, .. } => below.has_nulled(),
            _ => false,
        }
    }

    /// The type of the items of a list.
    pub fn items(&self) -> Option<&Schema> {
        match &self.kind {
            Kind::List { items, .. } => Some(items),
            _ => None,
        }
    }
}

impl Field {
    /// Whether it is a list or map that storage forgets when it is empty. The `items` of lists of objects are never stored.
    pub fn is_forgotten_when_empty(&self) -> bool {
        // A reference to the built-in table is an object or a scalar.
        let Ref::Owned(schema) = &self.schema else { return false };
        let is_collection = matches!(schema.kind, Kind::List { .. } | Kind::Map { .. });
        is_collection && self.zero == Zero::WriteNull && &*self.name != "items"
    }
}

impl Object {
    /// The known key `name`.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.binary_search_by(|field| (*field.name).cmp(name)).ok().map(|at| &self.fields[at])
    }
}
