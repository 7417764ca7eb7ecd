//! Amounts of resources, for comparing and adding. Parsing, canonical forms and rounding of what clients send are
//! `api`'s; here quantities are read from objects that were decoded already, so that a text that is none counts as 0.

use std::fmt;
use std::ops::{Add, AddAssign};

/// An amount in units of 10⁻⁹, the finest step that quantities have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

const NANO: i128 = 1_000_000_000;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A whole number.
    pub const fn whole(value: i64) -> Self {
        Self(value as i128 * NANO)
    }

    /// Reads a quantity as it stands in an object: `100m`, `1.5Gi`, `2e3`. What is no quantity is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits);
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (multiplier, divisor) = scale(suffix)?;
        // Fraction digits beyond the twelfth change nothing that nano-units could show, except with huge suffixes.
        let fraction = &fraction[..fraction.len().min(12)];
        let mut value: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            value = value.checked_mul(10)?.checked_add(i128::from(digit.checked_sub(b'0')?))?;
        }
        let denominator = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?.checked_mul(divisor)?;
        let scaled = value.checked_mul(multiplier)?.checked_mul(NANO)?;
        // Rounded away from zero, as upstream does with what is finer than nano.
        let nano = (scaled + denominator - 1) / denominator;
        Some(Self(if negative { -nano } else { nano }))
    }

    /// Whole units, rounded up (`Quantity.Value`).
    pub fn value(self) -> i64 {
        clamp(ceil(self.0, NANO))
    }

    /// Thousandths, rounded up (`Quantity.MilliValue`).
    pub fn milli_value(self) -> i64 {
        clamp(ceil(self.0, NANO / 1000))
    }

    /// The same as an exact quantity that prints in this format.
    pub fn to_quantity(self, format: api::quantity::Format) -> api::quantity::Quantity {
        // At most 30 digits are read; what is longer does not fit a quantity anyway.
        let mut quantity =
            api::quantity::Quantity::parse(&format!("{}n", self.0)).unwrap_or(api::quantity::Quantity::ZERO);
        quantity.format = format;
        quantity
    }

    /// Whether it is below nothing.
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether it has no fraction finer than a thousandth's absence, as upstream asks it: thousandths, rounded up, are a
    /// multiple of 1000.
    pub fn is_integer(self) -> bool {
        self.milli_value() % 1000 == 0
    }
}

/// What a suffix multiplies by and divides by.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, NANO),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (NANO, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let factor = 10_i128.checked_pow(power.unsigned_abs())?;
            if power < 0 { (1, factor) } else { (factor, 1) }
        }
    })
}

fn ceil(value: i128, unit: i128) -> i128 {
    value.div_euclid(unit) + i128::from(value.rem_euclid(unit) != 0)
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl fmt::Display for Amount {
    /// Whole units where they are whole, else thousandths, rounded up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milli = ceil(self.0, NANO / 1000);
        if milli % 1000 == 0 { write!(f, "{}", milli / 1000) } else { write!(f, "{milli}m") }
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::Amount;

    #[test]
    fn parses_what_objects_hold() {
        let cases = [
            ("100m", 100),
            ("1", 1000),
            ("1.5", 1500),
            ("1Ki", 1_024_000),
            ("1.5Ki", 1_536_000),
            ("2e3", 2_000_000),
            ("-1", -1000),
            ("1n", 1),
            ("0", 0),
        ];
        for (text, milli) in cases {
            assert_eq!(Amount::parse(text).unwrap().milli_value(), milli, "{text}");
        }
        assert_eq!(Amount::parse("1E").unwrap().value(), 1_000_000_000_000_000_000);
        for text in ["", "x", "1x", ".", "1e", "Ki"] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }

    #[test]
    fn compares_across_suffixes() {
        assert!(Amount::parse("1000m") == Amount::parse("1"));
        assert!(Amount::parse("1Gi") > Amount::parse("1G"));
        assert!(!Amount::parse("1500m").unwrap().is_integer());
    }
}
