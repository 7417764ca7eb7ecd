//! The two documents by which others can check our tokens: OpenID's discovery and key set.

use certs::{Jwk, TokenVerifier};
use serde_json::{Value, json};

/// `/openid/v1/jwks`
pub fn jwks(verifier: &TokenVerifier) -> Value {
    json!({"keys": verifier.keys().iter().map(Jwk::to_value).collect::<Vec<_>>()})
}

/// `/.well-known/openid-configuration`. `jwks_uri` is where the key set can be got from outside.
pub fn openid_configuration(issuer: &str, jwks_uri: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}
