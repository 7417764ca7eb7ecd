//! What may be a name: upstream's `k8s.io/apimachinery/pkg/util/validation`, in its words.
//!
//! Each function returns what is wrong, and nothing when all is well. Checks are by byte, without regular expressions;
//! the expressions appear only in the messages.

mod address;
mod object;

pub use address::{cidr, cidr_warnings, ip, ip_warning, parse_cidr, parse_cidr_sloppy, parse_ip_sloppy};
pub use object::{
    mask_trailing_dash, name_is_dns_label, name_is_dns_subdomain, name_is_dns1035_label, name_is_path_segment,
};

const LABEL_FORMAT: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const LABEL_MESSAGE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const LABEL_MAX_BYTES: usize = 63;
const SUBDOMAIN_FORMAT: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const SUBDOMAIN_MESSAGE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const SUBDOMAIN_UNDERSCORE_FORMAT: &str = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
const SUBDOMAIN_UNDERSCORE_MESSAGE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character";
const SUBDOMAIN_MAX_BYTES: usize = 253;
const QUALIFIED_FORMAT: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const QUALIFIED_MESSAGE: &str =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

fn regex_error(message: &str, format: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{format}')");
    }
    let quoted: Vec<String> = examples.iter().map(|e| format!("'{e}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{format}')", quoted.join(" or "))
}

/// `MaxLenError`
pub fn max_length(max: usize) -> String {
    format!("must be no more than {max} characters")
}

fn max_bytes(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

/// `InclusiveRangeError`
pub fn inclusive_range(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

fn lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// First and last byte pass `edge`, all others `edge` or are one of `inner`; not empty.
fn matches(text: &str, edge: fn(u8) -> bool, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    edge(first) && edge(last) && bytes.iter().all(|&b| edge(b) || inner.contains(&b))
}

fn is_label(text: &str) -> bool {
    matches(text, lower_alphanumeric, b"-")
}

/// `IsDNS1123Label`: a label of a host name.
pub fn dns1123_label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > LABEL_MAX_BYTES {
        wrong.push(max_length(LABEL_MAX_BYTES));
    }
    if !is_label(text) {
        // What would be a subdomain has only its dots wrong.
        wrong.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            regex_error(LABEL_MESSAGE, LABEL_FORMAT, &["my-name", "123-abc"])
        });
    }
    wrong
}

fn is_subdomain(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(is_label)
}

/// `IsDNS1123Subdomain`: the name of most objects.
pub fn dns1123_subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > SUBDOMAIN_MAX_BYTES {
        wrong.push(max_length(SUBDOMAIN_MAX_BYTES));
    }
    if !is_subdomain(text) {
        wrong.push(regex_error(SUBDOMAIN_MESSAGE, SUBDOMAIN_FORMAT, &["example.com"]));
    }
    wrong
}

/// `IsDNS1123SubdomainWithUnderscore`: a DNS search domain.
pub fn dns1123_subdomain_with_underscore(text: &str) -> Vec<String> {
    let is_label = |label: &str| matches(label.strip_prefix('_').unwrap_or(label), lower_alphanumeric, b"-_");
    let mut wrong = Vec::new();
    if text.len() > SUBDOMAIN_MAX_BYTES {
        wrong.push(max_length(SUBDOMAIN_MAX_BYTES));
    }
    if text.is_empty() || !text.split('.').all(is_label) {
        wrong.push(regex_error(SUBDOMAIN_UNDERSCORE_MESSAGE, SUBDOMAIN_UNDERSCORE_FORMAT, &["example.com"]));
    }
    wrong
}

/// `IsDNS1035Label`: a label that starts with a letter.
pub fn dns1035_label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > LABEL_MAX_BYTES {
        wrong.push(max_length(LABEL_MAX_BYTES));
    }
    if !is_label(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        let message = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
        wrong.push(regex_error(message, "[a-z]([-a-z0-9]*[a-z0-9])?", &["my-name", "abc-123"]));
    }
    wrong
}

fn qualified_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// The prefix is checked by newer code of upstream, which counts bytes in its words.
fn prefix_part(prefix: &str) -> impl Iterator<Item = String> {
    let characters = max_length(SUBDOMAIN_MAX_BYTES);
    dns1123_subdomain(prefix).into_iter().map(move |wrong| {
        if wrong == characters {
            format!("prefix part {}", max_bytes(SUBDOMAIN_MAX_BYTES))
        } else {
            format!("prefix part {wrong}")
        }
    })
}

/// `IsQualifiedName`: an optional DNS prefix and a name, as label keys are.
pub fn qualified_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let name = match text.split_once('/') {
        None => text,
        Some((prefix, name)) if !name.contains('/') => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_owned());
            } else {
                wrong.extend(prefix_part(prefix));
            }
            name
        }
        Some(_) => {
            let message = format!("a valid label key {QUALIFIED_MESSAGE}");
            let text = regex_error(&message, QUALIFIED_FORMAT, &["MyName", "my.name", "123-abc"]);
            return vec![format!("{text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")];
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX_BYTES {
        wrong.push(format!("name part {}", max_bytes(LABEL_MAX_BYTES)));
    }
    if !matches(name, qualified_part, b"-_.") {
        let text = regex_error(QUALIFIED_MESSAGE, QUALIFIED_FORMAT, &["MyName", "my.name", "123-abc"]);
        wrong.push(format!("name part {text}"));
    }
    wrong
}

/// `IsValidLabelValue`
pub fn label_value(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > LABEL_MAX_BYTES {
        wrong.push(max_bytes(LABEL_MAX_BYTES));
    }
    if !text.is_empty() && !matches(text, qualified_part, b"-_.") {
        let message = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
        let format = format!("({QUALIFIED_FORMAT})?");
        wrong.push(regex_error(message, &format, &["MyValue", "my_value", "12345"]));
    }
    wrong
}

/// `IsRelaxedEnvVarName`: printable ASCII other than `=`.
pub fn env_var_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.is_empty() {
        wrong.push("environment variable name must be non-empty".to_owned());
    }
    if !text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=') {
        wrong.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        );
    }
    wrong
}

/// `IsEnvVarName`: the strict rule, for ConfigMap keys that become variables.
pub fn strict_env_var_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let part = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if text.is_empty() || !text.bytes().all(part) || text.as_bytes()[0].is_ascii_digit() {
        let message = "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit";
        wrong.push(regex_error(message, "[-._a-zA-Z][-._a-zA-Z0-9]*", &["my.env-name", "MY_ENV.NAME", "MyEnvName1"]));
    }
    wrong.extend(parent_directory(text));
    wrong
}

/// Names that mean a directory, or start so.
fn parent_directory(text: &str) -> Option<String> {
    match text {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        _ if text.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// `IsCIdentifier`
pub fn c_identifier(text: &str) -> Vec<String> {
    let part = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if !text.is_empty() && text.bytes().all(part) && !text.as_bytes()[0].is_ascii_digit() {
        return Vec::new();
    }
    let message = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
    vec![regex_error(message, "[A-Za-z_][A-Za-z0-9_]*", &["my_name", "MY_NAME", "MyName"])]
}

/// `isValidConditionReason`: why a condition has its status.
pub fn condition_reason(text: &str) -> Vec<String> {
    let part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b',' | b':');
    let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let ends = text.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    if begins && ends && text.bytes().all(part) {
        return Vec::new();
    }
    let message = "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";
    let examples = ["my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"];
    vec![regex_error(message, "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", &examples)]
}

/// `IsWildcardDNS1123Subdomain`: `*.example.com`.
pub fn wildcard_dns1123_subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > SUBDOMAIN_MAX_BYTES {
        wrong.push(max_length(SUBDOMAIN_MAX_BYTES));
    }
    if !text.strip_prefix("*.").is_some_and(is_subdomain) {
        let message = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
        wrong.push(regex_error(message, &format!(r"\*\.{SUBDOMAIN_FORMAT}"), &["*.example.com"]));
    }
    wrong
}

/// `IsConfigMapKey`: a key of a ConfigMap or Secret, which is also a file name.
pub fn config_map_key(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > SUBDOMAIN_MAX_BYTES {
        wrong.push(max_length(SUBDOMAIN_MAX_BYTES));
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        let message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
        wrong.push(regex_error(message, "[-._a-zA-Z0-9]+", &["key.name", "KEY_NAME", "key-name"]));
    }
    wrong.extend(parent_directory(text));
    wrong
}

/// `IsHTTPHeaderName`
pub fn http_header_name(text: &str) -> Vec<String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Vec::new();
    }
    let message = "a valid HTTP header must consist of alphanumeric characters or '-'";
    vec![regex_error(message, "[-A-Za-z0-9]+", &["X-Header-Name"])]
}

/// `IsValidPortName`: an IANA service name.
pub fn port_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 15 {
        wrong.push(max_length(15));
    }
    if text.is_empty() || !text.bytes().all(|b| lower_alphanumeric(b) || b == b'-') {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        wrong.push("must not contain consecutive hyphens".to_owned());
    }
    if !text.is_empty() && (text.starts_with('-') || text.ends_with('-')) {
        wrong.push("must not begin or end with a hyphen".to_owned());
    }
    wrong
}

/// `IsValidPortNum`
pub fn port_number(port: i64) -> Vec<String> {
    if (1..=65535).contains(&port) { Vec::new() } else { vec![inclusive_range(1, 65535)] }
}

/// `IsValidPercent`
pub fn percent(text: &str) -> Vec<String> {
    if text.strip_suffix('%').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
        return Vec::new();
    }
    let message = "a valid percent string must be a numeric string followed by an ending '%'";
    vec![regex_error(message, "[0-9]+%", &["1%", "93%"])]
}

/// `IsValidPathSegmentName`: names of RBAC objects, which only must fit into a path.
pub fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    path_segment_prefix(text)
}

/// `IsValidPathSegmentPrefix`: the beginning of such a name.
pub fn path_segment_prefix(text: &str) -> Vec<String> {
    ["/", "%"].iter().filter(|c| text.contains(**c)).map(|c| format!("may not contain '{c}'")).collect()
}
