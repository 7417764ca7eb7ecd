//! Signed tokens (JWS compact form, ES256) with the cluster's service-account keys. Claims are opaque here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde_json::{Value, json};

/// The DER before the 65 bytes of an uncompressed P-256 point: SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING }.
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed P-256 point: 4, x, y.
const P256_POINT_LENGTH: usize = 65;

/// Why a key cannot be used or a token is not accepted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JwtError {
    /// Not a P-256 key in PKCS #8 (private) or SPKI (public) PEM.
    #[error("not an ECDSA P-256 key in PEM form")]
    Key,
    /// Signing failed: no random bytes.
    #[error("signing failed")]
    Sign,
    /// Not three base64url parts with JSON in the first two.
    #[error("not a JSON web token")]
    Form,
    /// Another algorithm than ES256.
    #[error("the token's algorithm is not ES256")]
    Algorithm,
    /// No key of ours signed it.
    #[error("the token's signature does not verify")]
    Signature,
}

/// One public key, as `/openid/v1/jwks` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// base64url of the SHA-256 of the SPKI, as upstream computes it.
    pub key_id: String,
    point: Vec<u8>,
}

impl Jwk {
    fn new(point: &[u8]) -> Result<Self, JwtError> {
        if point.len() != P256_POINT_LENGTH || point[0] != 4 {
            return Err(JwtError::Key);
        }
        let info = [&P256_SPKI_PREFIX[..], point].concat();
        let digest = ring::digest::digest(&ring::digest::SHA256, &info);
        Ok(Self { key_id: URL_SAFE_NO_PAD.encode(digest), point: point.to_vec() })
    }

    /// The key in a `PUBLIC KEY` block.
    fn from_pem(pem: &str) -> Result<Self, JwtError> {
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| JwtError::Key)?;
        Self::new(info.strip_prefix(&P256_SPKI_PREFIX[..]).ok_or(JwtError::Key)?)
    }

    /// RFC 7517's form.
    pub fn to_value(&self) -> Value {
        let half = |range| URL_SAFE_NO_PAD.encode::<&[u8]>(&self.point[range]);
        json!({
            "use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256",
            "x": half(1..33), "y": half(33..65),
        })
    }
}

/// Signs tokens with `sa.key`.
#[derive(Debug)]
pub struct TokenSigner {
    key: EcdsaKeyPair,
    jwk: Jwk,
    random: SystemRandom,
}

impl TokenSigner {
    /// From a `PRIVATE KEY` block.
    ///
    /// # Errors
    /// [`JwtError::Key`]
    pub fn from_pem(key_pem: &str) -> Result<Self, JwtError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|_| JwtError::Key)?;
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random)
            .map_err(|_| JwtError::Key)?;
        let jwk = Jwk::new(key.public_key().as_ref())?;
        Ok(Self { key, jwk, random })
    }

    /// The public half.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The compact form of `claims`, signed.
    ///
    /// # Errors
    /// [`JwtError::Sign`]
    pub fn sign(&self, claims: &Value) -> Result<String, JwtError> {
        let header = json!({"alg": "ES256", "kid": self.jwk.key_id});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).map_err(|_| JwtError::Sign)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }
}

/// Verifies tokens with one or more public keys (several after a key rotation).
#[derive(Clone, Debug, Default)]
pub struct TokenVerifier {
    keys: Vec<Jwk>,
}

impl TokenVerifier {
    /// A verifier with these keys.
    pub fn new(keys: impl IntoIterator<Item = Jwk>) -> Self {
        Self { keys: keys.into_iter().collect() }
    }

    /// From `PUBLIC KEY` blocks, one per text.
    ///
    /// # Errors
    /// [`JwtError::Key`]
    pub fn from_pems<'a>(pems: impl IntoIterator<Item = &'a str>) -> Result<Self, JwtError> {
        Ok(Self { keys: pems.into_iter().map(Jwk::from_pem).collect::<Result<_, _>>()? })
    }

    /// The keys, for `/openid/v1/jwks`.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The claims of a token, without any check, to look at its issuer before the costly verification.
    ///
    /// # Errors
    /// [`JwtError::Form`]
    pub fn peek(token: &str) -> Result<Value, JwtError> {
        let mut parts = token.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(claims), Some(_), None) => decode(claims),
            _ => Err(JwtError::Form),
        }
    }

    /// The claims of a token whose signature verifies. Whether they hold now is the caller's to say.
    ///
    /// # Errors
    /// [`JwtError::Form`], [`JwtError::Algorithm`], [`JwtError::Signature`]
    pub fn verify(&self, token: &str) -> Result<Value, JwtError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Form)?;
        let header = decode(header)?;
        if header["alg"] != "ES256" {
            return Err(JwtError::Algorithm);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtError::Form)?;
        // The header's key id only orders the attempts: a wrong one must not lock out a good signature (upstream's rule).
        let named = |key: &&Jwk| header["kid"] == *key.key_id;
        let (first, rest): (Vec<&Jwk>, Vec<&Jwk>) = self.keys.iter().partition(named);
        let good = first.iter().chain(&rest).any(|key| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.point).verify(signed.as_bytes(), &signature).is_ok()
        });
        if good { decode(claims) } else { Err(JwtError::Signature) }
    }
}

fn decode(part: &str) -> Result<Value, JwtError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Form)?;
    serde_json::from_slice(&bytes).map_err(|_| JwtError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> TokenSigner {
        TokenSigner::from_pem(&rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap()
    }

    #[test]
    fn a_signed_token_verifies_with_its_key_only() {
        let (one, two) = (signer(), signer());
        let token = one.sign(&json!({"sub": "x"})).unwrap();
        let both = TokenVerifier::new([two.jwk().clone(), one.jwk().clone()]);
        assert_eq!(both.verify(&token).unwrap(), json!({"sub": "x"}));
        assert_eq!(TokenVerifier::new([two.jwk().clone()]).verify(&token), Err(JwtError::Signature));
    }

    #[test]
    fn changed_tokens_are_refused() {
        let signer = signer();
        let verifier = TokenVerifier::new([signer.jwk().clone()]);
        let token = signer.sign(&json!({"sub": "x"})).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(r#"{"sub":"y"}"#);
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        for (text, error) in [
            (format!("{}.{other}.{}", parts[0], parts[2]), JwtError::Signature),
            (format!("{none}.{}.{}", parts[1], parts[2]), JwtError::Algorithm),
            (format!("{none}.{}.", parts[1]), JwtError::Algorithm),
            (format!("{}.{}", parts[0], parts[1]), JwtError::Form),
            ("garbage".to_owned(), JwtError::Form),
            (String::new(), JwtError::Form),
        ] {
            assert_eq!(verifier.verify(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_public_file_names_the_same_key() {
        let key = rcgen::KeyPair::generate().unwrap();
        let signer = TokenSigner::from_pem(&key.serialize_pem()).unwrap();
        let verifier = TokenVerifier::from_pems([key.public_key_pem().as_str()]).unwrap();
        assert_eq!(verifier.keys(), [signer.jwk().clone()]);
    }
}
