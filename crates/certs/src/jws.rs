//! Detached JWS (HS256) with a bootstrap token as key: how the configMap `cluster-info` proves to a joining node that
//! its writer knows the node's token (`k8s.io/cluster-bootstrap/token/jws`).

use crate::BootstrapToken;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

/// The signature of `content`: `<header>..<signature>`, the content itself left out.
pub fn detached_signature(content: &str, token: &BootstrapToken) -> String {
    // the token's alphabet needs no escapes
    let header = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"HS256\",\"kid\":\"{}\"}}", token.id()));
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(content));
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.secret().as_bytes());
    format!("{header}..{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}

/// Whether `signature` is what the holder of `token` writes under `content`.
pub fn is_detached_signature(signature: &str, content: &str, token: &BootstrapToken) -> bool {
    let own = detached_signature(content, token);
    let (Some((own_header, own_signature)), Some((header, signature))) =
        (own.split_once(".."), signature.split_once(".."))
    else {
        return false;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.secret().as_bytes());
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(content));
    // compared in constant time by the library; the header says nothing secret
    header == own_header && !own_signature.is_empty() && hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header is to the letter what go-jose writes, since upstream compares the whole text.
    #[test]
    fn the_header_is_go_joses() {
        let token: BootstrapToken = "joshua.0123456789abcdef".parse().unwrap();
        let signature = detached_signature("Hello from the other side. I must have called a thousand times.", &token);
        let (header, rest) = signature.split_once("..").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(header).unwrap(), br#"{"alg":"HS256","kid":"joshua"}"#);
        assert_eq!(rest.len(), 43);
    }

    #[test]
    fn only_the_same_content_and_token_verify() {
        let token: BootstrapToken = "abcdef.0123456789abcdef".parse().unwrap();
        let other: BootstrapToken = "abcdef.0123456789abcdeg".parse().unwrap();
        let signature = detached_signature("kubeconfig", &token);
        assert!(is_detached_signature(&signature, "kubeconfig", &token));
        assert!(!is_detached_signature(&signature, "kubeconfig ", &token));
        assert!(!is_detached_signature(&signature, "kubeconfig", &other));
        assert!(!is_detached_signature("", "kubeconfig", &token));
        assert!(!is_detached_signature(&signature.replace("..", "."), "kubeconfig", &token));
    }
}
