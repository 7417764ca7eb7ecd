//! What part of a log is wanted.

use super::super::route::Query;
use jiff::{SignedDuration, Timestamp};

/// `PodLogOptions`, as far as the kubelet acts on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub follow: bool,
    pub previous: bool,
    pub timestamps: bool,
    /// Lines before it are left out.
    pub since: Option<Timestamp>,
    /// How many lines from the end; `None` for all.
    pub tail_lines: Option<u64>,
    /// How many bytes may still be sent.
    pub limit_bytes: Option<u64>,
    /// `Stdout` or `Stderr` alone.
    pub stream: Option<super::line::Stream>,
}

impl Options {
    pub fn read(query: &Query, now: Timestamp) -> Result<Self, String> {
        let number = |name: &str| -> Result<Option<u64>, String> {
            let text = query.get(name).filter(|text| !text.is_empty());
            text.map(|text| text.parse().map_err(|_| format!("invalid {name}: {text:?}\n"))).transpose()
        };
        let since = match (query.get("sinceTime"), number("sinceSeconds")?) {
            (Some(text), _) => Some(text.parse().map_err(|_| format!("invalid sinceTime: {text:?}\n"))?),
            (None, Some(seconds)) => {
                let ago = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
                Some(now.checked_sub(ago).unwrap_or(Timestamp::MIN))
            }
            (None, None) => None,
        };
        let stream = match query.get("stream") {
            Some("Stdout") => Some(super::line::Stream::Stdout),
            Some("Stderr") => Some(super::line::Stream::Stderr),
            _ => None,
        };
        Ok(Self {
            follow: query.flag("follow"),
            previous: query.flag("previous"),
            timestamps: query.flag("timestamps"),
            since,
            tail_lines: number("tailLines")?,
            limit_bytes: number("limitBytes")?,
            stream,
        })
    }
}
