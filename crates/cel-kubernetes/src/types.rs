//! Types of expressions, with the sizes that values of them may have.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The largest request, in bytes; what is not bounded by a schema is bounded by it.
pub(crate) const MAX_REQUEST_BYTES: u64 = 3 << 20;

/// A type. Sizes play no part in equality.
#[derive(Clone, Debug)]
pub enum Type {
    /// Anything.
    Dyn,
    /// `null`
    Null,
    /// `true`, `false`
    Bool,
    /// 64 bits.
    Int,
    /// 64 bits, without sign.
    Uint,
    /// A float of 64 bits.
    Double,
    /// Text of at most so many characters.
    String(u64),
    /// Bytes, at most so many.
    Bytes(u64),
    /// A duration.
    Duration,
    /// A moment.
    Timestamp,
    /// A list of at most so many items.
    List(Box<Type>, u64),
    /// A map of at most so many entries.
    Map(Box<Type>, Box<Type>, u64),
    /// A map with known keys.
    Object(Arc<ObjectType>),
    /// A value or none.
    Optional(Box<Type>),
    /// A type as a value.
    Type,
    /// A type of one of Kubernetes' libraries, by its name: `kubernetes.URL`.
    Opaque(&'static str),
}

/// A map with known keys.
#[derive(Debug, Default)]
pub struct ObjectType {
    /// The name in messages.
    pub name: String,
    /// By escaped name.
    pub fields: BTreeMap<String, Field>,
}

/// A known key.
#[derive(Clone, Debug)]
pub struct Field {
    /// The type of its value.
    pub ty: Type,
    /// Whether it is always there.
    pub required: bool,
}

impl Type {
    /// Text of unknown length.
    pub fn text() -> Self {
        Self::String(MAX_REQUEST_BYTES)
    }

    /// A list of unknown length.
    pub fn list(items: Self) -> Self {
        let most = MAX_REQUEST_BYTES / (items.min_bytes() + 1);
        Self::List(Box::new(items), most)
    }

    /// A map of unknown size.
    pub fn map(key: Self, value: Self) -> Self {
        // `"":x,`
        let most = MAX_REQUEST_BYTES / (value.min_bytes() + 4);
        Self::Map(Box::new(key), Box::new(value), most)
    }

    /// The least that a value takes as JSON, in bytes.
    pub fn min_bytes(&self) -> u64 {
        match self {
            Self::Int | Self::Uint | Self::Double | Self::Dyn => 1,
            Self::Bool | Self::Null => 4,
            Self::String(_) | Self::Bytes(_) | Self::List(..) | Self::Map(..) => 2,
            Self::Duration => 4,
            Self::Timestamp => 22,
            Self::Object(object) => {
                let required = object.fields.iter().filter(|(_, field)| field.required);
                2 + required.map(|(name, field)| name.len() as u64 + 4 + field.ty.min_bytes()).sum::<u64>()
            }
            Self::Optional(inner) => inner.min_bytes(),
            Self::Type | Self::Opaque(_) => 2,
        }
    }

    /// How many elements or characters a value has at most; 1 for what has none.
    pub fn max_size(&self) -> u64 {
        match self {
            Self::String(most) | Self::Bytes(most) | Self::List(_, most) | Self::Map(_, _, most) => *most,
            Self::Dyn => MAX_REQUEST_BYTES,
            Self::Object(object) => object.fields.len() as u64,
            Self::Optional(inner) => inner.max_size(),
            _ => 1,
        }
    }

    /// Whether a value of this type may stand where one of `other` is wanted.
    pub fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            (Self::Null, Self::Object(_) | Self::Optional(_) | Self::Duration | Self::Timestamp | Self::Opaque(_)) => {
                true
            }
            (Self::List(a, _), Self::List(b, _)) | (Self::Optional(a), Self::Optional(b)) => a.fits(b),
            (Self::Map(ka, va, _), Self::Map(kb, vb, _)) => ka.fits(kb) && va.fits(vb),
            (Self::Object(_), Self::Map(..)) | (Self::Map(..), Self::Object(_)) => true,
            (Self::Object(a), Self::Object(b)) => Arc::ptr_eq(a, b) || a.name == b.name,
            (Self::Opaque(a), Self::Opaque(b)) => a == b,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }

    /// The type of values of either type.
    pub(crate) fn join(self, other: &Self) -> Self {
        if matches!(other, Self::Dyn) || !self.fits(other) {
            return Self::Dyn;
        }
        if self.max_size() >= other.max_size() { self } else { other.clone() }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String(_) => f.write_str("string"),
            Self::Bytes(_) => f.write_str("bytes"),
            Self::Duration => f.write_str("google.protobuf.Duration"),
            Self::Timestamp => f.write_str("google.protobuf.Timestamp"),
            Self::List(items, _) => write!(f, "list({items})"),
            Self::Map(key, value, _) => write!(f, "map({key}, {value})"),
            Self::Object(object) => f.write_str(&object.name),
            Self::Optional(inner) => write!(f, "optional_type({inner})"),
            Self::Type => f.write_str("type"),
            Self::Opaque(name) => f.write_str(name),
        }
    }
}
