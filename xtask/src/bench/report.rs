//! Medians, spread, and where they are written.

use super::rows::Row;
use crate::command::{self, Done, at};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

/// One run's numbers: label and value. The first is the row's headline.
pub type Numbers = Vec<(&'static str, f64)>;

/// All runs of a row on one server.
#[derive(Default)]
pub struct Runs {
    labels: Vec<&'static str>,
    values: BTreeMap<&'static str, Vec<f64>>,
}

impl Runs {
    /// Adds a run.
    pub fn add(&mut self, numbers: Numbers) {
        for (label, value) in numbers {
            if !self.labels.contains(&label) {
                self.labels.push(label);
            }
            self.values.entry(label).or_default().push(value);
        }
    }

    fn shown(&self, label: &str) -> Option<String> {
        let mut values = self.values.get(label)?.clone();
        values.sort_by(f64::total_cmp);
        let (first, last) = (*values.first()?, *values.last()?);
        let median = values[values.len() / 2];
        Some(if values.len() == 1 {
            number(median)
        } else {
            format!("{} ({}–{})", number(median), number(first), number(last))
        })
    }

    fn headline(&self) -> Option<String> {
        self.shown(self.labels.first()?)
    }
}

/// Three significant digits, thousands set apart.
fn number(value: f64) -> String {
    if value.abs() >= 1000.0 {
        #[expect(clippy::cast_possible_truncation, reason = "rates and milliseconds")]
        let digits = (value.round() as i64).to_string();
        let split = digits.len() - 3;
        if split > 3 {
            format!("{},{},{}", &digits[..split - 3], &digits[split - 3..split], &digits[split..])
        } else {
            format!("{},{}", &digits[..split], &digits[split..])
        }
    } else if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// A row with its numbers.
pub struct Measured {
    row: &'static Row,
    /// Ours.
    pub own: Runs,
    /// The peer's.
    pub peer: Runs,
    /// More text.
    pub extra: Option<String>,
    load_average: String,
}

impl Measured {
    /// Nothing yet.
    pub fn new(row: &'static Row) -> Self {
        Self { row, own: Runs::default(), peer: Runs::default(), extra: None, load_average: String::new() }
    }

    /// Shows it, and notes what else the machine was doing.
    pub fn print(&mut self) {
        self.load_average = load_average();
        for label in &self.own.labels {
            println!("  {label}: {}", self.own.shown(label).unwrap_or_default());
        }
        for label in &self.peer.labels {
            println!("  peer, {label}: {}", self.peer.shown(label).unwrap_or_default());
        }
        if let Some(extra) = &self.extra {
            println!("{extra}");
        }
    }

    fn line(&self) -> String {
        let details: Vec<String> = self.own.labels.iter().skip(1).map(|label| detail(label, &self.own)).collect();
        format!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            self.row.title,
            self.row.kubernetes,
            self.row.target,
            self.own.headline().unwrap_or_default(),
            self.peer.headline().unwrap_or_else(|| "–".to_owned()),
            details.join(", "),
            self.load_average,
        )
    }
}

fn detail(label: &str, runs: &Runs) -> String {
    format!("{label} {}", runs.shown(label).unwrap_or_default())
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

const HEAD: &str = "| what | Kubernetes v1.36.2 | must reach | pintle, median (spread) | peer | more | load average |\n\
                    | --- | --- | --- | --- | --- | --- | --- |\n";

/// Prints the table, and puts it on top of benches/RESULTS.md when `record` is set.
pub fn finish(table: &[Measured], record: bool) -> Done {
    let mut text = String::from(HEAD);
    for measured in table {
        text.push_str(&measured.line());
        text.push('\n');
    }
    for measured in table {
        if let Some(extra) = &measured.extra {
            let _ = write!(text, "\n{}\n", extra.trim_end()); // a String takes all
        }
    }
    println!("\n{text}");
    if !record {
        return Ok(());
    }
    let path = command::root().join("benches/RESULTS.md");
    let old = fs::read_to_string(&path).map_err(at(&path))?;
    let (head, rest) = old.split_once("\n## ").map_or((old.as_str(), None), |(head, rest)| (head, Some(rest)));
    let mut new = format!("{}\n\n## {}\n\n{text}", head.trim_end(), machine()?);
    if let Some(rest) = rest {
        let _ = write!(new, "\n## {rest}");
    }
    fs::write(&path, new).map_err(at(&path))
}

/// Date, commit, processor, kernel.
fn machine() -> Result<String, String> {
    let date = command::output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
    let mut git = Command::new("git");
    let commit = command::output(git.current_dir(command::root()).args(["describe", "--always", "--dirty"]))?;
    let kernel = command::output(Command::new("uname").arg("-r"))?;
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, m)| m);
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let [date, commit, kernel] = [date, commit, kernel].map(|text| text.trim().to_owned());
    Ok(format!("{date}, commit {commit}, {count} × {model}, Linux {kernel}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_with_their_spread() {
        let mut runs = Runs::default();
        for value in [3.0, 1.0, 2.0] {
            runs.add(vec![("a", value)]);
        }
        assert_eq!(runs.headline().as_deref(), Some("2.00 (1.00–3.00)"));
        assert_eq!([12_345.6, 1_234_567.0, 123.4, 12.34].map(number), ["12,346", "1,234,567", "123", "12.3"]);
    }
}
