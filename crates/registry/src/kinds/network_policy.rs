//! Network policies.

use crate::labels::validate_label_selector;
use crate::names;
use crate::object::{child_or_new, children, default_str};
use crate::pod::validate_port;
use crate::{At, Strategy, Update};
use api::field::ErrorList;
use serde_json::{Value, json};

/// The strategy of network policies.
#[derive(Debug)]
pub(crate) struct NetworkPolicy;

impl Strategy for NetworkPolicy {
    fn default(&self, object: &mut Value) {
        let Value::Object(policy) = object else { return };
        let spec = child_or_new(policy, "spec");
        for direction in ["ingress", "egress"] {
            for rule in children(spec, direction) {
                children(rule, "ports").for_each(|port| default_str(port, "protocol", "TCP"));
            }
        }
        if spec.get("policyTypes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            let egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
            let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
            spec.insert("policyTypes".to_owned(), types);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let policy = At::root(object);
        let spec = policy.at("spec");
        validate_label_selector(&spec.at("podSelector"), &mut errors);
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for rule in spec.at(direction).items() {
                rule.at("ports").items().for_each(|port| validate_rule_port(&port, &mut errors));
                rule.at(peers).items().for_each(|peer| validate_peer(&peer, &mut errors));
            }
        }
        let types = spec.at("policyTypes");
        if types.len() > 2 {
            errors.push(types.invalid("may not specify more than two policyTypes"));
            return errors;
        }
        for kind in types.items().filter(|kind| !matches!(kind.str(), "Ingress" | "Egress")) {
            errors.push(kind.not_supported(&["Ingress", "Egress"]));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        self.validate(update.new)
    }

    /// Prefixes that could be written better.
    fn warnings(&self, new: &Value, _old: Option<&Value>) -> Vec<String> {
        let mut warnings = Vec::new();
        let policy = At::root(new);
        let spec = policy.at("spec");
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for rule in spec.at(direction).items() {
                for peer in rule.at(peers).items() {
                    let block = peer.at("ipBlock");
                    let mut warn = |at: At<'_, '_>| {
                        warnings.extend(names::cidr_warnings(&at.path().to_string(), at.str()));
                    };
                    warn(block.at("cidr"));
                    block.at("except").items().for_each(&mut warn);
                }
            }
        }
        warnings
    }
}

fn validate_rule_port(rule: &At, errors: &mut ErrorList) {
    rule.at("protocol").one_of(errors, &["TCP", "UDP", "SCTP"]);
    let (port, end) = (rule.at("port"), rule.at("endPort"));
    match port.value() {
        Some(Value::Number(_)) => {
            validate_port(&port, errors);
            let first = port.int().unwrap_or(0);
            if let Some(last) = end.int() {
                if last < first {
                    errors.push(end.invalid_value(first, "must be greater than or equal to `port`"));
                }
                errors.extend(names::port_number(last).into_iter().map(|w| end.invalid(w)));
            }
        }
        Some(Value::String(_)) => {
            if end.exists() {
                errors.push(end.invalid("may not be specified when `port` is non-numeric"));
            }
            validate_port(&port, errors);
        }
        _ if end.exists() => errors.push(end.invalid("may not be specified when `port` is not specified")),
        _ => {}
    }
}

fn validate_peer(peer: &At, errors: &mut ErrorList) {
    let (pods, namespaces, block) = (peer.at("podSelector"), peer.at("namespaceSelector"), peer.at("ipBlock"));
    validate_label_selector(&pods, errors);
    validate_label_selector(&namespaces, errors);
    if block.exists() {
        validate_block(&block, errors);
    }
    let selects = pods.exists() || namespaces.exists();
    if !selects && !block.exists() {
        errors.push(peer.required("must specify a peer"));
    } else if selects && block.exists() {
        errors.push(peer.forbidden("may not specify both ipBlock and another peer"));
    }
}

fn validate_block(block: &At, errors: &mut ErrorList) {
    let range = block.at("cidr");
    if range.is_empty() {
        errors.push(range.required(""));
        return;
    }
    range.check_unless_kept(errors, names::cidr);
    let Some((network, bits)) = names::parse_cidr_sloppy(range.str()) else {
        return;
    };
    for except in block.at("except").items() {
        except.check_unless_kept(errors, names::cidr);
        let Some((inner, inner_bits)) = names::parse_cidr_sloppy(except.str()) else {
            continue;
        };
        let inside = match (network, inner) {
            (std::net::IpAddr::V4(a), std::net::IpAddr::V4(b)) => {
                let shift = 32 - u32::from(bits);
                a.to_bits().checked_shr(shift) == b.to_bits().checked_shr(shift)
            }
            (std::net::IpAddr::V6(a), std::net::IpAddr::V6(b)) => {
                let shift = 128 - u32::from(bits);
                a.to_bits().checked_shr(shift) == b.to_bits().checked_shr(shift)
            }
            _ => false,
        };
        if !inside || inner_bits <= bits {
            errors.push(except.invalid("must be a strict subset of `cidr`"));
        }
    }
}
