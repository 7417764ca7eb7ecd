//! Horizontal pod autoscalers, in the stored form (autoscaling/v2) and in that of autoscaling/v1.
//!
//! What v1 cannot say in fields it keeps in annotations; `v1` has the way there and back.

mod metric;
mod v1;
mod validate;

pub(crate) use v1::AutoscalersOfV2;

use crate::object::{child_or_new, default, reset_status};
use crate::{Conversion, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Map, Value, json};

/// What a new autoscaler aims at unless told otherwise, in percent of the request.
const DEFAULT_CPU_UTILIZATION: i64 = 80;

/// The strategy of autoscaling/v2.
#[derive(Debug)]
pub(crate) struct Autoscaler;

impl Strategy for Autoscaler {
    fn default(&self, object: &mut Value) {
        let Value::Object(scaler) = object else { return };
        let spec = child_or_new(scaler, "spec");
        default(spec, "minReplicas", 1);
        if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            let target = json!({"type": "Utilization", "averageUtilization": DEFAULT_CPU_UTILIZATION});
            let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
            spec.insert("metrics".to_owned(), json!([metric]));
        }
        default_behavior(spec);
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"desiredReplicas": 0, "currentMetrics": null}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validate::validate(object, None)
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        match update.subresource {
            Some(Subresource::Status) => validate::validate_status(update.new),
            _ => validate::validate(update.new, Some(update.old)),
        }
    }
}

/// The strategy of autoscaling/v1: that of v2, on the object as v2 has it.
#[derive(Debug)]
pub(crate) struct AutoscalerV1;

impl Strategy for AutoscalerV1 {
    fn default(&self, object: &mut Value) {
        let Value::Object(scaler) = object else { return };
        let has_others = v1::has_other_metrics(scaler);
        let spec = child_or_new(scaler, "spec");
        default(spec, "minReplicas", 1);
        if !has_others {
            default(spec, "targetCPUUtilizationPercentage", DEFAULT_CPU_UTILIZATION);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"currentReplicas": 0, "desiredReplicas": 0}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        Autoscaler.validate(&AutoscalersOfV2.to_stored(object.clone()))
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let (new, old) = (AutoscalersOfV2.to_stored(update.new.clone()), AutoscalersOfV2.to_stored(update.old.clone()));
        Autoscaler.validate_update(Update { new: &new, old: &old, ..update })
    }
}

/// What is left out of `behavior` once there is one (`GenerateHPAScaleUpRules`, `GenerateHPAScaleDownRules`).
fn default_behavior(spec: &mut Map<String, Value>) {
    let Some(Value::Object(behavior)) = spec.get_mut("behavior") else { return };
    let up = child_or_new(behavior, "scaleUp");
    default(up, "stabilizationWindowSeconds", 0);
    default(up, "selectPolicy", "Max");
    let double = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    default(up, "policies", json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, double]));
    let down = child_or_new(behavior, "scaleDown");
    default(down, "selectPolicy", "Max");
    default(down, "policies", json!([double]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_scaler_aims_at_the_default_unless_it_has_other_metrics() {
        let defaulted = |annotations: Value| {
            let mut scaler = json!({"metadata": {"annotations": annotations}, "spec": {"maxReplicas": 3}});
            AutoscalerV1.default(&mut scaler);
            scaler["spec"]["targetCPUUtilizationPercentage"].clone()
        };
        assert_eq!(defaulted(json!({})), 80);
        assert_eq!(defaulted(json!({"autoscaling.alpha.kubernetes.io/metrics": "[]"})), 80);
        let other = r#"[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":50}}]"#;
        assert_eq!(defaulted(json!({"autoscaling.alpha.kubernetes.io/metrics": other})), Value::Null);
    }
}
