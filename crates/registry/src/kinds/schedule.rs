//! Whether a text is a schedule of a cron job: five fields or a descriptor, in the words of the parser that Kubernetes
//! uses (`github.com/robfig/cron/v3`).

/// Names and bounds of the five fields.
const FIELDS: [(u64, u64, &[&str]); 5] = [
    (0, 59, &[]),
    (0, 23, &[]),
    (1, 31, &[]),
    (1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    (0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// What is wrong with the schedule. It may begin with a time zone, `TZ=UTC `.
pub(super) fn check(text: &str, is_time_zone: impl Fn(&str) -> bool) -> Result<(), String> {
    let zoned = text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ="));
    let (zone, text) = match zoned {
        Some(zoned) => zoned.split_once(' ').map_or((zoned, ""), |(zone, rest)| (zone, rest.trim())),
        None => ("UTC", text),
    };
    if !is_time_zone(zone) && !matches!(zone, "" | "UTC" | "Local") {
        return Err(format!("provided bad location {zone}: unknown time zone {zone}"));
    }
    if text.is_empty() {
        return Err("empty spec string".to_owned());
    }
    if let Some(descriptor) = text.strip_prefix('@') {
        return check_descriptor(text, descriptor);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    for (field, bounds) in fields.iter().zip(FIELDS) {
        field.split(',').filter(|part| !part.is_empty()).try_for_each(|part| check_range(part, bounds))?;
    }
    Ok(())
}

fn check_descriptor(text: &str, descriptor: &str) -> Result<(), String> {
    match descriptor {
        "yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly" => Ok(()),
        _ => match descriptor.strip_prefix("every ") {
            Some(period) => {
                let read = api::duration::parse(period).map(drop);
                read.map_err(|why| format!("failed to parse duration {text}: {why}"))
            }
            None => Err(format!("unrecognized descriptor: {text}")),
        },
    }
}

/// `*`, `5`, `1-5`, each perhaps with a step.
fn check_range(part: &str, (low, high, names): (u64, u64, &[&str])) -> Result<(), String> {
    let pieces: Vec<&str> = part.split('/').collect();
    let ends: Vec<&str> = pieces.first().copied().unwrap_or_default().split('-').collect();
    let number = |text: &str| -> Result<u64, String> {
        let lower = text.to_lowercase();
        if let Some(index) = names.iter().position(|name| *name == lower) {
            return Ok(low + u64::try_from(index).unwrap_or_default());
        }
        text.parse()
            .map_err(|_| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"))
    };
    let (start, mut end) = match ends.as_slice() {
        ["*" | "?", ..] => (low, high),
        [one] => (number(one)?, number(one)?),
        [from, to] => (number(from)?, number(to)?),
        _ => return Err(format!("too many hyphens: {part}")),
    };
    let step = match pieces.as_slice() {
        [_] => 1,
        [_, step] => number(step)?,
        _ => return Err(format!("too many slashes: {part}")),
    };
    if pieces.len() == 2 && ends.len() == 1 {
        end = high;
    }
    if start < low {
        return Err(format!("beginning of range ({start}) below minimum ({low}): {part}"));
    }
    if end > high {
        return Err(format!("end of range ({end}) above maximum ({high}): {part}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {part}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {part}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    fn check(text: &str) -> Result<(), String> {
        super::check(text, |zone| zone == "Europe/Zurich")
    }

    #[test]
    fn schedules() {
        for good in [
            "*/5 * * * *",
            "@daily",
            "0 0 1 jan sun",
            "1-5,7 */2 * * 1-5",
            "@every 1h",
            "*-7 * ? * *",
            "TZ=Europe/Zurich 0 0 * * *",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "* * * *",
            "61 * * * *",
            "@never",
            "a * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "1-2-3 * * * *",
            "@every 1",
            "@every x",
            "TZ=Mars/Base 0 0 * * *",
            "CRON_TZ=Europe/Zurich",
            "-5 * * * *",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
