//! Ingresses and their classes.

use super::domain_path::validate_domain_prefixed_path;
use crate::names;
use crate::object::{child, default, reset_status, validate_immutable};
use crate::{At, Strategy, Subresource, Update};
use api::field::{Error, ErrorList};
use serde_json::{Value, json};

/// Names the class of ingresses of old.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// Sequences that no path may hold, and endings that none may have.
const BAD_SEQUENCES: [&str; 6] = ["//", "/./", "/../", "%2f", "%2F", "\\"];
const BAD_ENDINGS: [&str; 2] = ["/..", "/."];

/// The strategy of ingresses.
#[derive(Debug)]
pub(crate) struct Ingress;

impl Strategy for Ingress {
    fn prepare_for_create(&self, object: &mut Value) {
        reset_status(object, json!({"loadBalancer": {}}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let ingress = At::root(object);
        let spec = ingress.at("spec");
        validate_spec(&spec, &mut errors);
        let metadata = ingress.at("metadata");
        let annotations = metadata.at("annotations");
        let (annotation, class) = (annotations.key(CLASS_ANNOTATION), spec.at("ingressClassName"));
        if annotation.exists() && class.exists() && annotation.str() != class.str() {
            let at = ingress.at("annotations");
            let detail = "must match `ingressClassName` when both are specified";
            errors.push(Error::invalid(&at.path().child(CLASS_ANNOTATION), annotation.str(), detail));
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let new = At::root(update.new);
        if update.subresource == Some(Subresource::Status) {
            validate_addresses(&new.at("status").at("loadBalancer"), &mut errors);
        } else {
            validate_spec(&new.at("spec"), &mut errors);
            tolerate_old(&new.at("spec"), &At::root(update.old).at("spec"), &mut errors);
        }
        errors
    }

    fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        if old.is_some() || At::root(new).at("metadata").at("annotations").key(CLASS_ANNOTATION).value().is_none() {
            return Vec::new();
        }
        vec![format!("annotation {CLASS_ANNOTATION:?} is deprecated, please use 'spec.ingressClassName' instead")]
    }
}

/// Rules that are younger than stored ingresses: one that broke them may go on to.
fn tolerate_old(new: &At, old: &At, errors: &mut ErrorList) {
    let secrets = old.at("tls");
    if secrets.items().any(|tls| !is_secret_name(&tls.at("secretName"))) {
        errors.retain(|error| !(error.field.starts_with("spec.tls[") && error.field.ends_with("].secretName")));
    }
    let is_wild = |rule: &At| rule.at("host").str().contains('*');
    let mut before = ErrorList::new();
    old.at("rules").items().filter(is_wild).for_each(|rule| validate_rule(&rule, &mut before));
    if !before.is_empty() {
        let wild: Vec<String> =
            new.at("rules").items().filter(is_wild).map(|rule| rule.at("http").path().to_string()).collect();
        errors.retain(|error| !wild.iter().any(|path| error.field.starts_with(path)));
    }
}

fn is_secret_name(name: &At) -> bool {
    name.is_empty() || names::dns1123_subdomain(name.str()).is_empty()
}

/// `ValidateIngressLoadBalancerStatus`
fn validate_addresses(balancer: &At, errors: &mut ErrorList) {
    for ingress in balancer.at("ingress").items() {
        let (ip, host) = (ingress.at("ip"), ingress.at("hostname"));
        if !ip.is_empty() {
            ip.check_unless_kept(errors, names::ip);
        }
        if !host.is_empty() {
            host.check(errors, names::dns1123_subdomain);
            if names::parse_ip_sloppy(host.str()).is_some() {
                errors.push(host.invalid("must be a DNS name, not an IP address"));
            }
        }
    }
}

/// `validateIngressTypedLocalObjectReference`
fn validate_reference(reference: &At, errors: &mut ErrorList) {
    if reference.at("apiGroup").exists() {
        reference.at("apiGroup").check(errors, names::dns1123_subdomain);
    }
    reference.at("kind").require_and_check(errors, names::path_segment);
    reference.at("name").require_and_check(errors, names::path_segment);
}

fn validate_spec(spec: &At, errors: &mut ErrorList) {
    let (rules, backend) = (spec.at("rules"), spec.at("defaultBackend"));
    if rules.is_empty() && !backend.exists() {
        errors.push(spec.invalid_value(Value::Null, "either `defaultBackend` or `rules` must be specified"));
    }
    if backend.exists() {
        validate_backend(&backend, errors);
    }
    for rule in rules.items() {
        validate_host(&rule.at("host"), errors);
        validate_rule(&rule, errors);
    }
    for tls in spec.at("tls").items() {
        tls.at("hosts").items().for_each(|host| {
            let rule: fn(&str) -> Vec<String> =
                if host.str().contains('*') { wildcard_subdomain } else { names::dns1123_subdomain };
            host.check(errors, rule);
        });
        if !tls.at("secretName").is_empty() {
            tls.at("secretName").check(errors, names::dns1123_subdomain);
        }
    }
    let class = spec.at("ingressClassName");
    if class.exists() {
        class.check(errors, names::dns1123_subdomain);
    }
}

/// `validateIngressRuleValue`
fn validate_rule(rule: &At, errors: &mut ErrorList) {
    let http = rule.at("http");
    if http.exists() && http.at("paths").is_empty() {
        errors.push(http.at("paths").required(""));
    }
    http.at("paths").items().for_each(|path| validate_path(&path, errors));
}

fn validate_host(host: &At, errors: &mut ErrorList) {
    if host.is_empty() {
        return;
    }
    if names::parse_ip_sloppy(host.str()).is_some() {
        errors.push(host.invalid("must be a DNS name, not an IP address"));
    }
    let rule: fn(&str) -> Vec<String> =
        if host.str().contains('*') { wildcard_subdomain } else { names::dns1123_subdomain };
    host.check(errors, rule);
}

/// `IsWildcardDNS1123Subdomain`
fn wildcard_subdomain(text: &str) -> Vec<String> {
    const FORMAT: &str = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
    let good = text.strip_prefix("*.").is_some_and(|rest| names::dns1123_subdomain(rest).is_empty());
    if good {
        return Vec::new();
    }
    let message = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
    vec![format!("{message} (e.g. '*.example.com', regex used for validation is '{FORMAT}')")]
}

fn validate_path(path: &At, errors: &mut ErrorList) {
    let (kind, text) = (path.at("pathType"), path.at("path"));
    match kind.str() {
        "Exact" | "Prefix" => {
            if !text.str().starts_with('/') {
                errors.push(text.invalid_value(text.str(), "must be an absolute path"));
            }
            for bad in BAD_SEQUENCES.iter().filter(|bad| text.str().contains(**bad)) {
                errors.push(text.invalid(format!("must not contain '{bad}'")));
            }
            for bad in BAD_ENDINGS.iter().filter(|bad| text.str().ends_with(**bad)) {
                errors.push(text.invalid(format!("cannot end with '{bad}'")));
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !text.str().starts_with('/') {
                errors.push(text.invalid("must be an absolute path"));
            }
        }
        "" => errors.push(kind.required("pathType must be specified")),
        _ => errors.push(kind.not_supported(&["Exact", "ImplementationSpecific", "Prefix"])),
    }
    validate_backend(&path.at("backend"), errors);
}

fn validate_backend(backend: &At, errors: &mut ErrorList) {
    let (service, resource) = (backend.at("service"), backend.at("resource"));
    match (service.exists(), resource.exists()) {
        (true, true) => errors.push(backend.invalid_value("", "cannot set both resource and service backends")),
        (false, false) => errors.push(backend.invalid_value("", "resource or service backend is required")),
        (false, true) => {
            validate_reference(&resource, errors);
        }
        (true, false) => {
            service.at("name").require_and_check(errors, names::dns1123_label);
            let port = service.at("port");
            let (name, number) = (port.at("name"), port.at("number"));
            match (name.is_empty(), number.int().unwrap_or(0)) {
                (false, 0) => name.check(errors, names::port_name),
                (false, _) => errors.push(backend.invalid_value("", "cannot set both port name & port number")),
                (true, 0) => errors.push(backend.required("port name or number is required")),
                (true, n) => errors.extend(names::port_number(n).into_iter().map(|w| number.invalid(w))),
            }
        }
    }
}

/// The strategy of ingress classes.
#[derive(Debug)]
pub(crate) struct IngressClass;

impl Strategy for IngressClass {
    fn default(&self, object: &mut Value) {
        let Value::Object(class) = object else { return };
        if let Some(parameters) = child(class, "spec").and_then(|spec| child(spec, "parameters")) {
            default(parameters, "scope", "Cluster");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let class = At::root(object);
        let spec = class.at("spec");
        validate_controller(&spec.at("controller"), &mut errors);
        let parameters = spec.at("parameters");
        if parameters.exists() {
            validate_reference(&parameters, &mut errors);
            parameters.at("scope").require_one_of(&mut errors, &["Cluster", "Namespace"]);
            let namespace = parameters.at("namespace");
            match parameters.at("scope").str() {
                "Namespace" if !namespace.exists() => {
                    errors.push(namespace.required("`parameters.scope` is set to 'Namespace'"));
                }
                "Namespace" => namespace.check(&mut errors, names::dns1123_label),
                "Cluster" if namespace.exists() => {
                    errors.push(namespace.forbidden("`parameters.scope` is set to 'Cluster'"));
                }
                _ => {}
            }
        }
        errors
    }

    fn validate_update(&self, update: Update<'_>) -> ErrorList {
        let mut errors = ErrorList::new();
        let (new, old) = (At::root(update.new), At::root(update.old));
        let (spec, old_spec) = (new.at("spec"), old.at("spec"));
        validate_immutable(&spec.at("controller"), &old_spec.at("controller"), &mut errors);
        errors.extend(self.validate(update.new));
        errors
    }
}

/// The longest name of a controller, in bytes.
const MAX_CONTROLLER_BYTES: usize = 250;

fn validate_controller(controller: &At, errors: &mut ErrorList) {
    if controller.len() > MAX_CONTROLLER_BYTES {
        errors.push(controller.too_long(MAX_CONTROLLER_BYTES));
    }
    validate_domain_prefixed_path(controller, errors);
}
