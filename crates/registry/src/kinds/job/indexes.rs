//! Sets of indexes of an Indexed job as text: `1,3-5,7`.

/// First and last index of an interval.
type Interval = (i64, i64);

/// How many indexes the text names (`validateIndexesFormat`): intervals that rise, all below `completions`.
pub(super) fn count(text: &str, completions: i64) -> Result<i64, String> {
    let (mut last, mut total) = (None, 0);
    for interval in text.split(',').filter(|_| !text.is_empty()) {
        let (first, end) = parse(interval, completions)?;
        if let Some(previous) = last.filter(|previous| *previous >= first) {
            return Err(falling(previous, first));
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

/// The first index that both texts name. Both are sorted; what cannot be read is passed over, since the check of the
/// format speaks of it.
pub(super) fn common(one: &str, other: &str, completions: i64) -> Option<i64> {
    let read = |text: &str| -> Vec<Interval> { text.split(',').filter_map(|s| parse(s, completions).ok()).collect() };
    let (one, other) = (read(one), read(other));
    let (mut left, mut right) = (one.iter().peekable(), other.iter().peekable());
    while let (Some((a, b)), Some((c, d))) = (left.peek(), right.peek()) {
        if a <= d && c <= b {
            return Some(*a.max(c));
        }
        if a <= c {
            left.next();
        } else {
            right.next();
        }
    }
    None
}

fn parse(text: &str, completions: i64) -> Result<Interval, String> {
    let limits: Vec<&str> = text.split('-').collect();
    let index = |limit: &str| -> Result<i64, String> {
        let index = limit.parse().map_err(|_| format!("cannot convert string to integer for index: {limit:?}"))?;
        if index < completions { Ok(index) } else { Err(format!("too large index: {limit:?}")) }
    };
    match limits.as_slice() {
        [one] => index(one).map(|index| (index, index)),
        [first, last] => {
            let (first, last) = (index(first)?, index(last)?);
            if first < last { Ok((first, last)) } else { Err(falling(first, last)) }
        }
        _ => Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        )),
    }
}

fn falling(previous: i64, current: i64) -> String {
    format!("non-increasing order, previous: {previous}, current: {current}")
}
