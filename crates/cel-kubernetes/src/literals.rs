//! What is asked of literals beside their types, once those fit: upstream's validators of syntax trees (durations, times and
//! patterns that can be read; lists and maps of one type), in cel-go's words.

use crate::expression::{Expression, Kind};
use crate::functions::is_readable;
use crate::types::Type;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Literals {
    pub(crate) errors: Vec<(usize, String)>,
    /// How many calls around exempt their lists.
    pub(crate) exempt: usize,
}

/// The type of the first item of a list, of the keys or the values of a map.
#[derive(Debug, Default)]
pub(crate) struct Alike {
    first: Option<String>,
    told: bool,
}

impl Literals {
    /// An argument that has to be readable is.
    pub(crate) fn check_argument(&mut self, function: &str, args: &[Expression]) {
        if !matches!(function, "duration" | "timestamp" | "matches") {
            return;
        }
        // also of the function of two arguments, where that is the text: so upstream
        if let Some(Expression { kind: Kind::Literal(value), at }) = args.first()
            && !is_readable(function, value)
        {
            self.errors.push((*at, format!("invalid {function} argument")));
        }
    }

    /// An item has the type of the first. What is only known while it is evaluated is not compared.
    pub(crate) fn compare(&mut self, alike: &mut Alike, at: usize, ty: &Type) {
        let is = ty.to_string();
        if self.exempt > 0 || is.contains("dyn") {
            return;
        }
        match &alike.first {
            None => alike.first = Some(is),
            Some(first) if *first != is && !alike.told => {
                self.errors.push((at, format!("expected type '{first}' but found '{is}'")));
                alike.told = true;
            }
            Some(_) => {}
        }
    }
}
