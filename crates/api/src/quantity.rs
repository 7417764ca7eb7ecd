//! `resource.Quantity`: exact decimal amounts with SI and binary suffixes (`k8s.io/apimachinery/pkg/api/resource`).
//!
//! Parsing rounds up to whole nanos. The canonical form has no fraction and the greatest suffix that needs none.

mod canonical;

pub use canonical::canonical;

use std::cmp::Ordering;
use std::fmt;

/// How an amount was written, and is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `12M`
    DecimalSi,
    /// `12Mi`
    BinarySi,
    /// `12e6`
    DecimalExponent,
}

/// Why a text is no quantity; the words are upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number with a suffix.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// A number with more digits than can be held.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// A suffix that does not exist.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// An amount: `mantissa × 10^exponent`.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    mantissa: i128,
    exponent: i32,
    /// How it prints.
    pub format: Format,
}

/// The smallest exponent that is kept: nano.
const MIN_EXPONENT: i32 = -9;
/// The most digits that are read; more do not fit the mantissa.
const MAX_DIGITS: usize = 30;
/// The greatest decimal exponent that is read; none that anyone means is greater.
const MAX_EXPONENT: i32 = 1000;

const DECIMAL_SUFFIXES: [(i32, &str); 10] =
    [(-9, "n"), (-6, "u"), (-3, "m"), (0, ""), (3, "k"), (6, "M"), (9, "G"), (12, "T"), (15, "P"), (18, "E")];
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The parts of a quantity's text.
struct Parts<'a> {
    negative: bool,
    /// Without leading zeroes; empty for zero.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits_end = |t: &str| t.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(t.len());
    let unsigned = &unsigned[unsigned.bytes().position(|b| b != b'0').unwrap_or(unsigned.len())..];
    let (whole, rest) = unsigned.split_at(digits_end(unsigned));
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits_end(rest)),
        None => ("", rest),
    };
    let letters = suffix.bytes().position(|b| !b"eEinumkKMGTP".contains(&b)).unwrap_or(suffix.len());
    let exponent = &suffix[letters..];
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if text.is_empty() || !exponent.bytes().all(|b| b.is_ascii_digit()) {
        return Err(QuantityError::Format);
    }
    Ok(Parts { negative: text.starts_with('-'), whole, fraction, suffix })
}

impl Parts<'_> {
    /// The digits as a number times a power of ten. Zeroes at either end do not count as digits, so that the canonical
    /// form, which may end with zeroes, can be read wherever the amount can.
    fn number(&self) -> Result<(i128, i32), QuantityError> {
        let fraction = self.fraction.trim_end_matches('0');
        let zeroes = self.whole.len();
        let whole = if fraction.is_empty() { self.whole.trim_end_matches('0') } else { self.whole };
        let scale = i32::try_from(zeroes - whole.len()).ok().zip(i32::try_from(fraction.len()).ok());
        let (zeroes, places) = scale.ok_or(QuantityError::Numeric)?;
        let digits = whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0');
        let mut mantissa = 0i128;
        for (count, digit) in digits.enumerate() {
            if count == MAX_DIGITS {
                return Err(QuantityError::Numeric);
            }
            mantissa = mantissa * 10 + i128::from(digit - b'0');
        }
        Ok((mantissa, zeroes - places))
    }
}

/// Base, exponent and format that a suffix stands for.
fn interpret(suffix: &str) -> Option<(u32, i32, Format)> {
    if let Some((exponent, _)) = DECIMAL_SUFFIXES.iter().find(|(_, s)| *s == suffix) {
        return Some((10, *exponent, Format::DecimalSi));
    }
    if let Some(power) = BINARY_SUFFIXES.iter().position(|s| *s == suffix) {
        return Some((2, i32::try_from(power).ok()? * 10, Format::BinarySi));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (exponent.abs() <= MAX_EXPONENT).then_some((10, exponent, Format::DecimalExponent))
}

impl Quantity {
    /// Zero, printed as decimal.
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0, format: Format::DecimalSi };

    /// A whole number.
    pub fn new(value: i64, format: Format) -> Self {
        Self { mantissa: value.into(), exponent: 0, format }
    }

    /// Thousandths.
    pub fn from_milli(value: i64, format: Format) -> Self {
        Self { mantissa: value.into(), exponent: -3, format }
    }

    /// `ParseQuantity`
    ///
    /// # Errors
    /// When the text is no quantity. More than 30 digits are refused; zeroes at the ends are none.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let parts = split(text)?;
        let (base, exponent, mut format) = interpret(parts.suffix).ok_or(QuantityError::Suffix)?;
        let (mantissa, mut scale) = parts.number()?;
        let mut amount = if base == 10 {
            scale += exponent;
            if scale > MAX_EXPONENT {
                return Err(QuantityError::Numeric); // could be written, but not read again
            }
            Self { mantissa, exponent: scale, format }
        } else {
            Self { mantissa, exponent: scale, format }.times_power_of_1024(exponent / 10)
        }
        .rounded_up(MIN_EXPONENT);
        if format == Format::BinarySi {
            if amount.compare(&Self::new(i64::MAX, format)) == Ordering::Greater {
                amount = Self::new(i64::MAX, format);
            }
            if amount.mantissa != 0 && amount.compare(&Self::new(1, format)) == Ordering::Less {
                format = Format::DecimalSi;
            }
        }
        if parts.negative {
            amount.mantissa = -amount.mantissa;
        }
        Ok(Self { format, ..amount })
    }

    /// The amount (not negative) times `1024^power`. Of more digits than can be held the last of the fraction are rounded up,
    /// which are far beyond nanos; what is too large is the greatest amount.
    fn times_power_of_1024(self, power: i32) -> Self {
        let mut amount = self;
        for _ in 0..power {
            while amount.mantissa > i128::MAX / 1024 && amount.exponent < 0 {
                amount = amount.rounded_up(amount.exponent + 1);
            }
            amount.mantissa = amount.mantissa.saturating_mul(1024);
        }
        amount
    }

    /// Rounds away from zero to a multiple of `10^exponent`.
    fn rounded_up(self, exponent: i32) -> Self {
        let mut amount = self;
        let mut inexact = false;
        while amount.exponent < exponent {
            if amount.mantissa == 0 && !inexact {
                amount.exponent = exponent;
                break;
            }
            inexact |= amount.mantissa % 10 != 0;
            amount.mantissa /= 10;
            amount.exponent += 1;
            if amount.mantissa == 0 && inexact {
                amount.exponent = exponent;
                break;
            }
        }
        if inexact {
            amount.mantissa += if self.mantissa < 0 { -1 } else { 1 };
        }
        amount
    }

    /// The mantissa at `exponent`, which is not greater than its own; `None` when it does not fit.
    fn mantissa_at(&self, exponent: i32) -> Option<i128> {
        if self.mantissa == 0 {
            return Some(0);
        }
        10i128.checked_pow(u32::try_from(self.exponent - exponent).ok()?)?.checked_mul(self.mantissa)
    }

    /// `ScaledValue`: in units of `10^exponent`, rounded away from zero; the nearest `i64` when it does not fit.
    pub fn scaled_value(&self, exponent: i32) -> i64 {
        let amount = self.rounded_up(exponent);
        let value = if amount.exponent == exponent { Some(amount.mantissa) } else { amount.mantissa_at(exponent) };
        let limit = if self.mantissa < 0 { i64::MIN } else { i64::MAX };
        value.and_then(|v| i64::try_from(v).ok()).unwrap_or(limit)
    }

    /// `Value`: whole units, rounded away from zero.
    pub fn value(&self) -> i64 {
        self.scaled_value(0)
    }

    /// `MilliValue`: thousandths, rounded away from zero.
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(-3)
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        self.mantissa.signum() as i32
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    /// Whether it is a whole number of units.
    pub fn is_integer(&self) -> bool {
        self.exponent >= 0 || 10i128.checked_pow(self.exponent.unsigned_abs()).is_some_and(|p| self.mantissa % p == 0)
    }

    /// `Cmp`: by amount, whatever the formats.
    pub fn compare(&self, other: &Self) -> Ordering {
        let exponent = self.exponent.min(other.exponent);
        match (self.mantissa_at(exponent), other.mantissa_at(exponent)) {
            (Some(a), Some(b)) => a.cmp(&b),
            // What does not fit is greater in amount than all that does.
            (None, _) => {
                if self.mantissa < 0 {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (_, None) => {
                if other.mantissa < 0 {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
        }
    }

    /// `Add`. Takes the other's format when this is zero. Stops at the greatest amount that can be held.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        let exponent = self.exponent.min(other.exponent);
        match (self.mantissa_at(exponent), other.mantissa_at(exponent)) {
            (Some(a), Some(b)) => Self { mantissa: a.saturating_add(b), exponent, format },
            (None, _) => Self { format, ..*self },
            (_, None) => Self { format, ..*other },
        }
    }

    /// `Sub`
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        self.add(&Self { mantissa: other.mantissa.saturating_neg(), ..*other })
    }

    fn canonical_decimal(&self, f: &mut fmt::Formatter<'_>, format: Format) -> fmt::Result {
        let (mut mantissa, mut exponent) = (self.mantissa, self.exponent);
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        while exponent.rem_euclid(3) != 0 {
            mantissa = mantissa.saturating_mul(10);
            exponent -= 1;
        }
        match DECIMAL_SUFFIXES.iter().find(|(e, _)| *e == exponent) {
            Some((_, suffix)) if format == Format::DecimalSi => write!(f, "{mantissa}{suffix}"),
            Some((0, _)) => write!(f, "{mantissa}"),
            _ => write!(f, "{mantissa}e{exponent}"),
        }
    }
}

impl fmt::Display for Quantity {
    /// The canonical form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        if self.format != Format::BinarySi {
            return self.canonical_decimal(f, self.format);
        }
        match self.mantissa_at(0).or_else(|| self.is_integer().then(|| self.rounded_up(0).mantissa)) {
            Some(mut units) if units.unsigned_abs() >= 1024 => {
                let mut power = 0;
                while units % 1024 == 0 && power + 1 < BINARY_SUFFIXES.len() {
                    units /= 1024;
                    power += 1;
                }
                write!(f, "{units}{}", BINARY_SUFFIXES[power])
            }
            _ => self.canonical_decimal(f, Format::DecimalSi),
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(other)
    }
}

impl std::str::FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}
