//! How long things took: kept one by one, since the tail is what counts.

use serde_json::{Value, json};
use std::time::Duration;

/// Measured durations. Bounded by the length of a run: four bytes for each request.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// Adds one. What lasts longer than an hour counts as an hour.
    pub fn add(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The `percent`th percentile by nearest rank, in milliseconds; 0 of none.
    pub fn percentile_ms(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }

    /// `{"count", "p50_ms", "p90_ms", "p99_ms", "max_ms"}`
    pub fn summary(mut self) -> Value {
        json!({
            "count": self.count(),
            "p50_ms": self.percentile_ms(50),
            "p90_ms": self.percentile_ms(90),
            "p99_ms": self.percentile_ms(99),
            "max_ms": self.percentile_ms(100),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile_ms(50), 0.0);
        (1..=100).rev().for_each(|n| latencies.add(Duration::from_millis(n)));
        assert_eq!([50, 90, 99, 100].map(|p| latencies.percentile_ms(p)), [50.0, 90.0, 99.0, 100.0]);
    }
}
