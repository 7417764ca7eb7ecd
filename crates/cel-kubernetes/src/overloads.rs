//! The functions and what they take and give: one table of signatures, for the checker.
//!
//! `name(receiver.args) -> result` in letters: `b` bool, `i` int, `u` uint, `d` double, `s` string, `y` bytes, `t` time, `n`
//! duration, `l` list, `m` map, `o` optional, `?` anything, `T` type, `Q` quantity, `U` URL, `I` IP, `C` CIDR, `V` version,
//! `F` format; results may be `e` (the element of the list), `L` (a list of strings), `R` (the receiver's own type).

use crate::types::{MAX_REQUEST_BYTES, Type};

/// What was found.
pub(crate) enum Overload {
    /// The type of the result.
    Found(Type),
    /// No function has the name.
    Unknown,
    /// None takes such arguments.
    NoMatch,
}

/// Name, receiver (`-`: none), arguments, result.
const SIGNATURES: &[(&str, &str, &str, &str)] = &[
    ("size", "-", "s", "i"),
    ("size", "-", "y", "i"),
    ("size", "-", "l", "i"),
    ("size", "-", "m", "i"),
    ("size", "s", "", "i"),
    ("size", "y", "", "i"),
    ("size", "l", "", "i"),
    ("size", "m", "", "i"),
    ("string", "-", "s", "s"),
    ("string", "-", "b", "s"),
    ("string", "-", "i", "s"),
    ("string", "-", "u", "s"),
    ("string", "-", "d", "s"),
    ("string", "-", "y", "s"),
    ("string", "-", "t", "s"),
    ("string", "-", "n", "s"),
    ("string", "-", "I", "s"),
    ("string", "-", "C", "s"),
    ("int", "-", "i", "i"),
    ("int", "-", "u", "i"),
    ("int", "-", "d", "i"),
    ("int", "-", "s", "i"),
    ("int", "-", "t", "i"),
    ("int", "-", "n", "i"),
    ("uint", "-", "u", "u"),
    ("uint", "-", "i", "u"),
    ("uint", "-", "d", "u"),
    ("uint", "-", "s", "u"),
    ("double", "-", "d", "d"),
    ("double", "-", "i", "d"),
    ("double", "-", "u", "d"),
    ("double", "-", "s", "d"),
    ("bool", "-", "s", "b"),
    ("bool", "-", "b", "b"),
    ("bytes", "-", "s", "y"),
    ("bytes", "-", "y", "y"),
    ("dyn", "-", "?", "?"),
    ("type", "-", "?", "T"),
    ("timestamp", "-", "s", "t"),
    ("timestamp", "-", "t", "t"),
    ("timestamp", "-", "i", "t"),
    ("duration", "-", "s", "n"),
    ("duration", "-", "n", "n"),
    ("duration", "-", "i", "n"),
    ("startsWith", "s", "s", "b"),
    ("endsWith", "s", "s", "b"),
    ("contains", "s", "s", "b"),
    ("matches", "s", "s", "b"),
    ("matches", "-", "ss", "b"),
    ("find", "s", "s", "s"),
    ("findAll", "s", "s", "L"),
    ("findAll", "s", "si", "L"),
    ("charAt", "s", "i", "s"),
    ("indexOf", "s", "s", "i"),
    ("indexOf", "s", "si", "i"),
    ("lastIndexOf", "s", "s", "i"),
    ("lastIndexOf", "s", "si", "i"),
    ("lowerAscii", "s", "", "s"),
    ("upperAscii", "s", "", "s"),
    ("trim", "s", "", "s"),
    ("replace", "s", "ss", "s"),
    ("replace", "s", "ssi", "s"),
    ("split", "s", "s", "L"),
    ("split", "s", "si", "L"),
    ("substring", "s", "i", "s"),
    ("substring", "s", "ii", "s"),
    ("join", "l", "", "s"),
    ("join", "l", "s", "s"),
    ("format", "s", "l", "s"),
    ("strings.quote", "-", "s", "s"),
    ("jsonpatch.escapeKey", "-", "s", "s"),
    ("isSorted", "2", "", "b"),
    ("sum", "3", "", "e"),
    ("min", "2", "", "e"),
    ("max", "2", "", "e"),
    ("indexOf", "l", "?", "i"),
    ("lastIndexOf", "l", "?", "i"),
    ("reverse", "l", "", "R"),
    ("sort", "l", "", "R"),
    ("distinct", "l", "", "R"),
    ("slice", "l", "ii", "R"),
    ("flatten", "1", "", "l"),
    ("flatten", "l", "i", "l"),
    ("first", "l", "", "O"),
    ("last", "l", "", "O"),
    ("lists.range", "-", "i", "N"),
    ("sets.contains", "-", "ll", "b"),
    ("sets.equivalent", "-", "ll", "b"),
    ("sets.intersects", "-", "ll", "b"),
    ("getFullYear", "t", "", "i"),
    ("getFullYear", "t", "s", "i"),
    ("getMonth", "t", "", "i"),
    ("getMonth", "t", "s", "i"),
    ("getDayOfMonth", "t", "", "i"),
    ("getDayOfMonth", "t", "s", "i"),
    ("getDate", "t", "", "i"),
    ("getDate", "t", "s", "i"),
    ("getDayOfWeek", "t", "", "i"),
    ("getDayOfWeek", "t", "s", "i"),
    ("getDayOfYear", "t", "", "i"),
    ("getDayOfYear", "t", "s", "i"),
    ("getHours", "t", "", "i"),
    ("getHours", "t", "s", "i"),
    ("getMinutes", "t", "", "i"),
    ("getMinutes", "t", "s", "i"),
    ("getSeconds", "t", "", "i"),
    ("getSeconds", "t", "s", "i"),
    ("getMilliseconds", "t", "", "i"),
    ("getMilliseconds", "t", "s", "i"),
    ("getHours", "n", "", "i"),
    ("getMinutes", "n", "", "i"),
    ("getSeconds", "n", "", "i"),
    ("getMilliseconds", "n", "", "i"),
    ("url", "-", "s", "U"),
    ("isURL", "-", "s", "b"),
    ("getScheme", "U", "", "s"),
    ("getHost", "U", "", "s"),
    ("getHostname", "U", "", "s"),
    ("getPort", "U", "", "s"),
    ("getEscapedPath", "U", "", "s"),
    ("getQuery", "U", "", "?"),
    ("quantity", "-", "s", "Q"),
    ("isQuantity", "-", "s", "b"),
    ("sign", "Q", "", "i"),
    ("isInteger", "Q", "", "b"),
    ("asInteger", "Q", "", "i"),
    ("asApproximateFloat", "Q", "", "d"),
    ("add", "Q", "Q", "Q"),
    ("add", "Q", "i", "Q"),
    ("sub", "Q", "Q", "Q"),
    ("sub", "Q", "i", "Q"),
    ("isLessThan", "Q", "Q", "b"),
    ("isGreaterThan", "Q", "Q", "b"),
    ("compareTo", "Q", "Q", "i"),
    ("ip", "-", "s", "I"),
    ("isIP", "-", "s", "b"),
    ("ip.isCanonical", "-", "s", "b"),
    ("family", "I", "", "i"),
    ("isUnspecified", "I", "", "b"),
    ("isLoopback", "I", "", "b"),
    ("isLinkLocalMulticast", "I", "", "b"),
    ("isLinkLocalUnicast", "I", "", "b"),
    ("isGlobalUnicast", "I", "", "b"),
    ("cidr", "-", "s", "C"),
    ("isCIDR", "-", "s", "b"),
    ("containsIP", "C", "s", "b"),
    ("containsIP", "C", "I", "b"),
    ("containsCIDR", "C", "s", "b"),
    ("containsCIDR", "C", "C", "b"),
    ("ip", "C", "", "I"),
    ("masked", "C", "", "C"),
    ("prefixLength", "C", "", "i"),
    ("semver", "-", "s", "V"),
    ("semver", "-", "sb", "V"),
    ("isSemver", "-", "s", "b"),
    ("isSemver", "-", "sb", "b"),
    ("major", "V", "", "i"),
    ("minor", "V", "", "i"),
    ("patch", "V", "", "i"),
    ("compareTo", "V", "V", "i"),
    ("isLessThan", "V", "V", "b"),
    ("isGreaterThan", "V", "V", "b"),
    ("format.named", "-", "s", "f"),
    ("validate", "F", "s", "x"),
    ("optional.none", "-", "", "p"),
    ("optional.of", "-", "?", "P"),
    ("optional.unwrap", "-", "l", "l"),
    ("unwrapOpt", "l", "", "l"),
    ("optional.ofNonZeroValue", "-", "?", "P"),
    ("hasValue", "o", "", "b"),
    ("value", "o", "", "E"),
    ("or", "o", "o", "R"),
    ("orValue", "o", "?", "E"),
    // Of authorizers in admission policies.
    ("path", "Z", "s", "W"),
    ("group", "Z", "s", "G"),
    ("serviceAccount", "Z", "ss", "Z"),
    ("resource", "G", "s", "H"),
    ("subresource", "H", "s", "H"),
    ("fieldSelector", "H", "s", "H"),
    ("labelSelector", "H", "s", "H"),
    ("namespace", "H", "s", "H"),
    ("name", "H", "s", "H"),
    ("check", "H", "s", "D"),
    ("check", "W", "s", "D"),
    ("allowed", "D", "", "b"),
    ("reason", "D", "", "s"),
    ("errored", "D", "", "b"),
    ("error", "D", "", "s"),
];

/// The type of `authorizer`.
pub(crate) const AUTHORIZER: &str = "kubernetes.authorization.Authorizer";
/// The type of `authorizer.requestResource`.
pub(crate) const RESOURCE_CHECK: &str = "kubernetes.authorization.ResourceCheck";

const OPAQUE: [(char, &str); 11] = [
    ('Q', "kubernetes.Quantity"),
    ('U', "kubernetes.URL"),
    ('I', "net.IP"),
    ('C', "net.CIDR"),
    ('V', "kubernetes.Semver"),
    ('F', "kubernetes.NamedFormat"),
    ('Z', AUTHORIZER),
    ('W', "kubernetes.authorization.PathCheck"),
    ('G', "kubernetes.authorization.GroupCheck"),
    ('H', RESOURCE_CHECK),
    ('D', "kubernetes.authorization.Decision"),
];

fn accepts(letter: char, ty: &Type) -> bool {
    if matches!(ty, Type::Dyn) {
        return true;
    }
    // A list of what the function can do something with.
    let list_of = |fits: fn(&Type) -> bool| match ty {
        Type::List(items, _) => matches!(**items, Type::Dyn) || fits(items),
        _ => false,
    };
    match letter {
        '?' => true,
        '1' => list_of(|ty| matches!(ty, Type::List(..))),
        '2' => list_of(|ty| {
            let ordered = matches!(ty, Type::Timestamp | Type::String(_) | Type::Bytes(_) | Type::Bool);
            ordered || matches!(ty, Type::Int | Type::Uint | Type::Double | Type::Duration)
        }),
        '3' => list_of(|ty| matches!(ty, Type::Int | Type::Uint | Type::Double | Type::Duration)),
        'b' => matches!(ty, Type::Bool),
        'i' => matches!(ty, Type::Int),
        'u' => matches!(ty, Type::Uint),
        'd' => matches!(ty, Type::Double),
        's' => matches!(ty, Type::String(_)),
        'y' => matches!(ty, Type::Bytes(_)),
        't' => matches!(ty, Type::Timestamp),
        'n' => matches!(ty, Type::Duration),
        'l' => matches!(ty, Type::List(..)),
        'm' => matches!(ty, Type::Map(..)),
        'o' => matches!(ty, Type::Optional(_)),
        letter => OPAQUE.iter().any(|(of, name)| *of == letter && matches!(ty, Type::Opaque(own) if own == name)),
    }
}

fn result(letter: &str, receiver: Option<&Type>, args: &[Type]) -> Type {
    let element = |ty: Option<&Type>| match ty {
        Some(Type::List(items, _)) => (**items).clone(),
        Some(Type::Optional(inner)) => (**inner).clone(),
        _ => Type::Dyn,
    };
    let optional = |ty: Type| Type::Optional(Box::new(ty));
    match letter {
        "b" => Type::Bool,
        "i" => Type::Int,
        "u" => Type::Uint,
        "d" => Type::Double,
        "y" => Type::Bytes(receiver.or(args.first()).map_or(1, Type::max_size)),
        // Made of what goes in, and so not much longer.
        "s" => Type::String(args.iter().chain(receiver).map(Type::max_size).fold(0, u64::saturating_add).max(64)),
        "t" => Type::Timestamp,
        "n" => Type::Duration,
        "T" => Type::Type,
        "l" => Type::list(Type::Dyn),
        "L" => {
            Type::List(Box::new(Type::String(receiver.map_or(1, Type::max_size))), receiver.map_or(1, Type::max_size))
        }
        "N" => Type::list(Type::Int),
        "R" => receiver.cloned().unwrap_or(Type::Dyn),
        "e" | "E" => element(receiver),
        "O" => optional(element(receiver)),
        "P" => optional(args.first().cloned().unwrap_or(Type::Dyn)),
        "p" => optional(Type::Dyn),
        "A" => args.first().cloned().unwrap_or(Type::Dyn),
        "f" => optional(Type::Opaque("kubernetes.NamedFormat")),
        "x" => optional(Type::list(Type::text())),
        "?" => Type::Dyn,
        letter => {
            OPAQUE.iter().find(|(of, _)| letter.starts_with(*of)).map_or(Type::Dyn, |(_, name)| Type::Opaque(name))
        }
    }
}

/// The result of a function for these arguments.
pub(crate) fn overload(name: &str, receiver: Option<&Type>, args: &[Type]) -> Overload {
    if let Some(found) = operator(name, args) {
        return found;
    }
    if let Some(format) = name.strip_prefix("format.")
        && format != "named"
    {
        let known = crate::functions::named_format(format).is_some() && args.is_empty();
        return if known { Overload::Found(Type::Opaque("kubernetes.NamedFormat")) } else { Overload::Unknown };
    }
    let mut known = false;
    for (own, of, takes, gives) in SIGNATURES.iter().filter(|(own, ..)| *own == name) {
        known |= *own == name;
        let receives = match receiver {
            None => *of == "-",
            Some(ty) => *of != "-" && of.chars().all(|letter| accepts(letter, ty)),
        };
        let fits = *takes == "*"
            || (takes.chars().count() == args.len() && takes.chars().zip(args).all(|(letter, ty)| accepts(letter, ty)));
        if receives && fits {
            return Overload::Found(result(gives, receiver, args));
        }
    }
    if known { Overload::NoMatch } else { Overload::Unknown }
}

/// Operators; `None`: the name is none of theirs.
fn operator(name: &str, args: &[Type]) -> Option<Overload> {
    let bool_if = |fits: bool| if fits { Overload::Found(Type::Bool) } else { Overload::NoMatch };
    let is = |ty: &Type, wanted: &Type| ty.fits(wanted) && !matches!(ty, Type::Null);
    Some(match (name, args) {
        ("!_", [a]) => bool_if(is(a, &Type::Bool)),
        ("-_", [a]) => match a {
            Type::Int | Type::Double | Type::Dyn => Overload::Found(a.clone()),
            _ => Overload::NoMatch,
        },
        ("_&&_" | "_||_", args) => bool_if(args.iter().all(|ty| is(ty, &Type::Bool))),
        ("_?_:_", [condition, a, b]) => match is(condition, &Type::Bool) && a.fits(b) {
            true => Overload::Found(if matches!(a, Type::Null) { b.clone() } else { a.clone().join(b) }),
            false => Overload::NoMatch,
        },
        ("_==_" | "_!=_", [a, b]) => bool_if(a.fits(b) || b.fits(a)),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [a, b]) => {
            let numeric = |ty: &Type| matches!(ty, Type::Int | Type::Uint | Type::Double | Type::Dyn);
            let ordered = |ty: &Type| {
                matches!(
                    ty,
                    Type::String(_) | Type::Bytes(_) | Type::Bool | Type::Duration | Type::Timestamp | Type::Dyn
                )
            };
            bool_if((numeric(a) && numeric(b)) || (ordered(a) && a.fits(b)) || (ordered(b) && b.fits(a)))
        }
        ("@in", [element, range]) => match range {
            Type::List(items, _) => bool_if(element.fits(items)),
            Type::Map(keys, ..) => bool_if(element.fits(keys)),
            Type::Object(_) => bool_if(is(element, &Type::text())),
            Type::Dyn => bool_if(true),
            _ => Overload::NoMatch,
        },
        ("_[_]" | "_[?_]", [operand, index]) => {
            let found = match operand {
                Type::List(items, _) if is(index, &Type::Int) => (**items).clone(),
                Type::Map(keys, values, _) if index.fits(keys) => (**values).clone(),
                Type::Dyn | Type::Object(_) => Type::Dyn,
                Type::Optional(inner) => match &**inner {
                    Type::List(items, _) => (**items).clone(),
                    Type::Map(_, values, _) => (**values).clone(),
                    _ => Type::Dyn,
                },
                _ => return Some(Overload::NoMatch),
            };
            let optional = name == "_[?_]" || matches!(operand, Type::Optional(_));
            Overload::Found(if optional { Type::Optional(Box::new(found)) } else { found })
        }
        ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [a, b]) => arithmetic(name, a, b),
        _ => return None,
    })
}

/// The other side is found out when it is evaluated; what it must be often follows from this one.
fn beside_dyn(name: &str, known: &Type) -> Overload {
    let adds = name == "_+_";
    Overload::Found(match known {
        Type::Int | Type::Uint => known.clone(),
        Type::Double if name != "_%_" => Type::Double,
        Type::String(_) if adds => Type::text(),
        Type::Bytes(_) if adds => Type::Bytes(MAX_REQUEST_BYTES),
        Type::List(..) if adds => Type::list(Type::Dyn),
        Type::Timestamp if adds => Type::Timestamp,
        Type::Duration | Type::Timestamp if matches!(name, "_+_" | "_-_") => Type::Dyn,
        _ => return Overload::NoMatch,
    })
}

fn arithmetic(name: &str, a: &Type, b: &Type) -> Overload {
    let sum = |a: u64, b: u64| a.saturating_add(b);
    let found = match (a, b) {
        (Type::Dyn, Type::Dyn) => Type::Dyn,
        (known, Type::Dyn) | (Type::Dyn, known) => return beside_dyn(name, known),
        (Type::Int, Type::Int) => Type::Int,
        (Type::Uint, Type::Uint) => Type::Uint,
        (Type::Double, Type::Double) if name != "_%_" => Type::Double,
        (Type::String(x), Type::String(y)) if name == "_+_" => Type::String(sum(*x, *y)),
        (Type::Bytes(x), Type::Bytes(y)) if name == "_+_" => Type::Bytes(sum(*x, *y)),
        (Type::List(x, n), Type::List(y, m)) if name == "_+_" && x.fits(y) => {
            Type::List(Box::new((**x).clone().join(y)), sum(*n, *m))
        }
        (Type::Duration, Type::Duration) if matches!(name, "_+_" | "_-_") => Type::Duration,
        (Type::Timestamp, Type::Duration) if matches!(name, "_+_" | "_-_") => Type::Timestamp,
        (Type::Duration, Type::Timestamp) if name == "_+_" => Type::Timestamp,
        (Type::Timestamp, Type::Timestamp) if name == "_-_" => Type::Duration,
        _ => return Overload::NoMatch,
    };
    Overload::Found(found)
}
