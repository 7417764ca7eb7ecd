//! How long images and logs are kept: the fields of `KubeletConfiguration` for garbage collection and log rotation.

use super::{ConfigError, parse_duration};
use crate::amount::Milli;
use crate::go_duration::go_duration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Deserialize;
use std::time::Duration;

/// How long things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// `imageMinimumGCAge`: an image younger than this stays.
    pub image_minimum_gc_age: Duration,
    /// `imageMaximumGCAge`: one that was not used for this long goes; zero: never for that.
    pub image_maximum_gc_age: Duration,
    /// `imageGCHighThresholdPercent`: from this use of the disk on images are removed.
    pub image_gc_high_threshold_percent: u8,
    /// `imageGCLowThresholdPercent`: down to this use.
    pub image_gc_low_threshold_percent: u8,
    /// `containerLogMaxSize`, bytes; zero: logs are not rotated.
    pub container_log_max_size_bytes: u64,
    /// `containerLogMaxFiles`: of one container, the one that is written included.
    pub container_log_max_files: usize,
    /// `containerLogMonitorInterval`: how often sizes are looked at.
    pub container_log_monitor_interval: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            image_minimum_gc_age: Duration::from_mins(2),
            image_maximum_gc_age: Duration::ZERO,
            image_gc_high_threshold_percent: 85,
            image_gc_low_threshold_percent: 80,
            container_log_max_size_bytes: 10 << 20,
            container_log_max_files: 5,
            container_log_monitor_interval: Duration::from_secs(10),
        }
    }
}

/// As the file and the flags have them; what is absent stays as it was.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetentionFields {
    /// A duration.
    #[serde(rename = "imageMinimumGCAge")]
    pub image_minimum_gc_age: Option<String>,
    /// A duration.
    #[serde(rename = "imageMaximumGCAge")]
    pub image_maximum_gc_age: Option<String>,
    /// 0 to 100.
    #[serde(rename = "imageGCHighThresholdPercent")]
    pub image_gc_high_threshold_percent: Option<i32>,
    /// 0 to 100.
    #[serde(rename = "imageGCLowThresholdPercent")]
    pub image_gc_low_threshold_percent: Option<i32>,
    /// A quantity of bytes.
    pub container_log_max_size: Option<String>,
    /// More than 1.
    pub container_log_max_files: Option<i32>,
    /// A duration of 3 s or more.
    pub container_log_monitor_interval: Option<String>,
}

/// Sizes of logs are looked at no more often than this, as upstream has it.
const MONITOR_INTERVAL_MIN: Duration = Duration::from_secs(3);

impl Retention {
    /// Takes over what is given.
    ///
    /// # Errors
    /// What upstream's validation refuses, in its words.
    pub fn apply(&mut self, fields: &RetentionFields) -> Result<(), ConfigError> {
        let rule = |message: String| ConfigError::Rule(message);
        duration("imageMinimumGCAge", fields.image_minimum_gc_age.as_ref(), &mut self.image_minimum_gc_age)?;
        duration("imageMaximumGCAge", fields.image_maximum_gc_age.as_ref(), &mut self.image_maximum_gc_age)?;
        let interval = &mut self.container_log_monitor_interval;
        duration("containerLogMonitorInterval", fields.container_log_monitor_interval.as_ref(), interval)?;
        let (high, low) = (fields.image_gc_high_threshold_percent, fields.image_gc_low_threshold_percent);
        percent(
            "imageGCHighThresholdPercent (--image-gc-high-threshold)",
            high,
            &mut self.image_gc_high_threshold_percent,
        )?;
        percent(
            "imageGCLowThresholdPercent (--image-gc-low-threshold)",
            low,
            &mut self.image_gc_low_threshold_percent,
        )?;
        if self.image_gc_low_threshold_percent >= self.image_gc_high_threshold_percent {
            return Err(rule(format!(
                "imageGCLowThresholdPercent (--image-gc-low-threshold) {} must be less than imageGCHighThresholdPercent \
                 (--image-gc-high-threshold) {}",
                self.image_gc_low_threshold_percent, self.image_gc_high_threshold_percent
            )));
        }
        if !self.image_maximum_gc_age.is_zero() && self.image_maximum_gc_age <= self.image_minimum_gc_age {
            return Err(rule(format!(
                "imageMaximumGCAge {} must be greater than imageMinimumGCAge {}",
                go_duration(self.image_maximum_gc_age),
                go_duration(self.image_minimum_gc_age)
            )));
        }
        if self.container_log_monitor_interval < MONITOR_INTERVAL_MIN {
            let words = "containerLogMonitorInterval must be a positive time duration greater than or equal to 3s";
            return Err(rule(words.to_owned()));
        }
        if let Some(files) = fields.container_log_max_files {
            let enough = usize::try_from(files).ok().filter(|files| *files > 1);
            self.container_log_max_files =
                enough.ok_or_else(|| rule(format!("invalid MaxFiles {files}, must be > 1")))?;
        }
        if let Some(size) = &fields.container_log_max_size {
            let bytes = Milli::parse(&Quantity(size.clone())).and_then(|amount| u64::try_from(amount.value()).ok());
            self.container_log_max_size_bytes =
                bytes.ok_or_else(|| rule(format!("failed to parse container log max size {size:?}")))?;
        }
        Ok(())
    }
}

fn duration(field: &'static str, text: Option<&String>, to: &mut Duration) -> Result<(), ConfigError> {
    let Some(text) = text else { return Ok(()) };
    let reason = "must be a duration such as 20s";
    *to = parse_duration(text).ok_or_else(|| ConfigError::Invalid { field, value: text.clone(), reason })?;
    Ok(())
}

fn percent(field: &str, given: Option<i32>, to: &mut u8) -> Result<(), ConfigError> {
    let Some(given) = given else { return Ok(()) };
    let fits = u8::try_from(given).ok().filter(|percent| *percent <= 100);
    *to = fits.ok_or_else(|| ConfigError::Rule(format!("{field} {given} must be between 0 and 100, inclusive")))?;
    Ok(())
}
