//! What a probe or a lifecycle hook does: exactly one of its handlers.

use super::Context;
use crate::At;
use crate::names;
use api::field::ErrorList;
use serde_json::Value;

/// `validateLifecycle`
pub(super) fn validate_lifecycle(lifecycle: &At, context: &Context<'_>, errors: &mut ErrorList) {
    for hook in ["postStart", "preStop"] {
        let hook = lifecycle.at(hook);
        if hook.exists() {
            validate_handler(&hook, context, errors);
        }
    }
}

/// `validateHandler`
pub(super) fn validate_handler(handler: &At, context: &Context<'_>, errors: &mut ErrorList) {
    let mut count = 0;
    for kind in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let action = handler.at(kind);
        if !action.exists() {
            continue;
        }
        count += 1;
        if count > 1 {
            errors.push(action.forbidden("may not specify more than 1 handler type"));
            continue;
        }
        match kind {
            "exec" if action.at("command").is_empty() => errors.push(action.at("command").required("")),
            "httpGet" => validate_http_get(&action, errors),
            "tcpSocket" => validate_port(&action.at("port"), errors),
            "grpc" => {
                let port = action.at("port");
                let number = port.int().unwrap_or(0);
                errors.extend(names::port_number(number).into_iter().map(|w| port.invalid_value(number, w)));
            }
            "sleep" => validate_sleep(&action, context, errors),
            _ => {}
        }
    }
    if count == 0 {
        errors.push(handler.required("must specify a handler type"));
    }
}

fn validate_http_get(http: &At, errors: &mut ErrorList) {
    http.at("path").require(errors);
    validate_port(&http.at("port"), errors);
    let scheme = http.at("scheme");
    if !["HTTP", "HTTPS"].contains(&scheme.str()) {
        errors.push(scheme.not_supported(&["HTTP", "HTTPS"]));
    }
    let headers = http.at("httpHeaders");
    for header in headers.items() {
        let name = header.at("name").str();
        errors.extend(names::http_header_name(name).into_iter().map(|w| headers.invalid_value(name, w)));
    }
}

/// `ValidatePortNumOrName`
pub(crate) fn validate_port(port: &At, errors: &mut ErrorList) {
    match port.value() {
        Some(Value::String(name)) => errors.extend(names::port_name(name).into_iter().map(|w| port.invalid(w))),
        _ => {
            let number = port.int().unwrap_or(0);
            errors.extend(names::port_number(number).into_iter().map(|w| port.invalid_value(number, w)));
        }
    }
}

fn validate_sleep(sleep: &At, context: &Context<'_>, errors: &mut ErrorList) {
    // Without a grace period another error tells of it.
    let Some(grace) = context.grace_period_seconds else {
        return;
    };
    let seconds = sleep.at("seconds").int().unwrap_or(0);
    if seconds < 0 || seconds > grace {
        let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.push(sleep.invalid_value(seconds, detail));
    }
}
