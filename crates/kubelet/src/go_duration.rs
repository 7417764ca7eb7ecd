//! Durations as Go prints them (`time.Duration.String`): `0s`, `1.5s`, `87ms`, `5m0s`, `336h0m0s`.

use std::time::Duration;

/// The text.
pub(crate) fn go_duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let seconds = duration.as_secs();
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => decimal(nanoseconds, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(nanoseconds, 1_000_000, "ms"),
        _ => {
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let rest = decimal(nanoseconds % 60_000_000_000, 1_000_000_000, "s");
            match (hours, minutes) {
                (0, 0) => rest,
                (0, minutes) => format!("{minutes}m{rest}"),
                (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
            }
        }
    }
}

/// `nanoseconds` in a unit of so many, without zeros at the end.
fn decimal(nanoseconds: u128, unit: u128, name: &str) -> String {
    let whole = nanoseconds / unit;
    let digits = unit.ilog10() as usize;
    let fraction = format!("{:0digits$}", nanoseconds % unit);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{whole}{name}") } else { format!("{whole}.{fraction}{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_prints_them() {
        let text = |nanoseconds| go_duration(Duration::from_nanos(nanoseconds));
        let cases = [0, 7, 1_500, 87_000_000, 1_234_000_000, 80_000_000_000, 300_000_000_000, 61_500_000_000];
        let expected = ["0s", "7ns", "1.5µs", "87ms", "1.234s", "1m20s", "5m0s", "1m1.5s"];
        assert_eq!(cases.map(text), expected);
        assert_eq!(go_duration(Duration::from_secs(336 * 3600)), "336h0m0s");
    }
}
