//! Times on the wire: RFC 3339 in UTC with whole seconds (`metav1.Time`) or six fraction digits (`metav1.MicroTime`).
//! Errors are in the words of Go's `time` package. Durations are in [`crate::duration`].

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// Why a text is no time, as Go says it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parsing time {0}")]
pub struct TimeError(String);

const SECONDS_LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
const MICROS_LAYOUT: &str = "2006-01-02T15:04:05.000000Z07:00";
/// Length of `2006-01-02T15:04:05Z`.
const SECONDS_LENGTH: usize = 20;
/// Length of `2006-01-02T15:04:05.000000Z`.
const MICROS_LENGTH: usize = 27;

/// Reads a `metav1.Time`; a fraction of a second is allowed.
///
/// # Errors
/// When the text is no RFC 3339 time.
pub fn parse_seconds(text: &str) -> Result<Timestamp, TimeError> {
    Parser { text, rest: text, layout: SECONDS_LAYOUT, micros: false }.parse()
}

/// Reads a `metav1.MicroTime`, which has exactly six fraction digits.
///
/// # Errors
/// When the text is no such time.
pub fn parse_micros(text: &str) -> Result<Timestamp, TimeError> {
    Parser { text, rest: text, layout: MICROS_LAYOUT, micros: true }.parse()
}

/// `2006-01-02T15:04:05Z`
pub fn format_seconds(time: Timestamp) -> String {
    let utc = Offset::UTC.to_datetime(time);
    let (date, clock) = (utc.date(), utc.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        date.month(),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

/// `2006-01-02T15:04:05.000000Z`
pub fn format_micros(time: Timestamp) -> String {
    let mut text = format_seconds(time);
    text.pop();
    let micros = Offset::UTC.to_datetime(time).subsec_nanosecond() / 1000;
    format!("{text}.{micros:06}Z")
}

/// Whether `text` is surely canonical already, so that nothing needs to be made. Cheap; misses February 29th and such.
pub(crate) fn is_canonical(text: &str, micros: bool) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != if micros { MICROS_LENGTH } else { SECONDS_LENGTH } {
        return false;
    }
    let number = |at: usize| match (bytes[at], bytes[at + 1]) {
        (a @ b'0'..=b'9', b @ b'0'..=b'9') => (a - b'0') * 10 + (b - b'0'),
        _ => u8::MAX,
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (bytes.len() - 1, b'Z')];
    let fraction = !micros || (bytes[19] == b'.' && bytes[20..26].iter().all(u8::is_ascii_digit));
    marks.iter().all(|(at, mark)| bytes[*at] == *mark)
        && number(0) < 100
        && number(2) < 100
        && (1..=12).contains(&number(5))
        && (1..=28).contains(&number(8))
        && number(11) < 24
        && number(14) < 60
        && number(17) < 60
        && fraction
}

/// Reads along Go's layout, so that errors name the same part.
struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    layout: &'static str,
    micros: bool,
}

impl Parser<'_> {
    fn cannot_parse(&self, part: &str) -> TimeError {
        TimeError(format!("{:?} as {:?}: cannot parse {:?} as {part:?}", self.text, self.layout, self.rest))
    }

    fn out_of_range(&self, what: &str) -> TimeError {
        TimeError(format!("{:?}: {what} out of range", self.text))
    }

    fn number(&mut self, digits: usize, part: &str) -> Result<i16, TimeError> {
        let number = self.rest.get(..digits).filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
        let number = number.and_then(|n| n.parse().ok()).ok_or_else(|| self.cannot_parse(part))?;
        self.rest = &self.rest[digits..];
        Ok(number)
    }

    fn literal(&mut self, mark: &str) -> Result<(), TimeError> {
        self.rest = self.rest.strip_prefix(mark).ok_or_else(|| self.cannot_parse(mark))?;
        Ok(())
    }

    fn ranged(&mut self, part: &str, what: &str, range: std::ops::RangeInclusive<i16>) -> Result<i8, TimeError> {
        let number = self.number(2, part)?;
        match i8::try_from(number) {
            Ok(small) if range.contains(&number) => Ok(small),
            _ => Err(self.out_of_range(what)),
        }
    }

    fn fraction(&mut self) -> Result<i32, TimeError> {
        let mut digits =
            self.rest.strip_prefix(['.', ',']).map_or(0, |r| r.bytes().take_while(u8::is_ascii_digit).count());
        if self.micros && digits < 6 {
            return Err(self.cannot_parse(".000000"));
        }
        if self.micros {
            // More digits are left over, and are no zone.
            digits = 6;
        }
        if digits == 0 {
            return Ok(0);
        }
        let nanos = self.rest[1..=digits].bytes().chain(std::iter::repeat(b'0')).take(9);
        let nanos = nanos.fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
        self.rest = &self.rest[1 + digits..];
        Ok(nanos)
    }

    fn offset(&mut self) -> Result<i32, TimeError> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let bytes = self.rest.as_bytes();
        let digit = |at: usize| bytes.get(at).filter(|b| b.is_ascii_digit()).map(|b| i32::from(b - b'0'));
        let sign = match bytes.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(self.cannot_parse("Z07:00")),
        };
        let (Some(a), Some(b), Some(b':'), Some(c), Some(d)) = (digit(1), digit(2), bytes.get(3), digit(4), digit(5))
        else {
            return Err(self.cannot_parse("Z07:00"));
        };
        let (hours, minutes) = (a * 10 + b, c * 10 + d);
        if hours > 24 || minutes > 59 {
            return Err(self.out_of_range(if hours > 24 {
                "time zone offset hour"
            } else {
                "time zone offset minute"
            }));
        }
        self.rest = &self.rest[6..];
        Ok(sign * (hours * 3600 + minutes * 60))
    }

    fn parse(mut self) -> Result<Timestamp, TimeError> {
        let year = self.number(4, "2006")?;
        self.literal("-")?;
        let month = self.ranged("01", "month", 1..=12)?;
        self.literal("-")?;
        let day = i8::try_from(self.number(2, "02")?).unwrap_or(i8::MAX);
        self.literal("T")?;
        let hour = self.ranged("15", "hour", 0..=23)?;
        self.literal(":")?;
        let minute = self.ranged("04", "minute", 0..=59)?;
        self.literal(":")?;
        let second = self.ranged("05", "second", 0..=59)?;
        let nanos = self.fraction()?;
        let offset = self.offset()?;
        if !self.rest.is_empty() {
            return Err(TimeError(format!("{:?}: extra text: {:?}", self.text, self.rest)));
        }
        let civil =
            DateTime::new(year, month, day, hour, minute, second, nanos).map_err(|_| self.out_of_range("day"))?;
        let utc = Offset::UTC.to_timestamp(civil).map_err(|_| self.out_of_range("year"))?;
        utc.checked_sub(SignedDuration::from_secs(offset.into())).map_err(|_| self.out_of_range("year"))
    }
}
