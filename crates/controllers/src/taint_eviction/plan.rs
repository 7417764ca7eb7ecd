//! Whether and when a pod must leave its node. Pure.

use client::lean::Pod;
use k8s_openapi::api::core::v1::{Taint, Toleration};
use std::time::Duration;

/// What is to happen to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// It may stay.
    Never,
    /// It may stay for this long.
    After(Duration),
    /// It must go.
    Now,
}

/// Judges a pod on a node with these taints.
pub fn eviction(pod: &Pod, taints: &[Taint], now: jiff::Timestamp) -> Eviction {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() || matches!(phase, "Succeeded" | "Failed") {
        return Eviction::Never;
    }
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    let mut earliest: Option<jiff::Timestamp> = None;
    for taint in taints.iter().filter(|taint| taint.effect == "NoExecute") {
        let Some(toleration) = tolerations.iter().find(|toleration| tolerates(toleration, taint)) else {
            return Eviction::Now;
        };
        let Some(seconds) = toleration.toleration_seconds else { continue };
        // a taint without a time counts from now on, as upstream's timer does
        let since = taint.time_added.as_ref().map_or(now, |time| time.0);
        let deadline =
            since.saturating_add(jiff::SignedDuration::from_secs(seconds.max(0))).unwrap_or(jiff::Timestamp::MAX);
        earliest = Some(earliest.map_or(deadline, |known| known.min(deadline)));
    }
    match earliest {
        None => Eviction::Never,
        Some(deadline) => match Duration::try_from(deadline.duration_since(now)) {
            Ok(wait) if !wait.is_zero() => Eviction::After(wait),
            _ => Eviction::Now,
        },
    }
}

/// `Toleration.ToleratesTaint`
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let matches = |wanted: Option<&str>, value: &str| wanted.is_none_or(|text| text.is_empty() || text == value);
    let key = toleration.key.as_deref();
    let value_fits = match toleration.operator.as_deref() {
        Some("Exists") => true,
        _ => toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default(),
    };
    matches(toleration.effect.as_deref(), &taint.effect) && matches(key, &taint.key) && value_fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(tolerations: serde_json::Value, added_second: i64, now_second: i64, want: Eviction) {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {}, "spec": {"containers": [], "tolerations": tolerations}}))
                .unwrap();
        let added = jiff::Timestamp::from_second(added_second).unwrap();
        let taint = Taint {
            key: "k".into(),
            effect: "NoExecute".into(),
            value: None,
            time_added: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(added)),
        };
        assert_eq!(eviction(&pod, &[taint], jiff::Timestamp::from_second(now_second).unwrap()), want, "{tolerations}");
    }

    #[test]
    fn tolerations_decide_whether_and_when() {
        check(json!([]), 0, 0, Eviction::Now);
        check(json!([{"operator": "Exists"}]), 0, 0, Eviction::Never);
        check(json!([{"key": "other", "operator": "Exists"}]), 0, 0, Eviction::Now);
        check(json!([{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]), 0, 0, Eviction::Now);
        let five_minutes = json!([{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]);
        check(five_minutes.clone(), 100, 100, Eviction::After(Duration::from_secs(300)));
        check(five_minutes.clone(), 100, 399, Eviction::After(Duration::from_secs(1)));
        check(five_minutes, 100, 400, Eviction::Now);
    }
}
