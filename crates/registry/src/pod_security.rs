//! Pod security standards (KEP-2579): what a pod at a level may not have, by version of the standard, in the words of
//! upstream's `k8s.io/pod-security-admission/policy`.
//!
//! Which level holds where is admission's.

mod baseline;
mod containers;
mod restricted;

use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// How much is forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is.
    Privileged,
    /// Known ways to gain privileges are.
    Baseline,
    /// Everything that is not best practice is.
    Restricted,
}

impl Level {
    /// As labels name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Privileged, Self::Baseline, Self::Restricted];
        let found = all.into_iter().find(|level| level.name() == text);
        found.ok_or_else(|| "must be one of privileged, baseline, restricted".to_owned())
    }
}

/// A version of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Whatever is newest.
    Latest,
    /// That of Kubernetes 1.n.
    Minor(u32),
}

impl Version {
    /// Whether the rules of 1.n hold.
    fn has(self, minor: u32) -> bool {
        match self {
            Self::Latest => true,
            Self::Minor(own) => own >= minor,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Minor(minor) => write!(f, "v1.{minor}"),
        }
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let minor = text.strip_prefix("v1.").filter(|minor| *minor == "0" || !minor.starts_with('0'));
        let digits = minor.filter(|minor| minor.bytes().all(|b| b.is_ascii_digit()));
        let wrong = || "must be \"latest\" or \"v1.x\"".to_owned();
        digits.and_then(|minor| minor.parse().ok()).map(Self::Minor).ok_or_else(wrong)
    }
}

/// A level in a version: `baseline:latest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// The level.
    pub level: Level,
    /// The version.
    pub version: Version,
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.level.name(), self.version)
    }
}

/// A pod or a template of pods.
#[derive(Clone, Copy, Debug)]
struct Pod<'a> {
    metadata: &'a Value,
    spec: &'a Value,
}

impl Pod<'_> {
    fn is_windows(&self) -> bool {
        self.spec["os"]["name"] == "windows"
    }
}

/// What a check finds: in short and in detail.
struct Finding {
    reason: String,
    detail: String,
}

impl Finding {
    fn new(reason: &str, detail: String) -> Option<Self> {
        Some(Self { reason: reason.to_owned(), detail })
    }
}

type Check = fn(Pod<'_>, Version) -> Option<Finding>;

/// What a pod (its metadata and spec) has that the standard forbids, as one text with details; `None`: nothing.
pub fn violations(standard: Standard, metadata: &Value, spec: &Value) -> Option<String> {
    join(&findings(standard, metadata, spec), |finding| format!("{} ({})", finding.reason, finding.detail))
}

/// The same without details, so that pods which differ in names alone have the same text.
pub fn reasons(standard: Standard, metadata: &Value, spec: &Value) -> Option<String> {
    join(&findings(standard, metadata, spec), |finding| finding.reason.clone())
}

fn join(findings: &[Finding], text: impl Fn(&Finding) -> String) -> Option<String> {
    let texts: Vec<String> = findings.iter().map(text).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn findings(standard: Standard, metadata: &Value, spec: &Value) -> Vec<Finding> {
    let pod = Pod { metadata, spec };
    let checks: Vec<Check> = match standard.level {
        Level::Privileged => return Vec::new(),
        Level::Baseline => baseline::CHECKS.iter().map(|(_, check)| *check).collect(),
        Level::Restricted => {
            let kept = baseline::CHECKS.iter().filter(|(name, _)| !restricted::overrides(name, standard.version));
            kept.map(|(_, check)| *check).chain(restricted::CHECKS).collect()
        }
    };
    checks.iter().filter_map(|check| check(pod, standard.version)).collect()
}

#[cfg(test)]
mod tests;
