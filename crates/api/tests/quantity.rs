//! Quantities: canonical forms, arithmetic, rounding.

use api::quantity::{Format, Quantity, canonical};
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn check(text: &str, expected: Expect) {
    let written = match canonical(text) {
        Ok(None) => text.to_owned(),
        Ok(Some(canonical)) => canonical,
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&written);
}

#[test]
fn canonical_forms() {
    check("0", expect!["0"]);
    check("0.0", expect!["0"]);
    check("0Mi", expect!["0"]);
    check("1", expect!["1"]);
    check("1000", expect!["1k"]);
    check("1200", expect!["1200"]);
    check("0.5", expect!["500m"]);
    check("1.5", expect!["1500m"]);
    check("1.5Gi", expect!["1536Mi"]);
    check("1000m", expect!["1"]);
    check("1500m", expect!["1500m"]);
    check("100Mi", expect!["100Mi"]);
    check("1024Mi", expect!["1Gi"]);
    check("1000Ki", expect!["1000Ki"]);
    check("512", expect!["512"]);
    check("0.5Ki", expect!["512"]);
    check("1e3", expect!["1e3"]);
    check("1E3", expect!["1E3"]);
    check("12e1", expect!["120"]);
    check("1E", expect!["1E"]);
    check("-1.5", expect!["-1500m"]);
    check(" 1 ", expect!["1"]);
    check("0.1n", expect!["1n"]);
    check("1u", expect!["1u"]);
    check("1.", expect!["1."]);
    check(".5", expect!["500m"]);
    check("9Ei", expect!["9223372036854775807"]);
    check("100000000000000000000", expect!["100E"]);
    // Zeroes at the ends are no digits: what is written can be read again.
    check("6999999999999999999.20604192006T", expect!["6999999999999999999206041920060"]);
    check("6999999999999999999206041920060", expect!["6999999999999999999206041920060"]);
    check("0.123456789012345678901234567891Ei", expect!["142335986942043633765524428n"]);
    check("1e1000", expect!["10e999"]);
}

#[test]
fn errors_are_upstreams() {
    for text in ["", "x", "1x", "1 Mi", "é", "1é"] {
        let format = expect![
            "error: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        ];
        check(text, format);
    }
    check("--1", expect!["error: unable to parse quantity's suffix"]);
    check("1MM", expect!["error: unable to parse quantity's suffix"]);
    check("1mi", expect!["error: unable to parse quantity's suffix"]);
}

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).unwrap()
}

#[test]
fn arithmetic_is_exact_and_rounding_goes_up() {
    assert_eq!(quantity("100m").add(&quantity("0.9")).to_string(), "1");
    assert_eq!(quantity("1Gi").sub(&quantity("1Mi")).to_string(), "1023Mi");
    assert_eq!(quantity("0").add(&quantity("1Gi")).format, Format::BinarySi);
    assert_eq!(quantity("1.1").value(), 2);
    assert_eq!(quantity("-1.1").value(), -2);
    assert_eq!(quantity("1u").milli_value(), 1);
    assert_eq!(quantity("1Ki").milli_value(), 1_024_000);
    assert!(quantity("1Gi") > quantity("1G"));
    assert_eq!(quantity("1000m"), quantity("1"));
    assert!(quantity("1e900") > quantity("1Ei") && quantity("-1e900") < quantity("-1Ei"));
    assert!(!quantity("100m").is_integer() && quantity("1e900").is_integer());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_text_is_survived(text in "\\PC{0,40}") {
        let _ = canonical(&text);
    }

    #[test]
    fn canonical_forms_stay(text in "[+-]?[0-9]{0,12}(\\.[0-9]{0,12})?([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?") {
        if let Ok(first) = canonical(&text) {
            let written = first.unwrap_or_else(|| text.clone());
            prop_assert_eq!(canonical(&written), Ok(None), "{} became {}", text, written);
        }
    }

    #[test]
    fn the_amount_survives_printing(value in any::<i64>(), exponent in 0usize..4) {
        let suffix = ["", "m", "Ki", "u"][exponent];
        let amount = quantity(&format!("{value}{suffix}"));
        if amount.compare(&Quantity::new(i64::MAX, Format::BinarySi)) != std::cmp::Ordering::Equal {
            prop_assert_eq!(quantity(&amount.to_string()), amount);
        }
    }

    #[test]
    fn adding_and_subtracting_cancel(a in -1_000_000_000i64..1_000_000_000, b in any::<i32>()) {
        let (a, b) = (Quantity::from_milli(a, Format::DecimalSi), Quantity::new(b.into(), Format::BinarySi));
        prop_assert_eq!(a.add(&b).sub(&b), a);
    }
}
