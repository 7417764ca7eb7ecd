//! Priority levels of API priority and fairness (`k8s.io/kubernetes/pkg/apis/flowcontrol/validation`).

use super::flow_bootstrap;
use super::flow_schema::validate_conditions;
use crate::object::{
    WRITABLE_METADATA, child, child_or_new, default, default_int, keep_metadata_of_status, reset_status,
};
use crate::{At, Strategy, Subresource, Update};
use api::field::ErrorList;
use serde_json::{Value, json};

const MAX_QUEUES: i64 = 10_000_000;
/// Bits that shuffle sharding draws from one hash.
const MAX_HASH_BITS: u32 = 60;

/// The strategy of priority levels.
#[derive(Debug)]
pub(crate) struct PriorityLevel;

impl Strategy for PriorityLevel {
    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        keep_metadata_of_status(new, old, subresource, &WRITABLE_METADATA);
    }

    fn default(&self, object: &mut Value) {
        let Value::Object(level) = object else { return };
        let spec = child_or_new(level, "spec");
        if spec.get("type").is_some_and(|kind| kind == "Exempt") {
            let exempt = child_or_new(spec, "exempt");
            default(exempt, "nominalConcurrencyShares", 0);
            default(exempt, "lendablePercent", 0);
        }
        let Some(limited) = child(spec, "limited") else { return };
        default(limited, "nominalConcurrencyShares", 30);
        default(limited, "lendablePercent", 0);
        let response = child(limited, "limitResponse");
        if let Some(queuing) = response.and_then(|response| child(response, "queuing")) {
            default_int(queuing, "queues", 64);
            default_int(queuing, "handSize", 8);
            default_int(queuing, "queueLengthLimit", 50);
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let root = At::root(object);
        validate_spec(&root.at("spec"), root.at("metadata").at("name").str(), &mut errors);
        let definition = "io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationSpec";
        flow_bootstrap::validate_mandatory(flow_bootstrap::priority_levels, definition, &root, &mut errors);
        validate_conditions(&root.at("status").at("conditions"), &mut errors);
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        if update.subresource == Some(Subresource::Status) {
            let mut errors = ErrorList::new();
            validate_conditions(&At::root(update.new).at("status").at("conditions"), &mut errors);
            return errors;
        }
        self.validate(update.new)
    }
}

/// `ValidatePriorityLevelConfigurationSpec`
fn validate_spec(spec: &At, name: &str, errors: &mut ErrorList) {
    let (kind, limited, exempt) = (spec.at("type"), spec.at("limited"), spec.at("exempt"));
    if (name == "exempt") != (kind.str() == "Exempt") {
        errors.push(kind.invalid("must be 'Exempt' if and only if `name` is 'exempt'"));
    }
    match kind.str() {
        "Exempt" => {
            if limited.exists() {
                errors.push(limited.forbidden("must be nil if the type is not Limited"));
            }
            validate_shares(&exempt, errors);
            validate_lendable(&exempt, errors);
        }
        "Limited" => {
            if exempt.exists() {
                errors.push(exempt.forbidden("must be nil if the type is Limited"));
            }
            if limited.exists() {
                validate_limited(&limited, errors);
            } else {
                errors.push(limited.required("must not be empty when type is Limited"));
            }
        }
        _ => errors.push(kind.not_supported(&["Exempt", "Limited"])),
    }
}

fn validate_shares(level: &At, errors: &mut ErrorList) {
    let shares = level.at("nominalConcurrencyShares");
    if shares.int().is_some_and(|n| n < 0) {
        errors.push(shares.invalid("must be a non-negative integer"));
    }
}

fn validate_lendable(level: &At, errors: &mut ErrorList) {
    let lendable = level.at("lendablePercent");
    if lendable.int().is_some_and(|n| !(0..=100).contains(&n)) {
        errors.push(lendable.invalid("must be between 0 and 100, inclusive"));
    }
}

fn validate_limited(limited: &At, errors: &mut ErrorList) {
    validate_shares(limited, errors);
    let response = limited.at("limitResponse");
    let (kind, queuing) = (response.at("type"), response.at("queuing"));
    match kind.str() {
        "Reject" => {
            if queuing.exists() {
                errors.push(queuing.forbidden("must be nil if limited.limitResponse.type is not Limited"));
            }
        }
        "Queue" if queuing.exists() => validate_queuing(&queuing, errors),
        "Queue" => errors.push(queuing.required("must not be empty if limited.limitResponse.type is Limited")),
        _ => errors.push(kind.not_supported(&["Queue", "Reject"])),
    }
    validate_lendable(limited, errors);
    let borrowing = limited.at("borrowingLimitPercent");
    if borrowing.int().is_some_and(|n| n < 0) {
        errors.push(borrowing.invalid("if specified, must be a non-negative integer"));
    }
}

fn validate_queuing(queuing: &At, errors: &mut ErrorList) {
    let (length, queues, hand) = (queuing.at("queueLengthLimit"), queuing.at("queues"), queuing.at("handSize"));
    for count in [&length, &queues, &hand] {
        if count.int().unwrap_or(0) <= 0 {
            errors.push(count.invalid_value(count.int().unwrap_or(0), "must be positive"));
        }
    }
    let (deck, size) = (queues.int().unwrap_or(0), hand.int().unwrap_or(0));
    if deck > MAX_QUEUES {
        errors.push(queues.invalid(format!("must not be greater than {MAX_QUEUES}")));
    } else if size > deck {
        errors.push(hand.invalid(format!("should not be greater than queues ({deck})")));
    } else if required_entropy_bits(deck, size) > MAX_HASH_BITS {
        let detail = format!(
            "required entropy bits of deckSize {deck} and handSize {size} should not be greater than {MAX_HASH_BITS}"
        );
        errors.push(hand.invalid(detail));
    }
}

/// How many bits it takes to deal `size` cards of `deck`.
fn required_entropy_bits(deck: i64, size: i64) -> u32 {
    let bits: f64 = (0..size.max(0)).map(|dealt| ((deck - dealt).max(1) as f64).log2()).sum();
    bits.ceil() as u32
}
