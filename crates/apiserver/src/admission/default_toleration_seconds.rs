//! DefaultTolerationSeconds: pods stay five minutes on a node that is not ready or cannot be reached.

use super::{Plugin, is, list_mut, text};
use crate::chain::{Attributes, Operation};
use api::status::Status;
use serde_json::json;

/// `--default-not-ready-toleration-seconds` and `--default-unreachable-toleration-seconds`.
const TOLERATION_SECONDS: i64 = 300;

pub(super) struct DefaultTolerationSeconds;

impl Plugin for DefaultTolerationSeconds {
    fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Status> {
        if !matches!(attributes.operation, Operation::Create | Operation::Update) || !is(attributes, "", "pods", "") {
            return Ok(());
        }
        let spec = api::meta::child_mut(&mut attributes.object, "spec");
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let tolerates = super::list(spec.get("tolerations").unwrap_or(&serde_json::Value::Null)).any(|own| {
                matches!(text(&own["effect"]), "" | "NoExecute") && (text(&own["key"]).is_empty() || own["key"] == key)
            });
            if !tolerates {
                list_mut(spec, "tolerations").push(json!({
                    "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS,
                }));
            }
        }
        Ok(())
    }
}
