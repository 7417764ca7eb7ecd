//! Label and field selectors: what is printed is read as the same, and matching does not depend on the form.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use api::selector::{FieldSelector, LabelSelector};
use libfuzzer_sys::fuzz_target;
use pintle_fuzz::words::word;
use pintle_fuzz::{Unstructured, shape};
use serde_json::{Map, Value, json};

/// A label selector in the form of objects.
fn object(choices: &mut Unstructured<'_>) -> Value {
    let operators = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", ""];
    let expression = |choices: &mut Unstructured<'_>| {
        let values: Vec<String> = (0..choices.int_in_range(0..=3).unwrap_or(0)).map(|_| word(choices)).collect();
        json!({"key": word(choices), "operator": operators[choices.int_in_range(0..=5).unwrap_or(0)], "values": values})
    };
    let labels: Map<String, Value> =
        (0..choices.int_in_range(0..=3).unwrap_or(0)).map(|_| (word(choices), word(choices).into())).collect();
    let expressions: Vec<Value> = (0..choices.int_in_range(0..=3).unwrap_or(0)).map(|_| expression(choices)).collect();
    json!({"matchLabels": labels, "matchExpressions": expressions})
}

fn labels(choices: &mut Unstructured<'_>) -> Map<String, Value> {
    (0..choices.int_in_range(0..=6).unwrap_or(0)).map(|_| (word(choices), word(choices).into())).collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let mut choices = Unstructured::new(body);
    match choice & 3 {
        0 => {
            let object = object(&mut choices);
            let (labels, parsed) = (labels(&mut choices), LabelSelector::from_object(Some(&object)));
            let _errors = api::selector::validate_label_selector(Some(&object), &api::field::Path::new("selector"));
            let Ok(selector) = parsed else { return };
            let again = LabelSelector::parse(&selector.to_string()).expect("what was printed");
            assert_eq!(again.to_string(), selector.to_string());
            assert_eq!(again.matches(&labels), selector.matches(&labels), "{selector} of {labels:?}");
        }
        1 => {
            let any = shape::any(&mut choices);
            let _parsed = LabelSelector::from_object(Some(&any));
            let _errors = api::selector::validate_label_selector(Some(&any), &api::field::Path::new("selector"));
        }
        2 => {
            let Some(selector) = std::str::from_utf8(body).ok().and_then(|text| LabelSelector::parse(text).ok()) else {
                return;
            };
            let again = LabelSelector::parse(&selector.to_string()).expect("what was printed");
            assert_eq!(again.to_string(), selector.to_string());
            let labels: Map<String, Value> =
                selector.requirements().iter().map(|one| (one.key().to_owned(), "a".into())).collect();
            assert_eq!(again.matches(&labels), selector.matches(&labels), "{selector}");
        }
        _ => {
            let Some(selector) = std::str::from_utf8(body).ok().and_then(|text| FieldSelector::parse(text).ok()) else {
                return;
            };
            let again = FieldSelector::parse(&selector.to_string()).expect("what was printed");
            // Terms are sorted as they were spelled.
            let terms = |selector: &FieldSelector| {
                let mut terms: Vec<String> = selector.terms().iter().map(|term| format!("{term:?}")).collect();
                terms.sort_unstable();
                terms
            };
            assert_eq!(terms(&again), terms(&selector));
            let lookup = |field: &str| selector.requires_exact_match(field);
            assert_eq!(selector.matches_by(lookup), again.matches_by(lookup));
        }
    }
});
