//! Values of expressions.

use crate::escape::escape;
use crate::types::Type;
use api::quantity::Quantity;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// 64 bits.
    Int(i64),
    /// 64 bits, without sign.
    Uint(u64),
    /// A float.
    Double(f64),
    /// Text.
    String(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// Nanoseconds.
    Duration(i64),
    /// A moment.
    Timestamp(jiff::Timestamp),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A map, or an object with known keys.
    Map(Arc<BTreeMap<Key, Value>>),
    /// A value or none.
    Optional(Option<Box<Value>>),
    /// A type.
    Type(Arc<str>),
    /// `quantity('1Gi')`
    Quantity(Arc<Quantity>),
    /// `url('https://…')`
    Url(Arc<Url>),
    /// `ip('10.0.0.1')`
    Ip(IpAddr),
    /// `cidr('10.0.0.0/8')`
    Cidr(IpAddr, u8),
    /// `semver('1.2.3')`: major, minor, patch, pre-release.
    SemVer(Arc<(u64, u64, u64, String)>),
    /// `format.dns1123Label()`: by name.
    Format(&'static str),
    /// What answers by itself.
    Host(Arc<dyn crate::Host>),
}

/// A parsed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// As it was given.
    pub text: String,
    /// `https`
    pub scheme: String,
    /// Host and port.
    pub host: String,
    /// Decoded path.
    pub path: String,
    /// Undecoded query.
    pub query: String,
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `true`, `false`
    Bool(bool),
    /// Also of keys that were unsigned and fit.
    Int(i64),
    /// Unsigned keys too large for [`Key::Int`].
    Uint(u64),
    /// Text.
    String(Arc<str>),
}

impl Key {
    /// The key as a value.
    pub fn value(&self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::String(value) => Value::String(value.clone()),
        }
    }

    /// The value as a key; whole floats are integers.
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Uint(value) => i64::try_from(*value).map_or(Self::Uint(*value), Self::Int),
            #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
            Value::Double(value) if value.fract() == 0.0 && value.abs() < 9.0e15 => Self::Int(*value as i64),
            Value::String(value) => Self::String(value.clone()),
            _ => return None,
        })
    }
}

impl Value {
    /// Text.
    pub fn text(text: &str) -> Self {
        Self::String(text.into())
    }

    /// A JSON value as a type has it: texts of dates become moments, numbers floats, names of fields are escaped.
    pub fn from_json(json: &serde_json::Value, ty: &Type) -> Self {
        use serde_json::Value as Json;
        match (json, ty) {
            (Json::Null, _) => Self::Null,
            (Json::Bool(value), _) => Self::Bool(*value),
            (Json::Number(number), Type::Double) => Self::Double(number.as_f64().unwrap_or_default()),
            (Json::Number(number), _) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => Self::Int(value),
                #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
                (None, Some(value)) if matches!(ty, Type::Int) && value.fract() == 0.0 => Self::Int(value as i64),
                (None, value) => Self::Double(value.unwrap_or_default()),
            },
            (Json::String(text), Type::Timestamp) => timestamp(text).map_or_else(|| Self::text(text), Self::Timestamp),
            (Json::String(text), Type::Duration) => {
                api::structural::format::duration_nanoseconds(text).map_or_else(|| Self::text(text), Self::Duration)
            }
            (Json::String(text), Type::Bytes(_)) => crate::functions::base64_decode(text)
                .map_or_else(|| Self::text(text), |bytes| Self::Bytes(bytes.into())),
            (Json::String(text), _) => Self::text(text),
            (Json::Array(list), ty) => {
                let items = if let Type::List(items, _) = ty { items } else { &Type::Dyn };
                Self::List(Arc::new(list.iter().map(|item| Self::from_json(item, items)).collect()))
            }
            (Json::Object(map), Type::Object(object)) => {
                let fields = map.iter().filter_map(|(name, value)| {
                    let name = escape(name)?;
                    let field = object.fields.get(&name)?;
                    Some((Key::String(name.into()), Self::from_json(value, &field.ty)))
                });
                Self::Map(Arc::new(fields.collect()))
            }
            (Json::Object(map), ty) => {
                let values = if let Type::Map(_, values, _) = ty { values } else { &Type::Dyn };
                let entries =
                    map.iter().map(|(key, value)| (Key::String(key.as_str().into()), Self::from_json(value, values)));
                Self::Map(Arc::new(entries.collect()))
            }
        }
    }

    /// The value as JSON; `None` for those that JSON has not.
    pub fn to_json(&self) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        Some(match self {
            Self::Null => Json::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Uint(value) => (*value).into(),
            Self::Double(value) => (*value).into(),
            Self::String(value) => Json::String(value.to_string()),
            Self::Bytes(value) => crate::functions::base64_encode(value).into(),
            Self::List(list) => Json::Array(list.iter().map(Self::to_json).collect::<Option<_>>()?),
            Self::Map(map) => {
                let mut object = serde_json::Map::new();
                for (key, value) in map.iter() {
                    let Key::String(key) = key else { return None };
                    object.insert(key.to_string(), value.to_json()?);
                }
                Json::Object(object)
            }
            Self::Optional(Some(value)) => value.to_json()?,
            Self::Duration(_) | Self::Timestamp(_) | Self::Quantity(_) => Json::String(self.printed()?),
            _ => return None,
        })
    }

    /// What `string()` makes of it.
    pub fn printed(&self) -> Option<String> {
        Some(match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Uint(value) => value.to_string(),
            Self::Double(value) => go_float(*value),
            Self::String(value) => value.to_string(),
            Self::Bytes(value) => String::from_utf8(value.to_vec()).ok()?,
            Self::Duration(nanoseconds) => {
                let sign = if *nanoseconds < 0 { "-" } else { "" };
                let size = nanoseconds.unsigned_abs();
                let (seconds, rest) = (size / 1_000_000_000, size % 1_000_000_000);
                if rest == 0 {
                    format!("{sign}{seconds}s")
                } else {
                    format!("{sign}{seconds}.{rest:09}").trim_end_matches('0').to_owned() + "s"
                }
            }
            Self::Timestamp(moment) => moment.to_string(),
            Self::Quantity(quantity) => quantity.to_string(),
            Self::Url(url) => url.text.clone(),
            Self::Ip(address) => address.to_string(),
            Self::Cidr(address, bits) => format!("{address}/{bits}"),
            Self::SemVer(version) => {
                let (major, minor, patch, pre) = &**version;
                let dash = if pre.is_empty() { "" } else { "-" };
                format!("{major}.{minor}.{patch}{dash}{pre}")
            }
            Self::Type(name) => name.to_string(),
            _ => return None,
        })
    }

    /// CEL's equality: numbers of all kinds compare by value, different types are not equal.
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(b)),
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| a.equals(b)))
            }
            (Self::Optional(a), Self::Optional(b)) => match (a, b) {
                (Some(a), Some(b)) => a.equals(b),
                (None, None) => true,
                _ => false,
            },
            (Self::Type(a), Self::Type(b)) => a == b,
            (Self::Url(a), Self::Url(b)) => a.text == b.text,
            (Self::Cidr(a, x), Self::Cidr(b, y)) => a == b && x == y,
            (Self::Format(a), Self::Format(b)) => a == b,
            (a, b) => a.compare(b) == Some(Ordering::Equal),
        }
    }

    /// The order of two values; `None` when they have none.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        #[expect(clippy::cast_precision_loss, reason = "numbers are compared by value, as cel-go does")]
        let float = |value: &Self| match value {
            Self::Int(value) => Some(*value as f64),
            Self::Uint(value) => Some(*value as f64),
            Self::Double(value) => Some(*value),
            _ => None,
        };
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Uint(a), Self::Uint(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Uint(a), Self::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::String(a), Self::String(b)) => Some(a.cmp(b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (Self::Quantity(a), Self::Quantity(b)) => Some(a.compare(b)),
            (Self::Ip(a), Self::Ip(b)) => Some(a.cmp(b)),
            (Self::SemVer(a), Self::SemVer(b)) => Some(crate::functions::compare_versions(a, b)),
            (a, b) => float(a)?.partial_cmp(&float(b)?),
        }
    }

    /// How many elements or characters: what traversing it costs.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::String(text) => text.len() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::List(list) => list.len() as u64,
            Self::Map(map) => map.len() as u64,
            _ => 1,
        }
    }

    /// The name of its type in messages.
    pub(crate) fn type_name(&self) -> &str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Url(_) => "kubernetes.URL",
            Self::Ip(_) => "net.IP",
            Self::Cidr(..) => "net.CIDR",
            Self::SemVer(_) => "kubernetes.Semver",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::Host(host) => host.type_name(),
        }
    }
}

/// The shortest text that reads back as the number, as Go's `%g` prints it: with an exponent from a million on.
fn go_float(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i64 = exponent.parse().unwrap_or_default();
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    value.to_string()
}

/// RFC 3339, or a date alone.
pub(crate) fn timestamp(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok())
}
