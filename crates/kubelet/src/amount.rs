//! Amounts of resources as whole numbers of a thousandth, and their texts. Pure; what the kubelet needs of Quantity.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// An amount in thousandths (`MilliValue`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Milli(pub i128);

/// Suffixes and what they stand for, in thousandths.
const SUFFIXES: [(&str, i128); 12] = [
    ("Ki", 1_024_000),
    ("Mi", 1_048_576_000),
    ("Gi", 1_073_741_824_000),
    ("Ti", 1_099_511_627_776_000),
    ("Pi", 1_125_899_906_842_624_000),
    ("Ei", 1_152_921_504_606_846_976_000),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
];

impl Milli {
    /// Reads a quantity; `None` if it is none.
    pub fn parse(quantity: &Quantity) -> Option<Self> {
        parse(quantity.0.trim())
    }

    /// Reads a quantity. What does not parse is zero: the API server has validated it.
    pub fn of(quantity: &Quantity) -> Self {
        Self::parse(quantity).unwrap_or_default()
    }

    /// Whole units, rounded up (`Value`).
    pub fn value(self) -> i64 {
        i64::try_from(div_ceil(self.0, 1000)).unwrap_or(i64::MAX)
    }

    /// Thousandths (`MilliValue`).
    pub fn milli(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// How many times `divisor` goes into it, rounded up; a divisor of zero counts as one.
    pub fn divided_by(self, divisor: Milli) -> i64 {
        let divisor = if divisor.0 == 0 { 1000 } else { divisor.0 };
        i64::try_from(div_ceil(self.0, divisor)).unwrap_or(i64::MAX)
    }

    /// The canonical text: `binary` for memory.
    pub fn to_quantity(self, binary: bool) -> Quantity {
        if self.0 % 1000 != 0 {
            return Quantity(format!("{}m", self.0));
        }
        let range = if binary { 0..6 } else { 6..12 };
        let fitting = SUFFIXES[range].iter().rev().find(|(_, factor)| self.0 != 0 && self.0 % factor == 0);
        Quantity(match fitting {
            Some((suffix, factor)) => format!("{}{suffix}", self.0 / factor),
            None => (self.0 / 1000).to_string(),
        })
    }
}

fn div_ceil(a: i128, b: i128) -> i128 {
    a.div_euclid(b) + i128::from(a.rem_euclid(b) != 0)
}

fn parse(text: &str) -> Option<Milli> {
    for (suffix, factor) in SUFFIXES {
        if let Some(number) = text.strip_suffix(suffix) {
            return decimal(number, factor);
        }
    }
    for (suffix, divisor) in [("m", 1), ("u", 1000), ("n", 1_000_000)] {
        if let Some(number) = text.strip_suffix(suffix) {
            return Some(Milli(div_ceil(decimal(number, 1000)?.0, divisor * 1000)));
        }
    }
    if let Some((number, exponent)) = text.split_once(['e', 'E']) {
        let exponent: i32 = exponent.parse().ok()?;
        let scaled = decimal(number, 1000)?.0;
        let factor = 10_i128.checked_pow(exponent.unsigned_abs())?;
        return Some(Milli(if exponent < 0 { div_ceil(scaled, factor) } else { scaled.checked_mul(factor)? }));
    }
    decimal(text, 1000)
}

/// `number` times `factor`, rounded up.
fn decimal(number: &str, factor: i128) -> Option<Milli> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let negative = whole.starts_with('-');
    let whole = whole.trim_start_matches(['+', '-']);
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(12)];
    let numerator: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let magnitude = whole.checked_mul(factor)?.checked_add(div_ceil(numerator * factor, scale))?;
    Some(Milli(if negative { -magnitude } else { magnitude }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_amounts() {
        for (text, milli) in [
            ("1", 1000),
            ("100m", 100),
            ("1.5", 1500),
            ("0.1", 100),
            ("1Ki", 1_024_000),
            ("64Mi", 67_108_864_000),
            ("1e3", 1_000_000),
            ("2k", 2_000_000),
            ("500u", 1),
            ("0", 0),
            ("1.5Gi", 1_610_612_736_000),
        ] {
            assert_eq!(Milli::of(&Quantity(text.into())), Milli(milli), "{text}");
        }
        for (milli, binary, text) in [
            (1000, false, "1"),
            (1500, false, "1500m"),
            (67_108_864_000, true, "64Mi"),
            (0, true, "0"),
            (100_000_000, true, "100000"),
            (1_000_000, false, "1k"),
        ] {
            assert_eq!(Milli(milli).to_quantity(binary).0, text);
        }
    }
}
