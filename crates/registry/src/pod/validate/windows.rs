//! The Windows parts of security contexts. No node of ours runs Windows, but objects are checked as upstream does.

use crate::At;
use crate::names;
use crate::pod::defaults::CONTAINER_LISTS;
use api::field::{Error, ErrorList};
use serde_json::Value;

/// Contents of a credential spec.
const MAX_GMSA_SPEC_KIB: usize = 64;
const MAX_DOMAIN_CHARACTERS: usize = 256;
const MAX_USER_CHARACTERS: usize = 104;

/// `validateWindowsSecurityContextOptions`
pub(super) fn validate_windows_options(options: &At, errors: &mut ErrorList) {
    if options.at("gmsaCredentialSpecName").exists() {
        options.at("gmsaCredentialSpecName").check(errors, names::dns1123_subdomain);
    }
    let spec = options.at("gmsaCredentialSpec");
    if spec.exists() && spec.is_empty() {
        errors.push(spec.invalid("gmsaCredentialSpec cannot be an empty string"));
    } else if spec.len() > MAX_GMSA_SPEC_KIB * 1024 {
        errors.push(spec.invalid(format!("gmsaCredentialSpec size must be under {MAX_GMSA_SPEC_KIB} KiB")));
    }
    let user = options.at("runAsUserName");
    if user.exists() {
        errors.extend(wrong_user_name(user.str()).into_iter().map(|w| user.invalid(format!("runAsUserName{w}"))));
    }
}

fn wrong_user_name(text: &str) -> Vec<String> {
    if text.is_empty() {
        return vec![" cannot be an empty string".to_owned()];
    }
    if text.chars().any(|c| c.is_ascii_control()) {
        return vec![" cannot contain control characters".to_owned()];
    }
    let parts: Vec<&str> = text.split('\\').collect();
    let (domain, user) = match parts.as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return vec![" cannot contain more than one backslash".to_owned()],
    };
    let mut wrong = Vec::new();
    if domain.is_some_and(|d| d.len() >= MAX_DOMAIN_CHARACTERS) {
        wrong.push(format!("'s Domain length must be under {MAX_DOMAIN_CHARACTERS} characters"));
    }
    if domain.is_some_and(|d| !is_net_bios(d) && !is_dns(d)) {
        wrong.push("'s Domain doesn't match the NetBios nor the DNS format".to_owned());
    }
    if user.is_empty() {
        wrong.push("'s User cannot be empty".to_owned());
    } else if user.len() > MAX_USER_CHARACTERS {
        wrong.push(format!("'s User length must not be longer than {MAX_USER_CHARACTERS} characters"));
    }
    if !user.is_empty() && user.chars().all(|c| c == '.' || c == ' ') {
        wrong.push("'s User cannot contain only periods or spaces".to_owned());
    }
    if user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']']) {
        wrong.push("'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]".to_owned());
    }
    wrong
}

fn is_net_bios(domain: &str) -> bool {
    let count = domain.chars().count();
    (1..=15).contains(&count)
        && !domain.starts_with('.')
        && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|'])
}

fn is_dns(domain: &str) -> bool {
    let edge = |b: &u8| b.is_ascii_alphanumeric();
    domain.split('.').all(|label| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.first().is_some_and(edge)
            && bytes.last().is_some_and(edge)
            && bytes.iter().all(|b| edge(b) || *b == b'-')
    })
}

/// `validateWindowsHostProcessPod`
pub(super) fn validate_host_process(spec: &At, errors: &mut ErrorList) {
    let (mut containers, mut host_processes) = (0, 0);
    let pod_context = spec.at("securityContext");
    let of_pod = host_process(&pod_context);
    for list in CONTAINER_LISTS {
        for container in spec.at(list).items() {
            containers += 1;
            let context = container.at("securityContext");
            let own = host_process(&context);
            if let (Some(pod), Some(own)) = (of_pod, own)
                && pod != own
            {
                let options = context.at("windowsOptions");
                let detail = format!("pod hostProcess value must be identical if both are specified, was {pod}");
                errors.push(options.at("hostProcess").invalid(detail));
            }
            host_processes += i32::from(own.or(of_pod).unwrap_or(false));
        }
    }
    if host_processes == 0 {
        return;
    }
    if host_processes != containers {
        let detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.push(Error::invalid(&spec.path(), "", detail));
    }
    if !spec.at("hostNetwork").bool() {
        let detail = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.push(spec.at("hostNetwork").invalid_value(false, detail));
    }
}

fn host_process(context: &At) -> Option<bool> {
    context.at("windowsOptions").at("hostProcess").value().and_then(Value::as_bool)
}
