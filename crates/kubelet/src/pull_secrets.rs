//! Which credentials of a pod's `imagePullSecrets` are for an image's registry (upstream's `credentialprovider`). Pure.
//!
//! What not: `config.json` of the node's own docker, and credential plugins.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use runtime::images::Reference;
use runtime::service::RegistryAuth;
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// One registry's entry in a docker configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    username: String,
    password: String,
    /// `user:password` in base64.
    auth: String,
}

#[derive(Debug, Deserialize)]
struct DockerConfig {
    auths: BTreeMap<String, Entry>,
}

/// The registry that images without a domain come from.
const DEFAULT_REGISTRY: &str = "docker.io";
/// Its name in docker's configuration.
const DEFAULT_REGISTRY_KEY: &str = "index.docker.io";

/// The credentials that may be for this image: those of the closest match first. None: nobody is asked to prove anything.
pub fn credentials(secrets: &[Secret], image: &str) -> Vec<RegistryAuth> {
    let Ok(reference) = Reference::parse(image) else { return Vec::new() };
    let name = reference.name();
    let mut found: Vec<(Reverse<String>, RegistryAuth)> = Vec::new();
    for (registry, entry) in secrets.iter().flat_map(entries) {
        let key = registry_key(&registry);
        let is_default = key == DEFAULT_REGISTRY_KEY && reference.domain == DEFAULT_REGISTRY;
        if !is_default && !matches(&key, &name) {
            continue;
        }
        if let Some(auth) = auth(entry) {
            found.push((Reverse(key), auth));
        }
    }
    // where one key comes twice, the order of the secrets decides
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.into_iter().map(|(_, auth)| auth).collect()
}

fn entries(secret: &Secret) -> BTreeMap<String, Entry> {
    let data = |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.as_slice());
    let parsed = match secret.type_.as_deref() {
        Some("kubernetes.io/dockerconfigjson") => data(".dockerconfigjson")
            .map(|bytes| serde_json::from_slice::<DockerConfig>(bytes).map(|config| config.auths)),
        Some("kubernetes.io/dockercfg") => data(".dockercfg").map(serde_json::from_slice),
        _ => None,
    };
    // what cannot be read is passed over, as upstream does
    parsed.and_then(Result::ok).unwrap_or_default()
}

fn auth(entry: Entry) -> Option<RegistryAuth> {
    if entry.auth.is_empty() {
        let Entry { username, password, .. } = entry;
        return (!username.is_empty()).then_some(RegistryAuth::Basic { username, password });
    }
    let text = String::from_utf8(STANDARD.decode(entry.auth.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some(RegistryAuth::Basic { username: username.to_owned(), password: password.to_owned() })
}

/// `https://host:port/v1/path` as `host:port/path`.
fn registry_key(registry: &str) -> String {
    let bare = registry.trim_start_matches("https://").trim_start_matches("http://");
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let path = path.strip_prefix("v1/").or_else(|| path.strip_prefix("v2/")).unwrap_or(path);
    if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") }
}

/// Upstream's `URLsMatch`: as many parts of the host, each equal or a pattern; the same port; a path that begins alike.
fn matches(key: &str, name: &str) -> bool {
    let (key_host, key_path) = key.split_once('/').unwrap_or((key, ""));
    let (host, path) = name.split_once('/').unwrap_or((name, ""));
    let split = |host: &str| {
        let (host, port) = host.rsplit_once(':').unwrap_or((host, ""));
        (host.split('.').map(str::to_owned).collect::<Vec<_>>(), port.to_owned())
    };
    let ((key_parts, key_port), (parts, port)) = (split(key_host), split(host));
    key_port == port
        && key_parts.len() == parts.len()
        && key_parts.iter().zip(&parts).all(|(pattern, part)| glob(pattern.as_bytes(), part.as_bytes()))
        && path.starts_with(key_path)
}

/// `*` for any characters, `?` for one. Whoever writes the secret writes the pattern: it may not cost more than the product of
/// both lengths, so only the last star is ever stretched.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(want) if *want == b'?' || *want == text[read] => (at, read) = (at + 1, read + 1),
            _ => {
                let Some((from, skipped)) = star else { return false };
                star = Some((from, skipped + 1));
                (at, read) = (from + 1, skipped + 1);
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret(auths: &serde_json::Value) -> Secret {
        let config = STANDARD.encode(json!({"auths": auths}).to_string());
        let secret = json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": config}});
        serde_json::from_value(secret).unwrap()
    }

    fn users(secrets: &[Secret], image: &str) -> String {
        let names = credentials(secrets, image).into_iter().map(|auth| match auth {
            RegistryAuth::Basic { username, password } => format!("{username}:{password}"),
            RegistryAuth::Token(token) => token,
        });
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_closest_match_comes_first() {
        let auths = json!({
            "registry.example": {"username": "all", "password": "1"},
            "https://registry.example/team/v2": {"auth": STANDARD.encode("team:a:b")},
            "*.example:5000": {"username": "port", "password": "2"},
            "https://index.docker.io/v1/": {"username": "hub", "password": "3"},
            "broken.example": {"auth": "%%"},
        });
        let other = secret(&json!({"registry.example": {"username": "second", "password": "4"}}));
        let secrets = [secret(&auths), other];
        for (image, want) in [
            ("registry.example/app", "all:1 second:4"),
            ("registry.example/team/v2/app:1", "team:a:b all:1 second:4"),
            ("r.example:5000/app", "port:2"),
            ("r.s.example:5000/app", ""),
            ("registry.example:5001/app", ""),
            ("nginx", "hub:3"),
            ("docker.io/me/app", "hub:3"),
            ("broken.example/app", ""),
            ("registry.example/v2ray/app", "all:1 second:4"),
            ("UPPER", ""),
        ] {
            assert_eq!(users(&secrets, image), want, "{image}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*bc", "abcbc", true),
            ("a*c", "acb", false),
            ("?b", "ab", true),
            ("?", "", false),
            ("ab", "abc", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), want, "{pattern} {text}");
        }
        assert!(!glob("*a".repeat(60).as_bytes(), "b".repeat(63).as_bytes()), "and it comes to an end");
    }

    #[test]
    fn the_old_form_and_what_is_neither() {
        let config = STANDARD.encode(json!({"registry.example": {"username": "u", "password": "p"}}).to_string());
        let mut secret: Secret =
            serde_json::from_value(json!({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": config}})).unwrap();
        assert_eq!(users(&[secret.clone()], "registry.example/app"), "u:p");
        secret.type_ = Some("Opaque".to_owned());
        assert_eq!(users(&[secret], "registry.example/app"), "");
    }
}
