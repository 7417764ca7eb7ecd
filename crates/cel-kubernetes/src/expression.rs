//! The tree of an expression: what the parser made, with macros recognized instead of expanded.

use crate::value::Value;

/// A node and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub(crate) kind: Kind,
    /// Offset in characters from the start of the source.
    pub(crate) at: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Literal(Value),
    Variable(String),
    /// `a.b`, `a.?b`, `has(a.b)`
    Select {
        operand: Box<Expression>,
        field: String,
        how: Select,
    },
    Call {
        name: String,
        target: Option<Box<Expression>>,
        args: Vec<Expression>,
    },
    /// Items, and whether each is optional.
    List(Vec<(Expression, bool)>),
    Map(Vec<(Expression, Expression, bool)>),
    Object {
        name: String,
        fields: Vec<(String, Expression, bool)>,
    },
    Loop(Box<Loop>),
    /// `cel.bind(name, value, body)`
    Bind {
        name: String,
        value: Box<Expression>,
        body: Box<Expression>,
    },
    /// `a.optMap(x, e)`; `flat`: `optFlatMap`.
    OptionalMap {
        operand: Box<Expression>,
        name: String,
        body: Box<Expression>,
        flat: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Select {
    Plain,
    Optional,
    Test,
}

/// What a macro over a list or map makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    TransformList,
    TransformMap,
    TransformMapEntry,
    SortBy,
}

/// A macro over a list or map.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub(crate) kind: LoopKind,
    pub(crate) range: Expression,
    pub(crate) var: String,
    /// Of the forms with two variables.
    pub(crate) var2: Option<String>,
    /// Of `map` and `transform…`: what is left out.
    pub(crate) filter: Option<Expression>,
    pub(crate) body: Expression,
}

impl Expression {
    /// Calls `each` with this node and all below.
    pub(crate) fn walk(&self, each: &mut dyn FnMut(&Self)) {
        each(self);
        match &self.kind {
            Kind::Literal(_) | Kind::Variable(_) => {}
            Kind::Select { operand, .. } => operand.walk(each),
            Kind::Call { target, args, .. } => {
                target.iter().for_each(|target| target.walk(each));
                args.iter().for_each(|arg| arg.walk(each));
            }
            Kind::List(items) => items.iter().for_each(|(item, _)| item.walk(each)),
            Kind::Map(entries) => entries.iter().for_each(|(key, value, _)| {
                key.walk(each);
                value.walk(each);
            }),
            Kind::Object { fields, .. } => fields.iter().for_each(|(_, value, _)| value.walk(each)),
            Kind::Loop(one) => {
                one.range.walk(each);
                one.filter.iter().for_each(|filter| filter.walk(each));
                one.body.walk(each);
            }
            Kind::Bind { value, body, .. } => {
                value.walk(each);
                body.walk(each);
            }
            Kind::OptionalMap { operand, body, .. } => {
                operand.walk(each);
                body.walk(each);
            }
        }
    }

    pub(crate) fn uses(&self, variable: &str) -> bool {
        let mut found = false;
        self.walk(&mut |node| found |= matches!(&node.kind, Kind::Variable(name) if name == variable));
        found
    }
}

/// Types whose names are qualified.
const QUALIFIED: [&str; 7] = [
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
    "kubernetes.Quantity",
    "kubernetes.Semver",
    "kubernetes.URL",
    "net.CIDR",
    "net.IP",
];

impl Expression {
    /// The type that a selection names (`net.IP`), and the first word of the name: a variable of that name hides it.
    pub(crate) fn qualified_type(&self) -> Option<(&str, &'static str)> {
        let mut rest = self;
        let mut words = Vec::new();
        loop {
            match &rest.kind {
                Kind::Select { operand, field, how: Select::Plain } if words.len() < 2 => {
                    words.push(field.as_str());
                    rest = operand;
                }
                Kind::Variable(root) => {
                    let of = |name: &&str| {
                        name.split('.').eq([root.as_str()].into_iter().chain(words.iter().rev().copied()))
                    };
                    return QUALIFIED.iter().find(|name| of(name)).map(|name| (root.as_str(), *name));
                }
                _ => return None,
            }
        }
    }
}
