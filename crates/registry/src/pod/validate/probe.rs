//! Liveness, readiness and startup probes.

use super::Context;
use super::handler::validate_handler;
use crate::At;
use api::field::ErrorList;

/// All three probes of a container.
pub(super) fn validate_probes(container: &At, context: &Context<'_>, errors: &mut ErrorList) {
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = container.at(kind);
        if !probe.exists() {
            continue;
        }
        validate_probe(&probe, context, errors);
        if kind == "readinessProbe" {
            let grace = probe.at("terminationGracePeriodSeconds");
            if grace.exists() {
                errors.push(grace.invalid("must not be set for readinessProbes"));
            }
        } else if probe.at("successThreshold").int().unwrap_or(0) != 1 {
            errors.push(probe.at("successThreshold").invalid("must be 1"));
        }
    }
}

/// `validateProbe`
fn validate_probe(probe: &At, context: &Context<'_>, errors: &mut ErrorList) {
    validate_handler(probe, context, errors);
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        probe.at(field).nonnegative(errors);
    }
    let grace = probe.at("terminationGracePeriodSeconds");
    if grace.int().is_some_and(|seconds| seconds <= 0) {
        errors.push(grace.invalid("must be greater than 0"));
    }
}
