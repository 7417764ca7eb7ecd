//! In which form a document is wanted: JSON or protobuf, as `k8s.io/kube-openapi` negotiates it.

use super::{Dialect, protobuf};

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Protobuf,
}

/// One media range of an `Accept` header.
struct Range<'a> {
    main: &'a str,
    sub: &'a str,
    quality: f64,
}

impl Form {
    /// The first of the wanted ranges that names a form; an empty header takes anything. `None`: 406.
    pub(super) fn wanted(accept: &str, dialect: Dialect) -> Option<Self> {
        let (asked, answered) = protobuf::names(dialect);
        let offered = [("application/json", Self::Json), (asked, Self::Protobuf), (answered, Self::Protobuf)];
        let ranges = in_order(if accept.is_empty() { "*/*" } else { accept });
        ranges.iter().find_map(|range| {
            let fits = |name: &str| {
                let (main, sub) = name.split_once('/').unwrap_or_default();
                (range.main == "*" || range.main == main) && (range.sub == "*" || range.sub == sub)
            };
            offered.iter().find(|(name, _)| fits(name)).map(|(_, form)| *form)
        })
    }
}

/// The ranges of a header, the most wanted first. `goautoneg` puts a range before another that is less wanted or less
/// exact, and looks at neighbours only, so that an exact one also passes a wildcard that is wanted more.
fn in_order(accept: &str) -> Vec<Range<'_>> {
    let mut ranges: Vec<Range<'_>> = Vec::new();
    for range in accept.split(',').filter_map(range) {
        let mut at = ranges.len();
        while at > 0 && goes_before(&range, &ranges[at - 1]) {
            at -= 1;
        }
        ranges.insert(at, range);
    }
    ranges
}

fn goes_before(one: &Range<'_>, other: &Range<'_>) -> bool {
    one.quality > other.quality || (one.main != "*" && other.main == "*") || (one.sub != "*" && other.sub == "*")
}

fn range(text: &str) -> Option<Range<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?;
    let (main, sub) = if name == "*" { ("*", "*") } else { name.split_once('/')? };
    let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.trim().parse().unwrap_or(1.0));
    Some(Range { main: main.trim(), sub: sub.trim(), quality })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_wanted_form_is_given() {
        let wanted = |accept: &str| Form::wanted(accept, Dialect::V3);
        let (asked, answered) = protobuf::names(Dialect::V3);
        for any in ["", "*/*", "application/*", "*", "text/html, application/json"] {
            assert_eq!(wanted(any), Some(Form::Json), "{any}");
        }
        for name in [asked, answered] {
            assert_eq!(wanted(name), Some(Form::Protobuf));
            assert_eq!(wanted(&format!("application/json;q=0.8, {name}")), Some(Form::Protobuf));
            assert_eq!(wanted(&format!("{name};q=0.8, application/json")), Some(Form::Json));
            // what is exact passes what is not
            assert_eq!(wanted(&format!("*/*, {name};q=0.1")), Some(Form::Protobuf));
        }
        for none in ["text/html", "nothing", protobuf::names(Dialect::V2).0] {
            assert_eq!(wanted(none), None, "{none}");
        }
    }
}
