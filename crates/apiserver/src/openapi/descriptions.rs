//! The descriptions that `build.rs` collected, by definition and field.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

static TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/descriptions.txt"));

/// Where in [`TEXT`] the lines of each definition are.
static PLACES: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let mut places = HashMap::new();
    for block in TEXT.split("\n=") {
        let block = block.strip_prefix('=').unwrap_or(block);
        if let Some((name, _)) = block.split_once('\t') {
            places.insert(name, block);
        }
    }
    places
});

/// `apiVersion` of every object; the generated sources leave it out.
pub(super) const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
/// `kind` of every object.
pub(super) const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

/// The description of a type.
pub(super) fn of_type(definition: &str) -> Option<Cow<'static, str>> {
    let block = PLACES.get(definition)?;
    let line = block.lines().next()?;
    unescape(line.split_once('\t')?.1)
}

/// The description of a field; `of_object` says whether the type is an object of its own.
pub(super) fn of_field(definition: &str, field: &str, of_object: bool) -> Option<Cow<'static, str>> {
    if of_object && field == "apiVersion" {
        return Some(Cow::Borrowed(API_VERSION));
    }
    if of_object && field == "kind" {
        return Some(Cow::Borrowed(KIND));
    }
    let block = PLACES.get(definition)?;
    let line =
        block.lines().skip(1).find_map(|line| line.strip_prefix(' ')?.strip_prefix(field)?.strip_prefix('\t'))?;
    unescape(line)
}

fn unescape(text: &'static str) -> Option<Cow<'static, str>> {
    if text.is_empty() {
        return None;
    }
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.push(if characters.next() == Some('n') { '\n' } else { '\\' }),
            other => plain.push(other),
        }
    }
    Some(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_fields_have_their_words() {
        let containers = of_field("io.k8s.api.core.v1.PodSpec", "containers", false).unwrap();
        assert!(containers.starts_with("List of containers belonging to the pod."), "{containers}");
        let host_ip = of_field("io.k8s.api.core.v1.ContainerPort", "hostIP", false).unwrap();
        assert_eq!(host_ip, "What host IP to bind the external port to.");
        let port = of_field("io.k8s.api.core.v1.ContainerPort", "containerPort", false).unwrap();
        assert!(port.contains("0 < x < 65536"), "{port}");
        assert!(of_type("io.k8s.api.core.v1.Pod").unwrap().starts_with("Pod is a collection of containers"));
        assert!(of_type("io.k8s.apimachinery.pkg.api.resource.Quantity").unwrap().contains('\n'));
        assert!(of_field("io.k8s.api.core.v1.Pod", "kind", true).unwrap().starts_with("Kind is"));
        assert!(of_type("io.k8s.api.core.v1.Nothing").is_none());
        assert!(of_field("io.k8s.api.core.v1.JSONSchemaProps", "$ref", false).is_none());
    }
}
