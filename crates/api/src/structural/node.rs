//! One place of a structural schema, compiled: what values there must be like.

use super::pattern::Pattern;
use crate::field::Path;
use serde_json::Value;
use std::collections::BTreeMap;

/// A JSON type as OpenAPI names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonType {
    /// `object`
    Object,
    /// `array`
    Array,
    /// `string`
    String,
    /// `integer`
    Integer,
    /// `number`
    Number,
    /// `boolean`
    Boolean,
}

impl JsonType {
    /// The word in a schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    /// The type with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Object, Self::Array, Self::String, Self::Integer, Self::Number, Self::Boolean]
            .into_iter()
            .find(|one| one.name() == name)
    }
}

/// What keys beside the known ones an object may have.
#[derive(Clone, Debug, Default)]
pub enum Additional {
    /// Nothing is said: any (pruning is another matter).
    #[default]
    Unsaid,
    /// `additionalProperties: false`
    Forbidden,
    /// `additionalProperties: true`
    Any,
    /// Values of this schema.
    Of(Box<Node>),
}

/// `x-kubernetes-list-type`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListKind {
    /// The list is one value.
    #[default]
    Atomic,
    /// Items are unique.
    Set,
    /// Items are unique by these keys.
    Map(Vec<String>),
}

/// A bound of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The number.
    pub value: f64,
    /// Whether the number itself is outside.
    pub exclusive: bool,
}

/// One entry of `x-kubernetes-validations`, as it stands in the schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSource {
    /// The CEL expression.
    pub rule: String,
    /// What to say when it is false.
    pub message: String,
    /// A CEL expression for what to say.
    pub message_expression: String,
    /// `FieldValueInvalid`, `FieldValueForbidden`, `FieldValueRequired` or `FieldValueDuplicate`.
    pub reason: Option<String>,
    /// Where the error is shown, relative to the place of the rule: `.spec.x`.
    pub field_path: String,
    /// Whether the rule also runs where there is no old value.
    pub optional_old_self: Option<bool>,
}

/// One place of a structural schema.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// `type`; none for `x-kubernetes-int-or-string` and what is left open.
    pub kind: Option<JsonType>,
    /// `x-kubernetes-int-or-string`
    pub int_or_string: bool,
    /// `nullable`
    pub nullable: bool,
    /// `format`, empty when none is known to upstream.
    pub format: String,
    /// `default`
    pub default: Option<Value>,
    /// `enum`
    pub values: Vec<Value>,
    /// `minimum`
    pub minimum: Option<Bound>,
    /// `maximum`
    pub maximum: Option<Bound>,
    /// `multipleOf`
    pub multiple_of: Option<f64>,
    /// `minLength`, in characters.
    pub min_length: Option<usize>,
    /// `maxLength`, in characters.
    pub max_length: Option<usize>,
    /// `pattern`
    pub pattern: Option<Pattern>,
    /// `minItems`
    pub min_items: Option<usize>,
    /// `maxItems`
    pub max_items: Option<usize>,
    /// `uniqueItems`
    pub unique_items: bool,
    /// `minProperties`
    pub min_properties: Option<usize>,
    /// `maxProperties`
    pub max_properties: Option<usize>,
    /// `required`
    pub required: Vec<String>,
    /// `properties`
    pub properties: BTreeMap<String, Node>,
    /// `additionalProperties`
    pub additional: Additional,
    /// `items`
    pub items: Option<Box<Node>>,
    /// `allOf`
    pub all_of: Vec<Node>,
    /// `anyOf`
    pub any_of: Vec<Node>,
    /// `oneOf`
    pub one_of: Vec<Node>,
    /// `not`
    pub not: Option<Box<Node>>,
    /// `x-kubernetes-preserve-unknown-fields`
    pub preserve_unknown_fields: bool,
    /// `x-kubernetes-embedded-resource`
    pub embedded_resource: bool,
    /// `x-kubernetes-list-type` with its keys.
    pub list_kind: ListKind,
    /// `x-kubernetes-validations`
    pub rules: Vec<RuleSource>,
}

impl Node {
    /// Calls `visit` with everything right below `value` that a schema speaks of.
    pub(super) fn each_below(&self, value: &Value, path: &Path, mut visit: impl FnMut(&Node, &Value, &Path)) {
        match value {
            Value::Array(list) => {
                let items =
                    self.items.iter().flat_map(|items| list.iter().enumerate().map(move |(i, v)| (items, i, v)));
                items.for_each(|(items, index, item)| visit(items, item, &path.index(index)));
            }
            Value::Object(map) => {
                for (key, value) in map {
                    if let Some(property) = self.properties.get(key) {
                        visit(property, value, &path.child(key));
                    } else if let Some(values) = self.additional_node() {
                        visit(values, value, &path.key(key));
                    }
                }
            }
            _ => {}
        }
    }

    /// The schema of the values under unknown keys, if there is one.
    pub fn additional_node(&self) -> Option<&Node> {
        match &self.additional {
            Additional::Of(node) => Some(node),
            _ => None,
        }
    }
}
