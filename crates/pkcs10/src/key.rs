//! The keys of requests (Go's `parsePublicKey`).

use crate::algorithm::{Family, curve, has_null, integers};
use x509_parser::x509::SubjectPublicKeyInfo;

const RSA: &str = "1.2.840.113549.1.1.1";
const DSA: &str = "1.2.840.10040.4.1";
const ECDSA: &str = "1.2.840.10045.2.1";
const ED25519: &str = "1.3.101.112";
const P224: &str = "1.3.132.0.33";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const P521: &str = "1.3.132.0.35";
/// Bytes of a key of Ed25519.
const ED25519_BYTES: usize = 32;

/// A key that Go reads.
#[derive(Debug)]
pub(crate) enum Key {
    /// The key as DER, and the bits of its modulus.
    Rsa(Vec<u8>, usize),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    P521(Box<p521::ecdsa::VerifyingKey>),
    /// A curve that Go has and we have not.
    P224,
    Ed25519(Vec<u8>),
    /// What Go reads and never verifies with.
    Dsa,
    /// What Go does not look at.
    Unknown,
}

impl Key {
    /// Its family and how Go writes its type, if Go verifies with it.
    pub(crate) fn kind(&self) -> Option<(Family, &'static str)> {
        match self {
            Self::Rsa(..) => Some((Family::Rsa, "*rsa.PublicKey")),
            Self::P224 | Self::P256(_) | Self::P384(_) | Self::P521(_) => Some((Family::Ecdsa, "*ecdsa.PublicKey")),
            Self::Ed25519(_) => Some((Family::Ed25519, "ed25519.PublicKey")),
            Self::Dsa | Self::Unknown => None,
        }
    }
}

/// Reads the key of a request.
///
/// # Errors
/// Go's words.
pub(crate) fn parse(info: &SubjectPublicKeyInfo<'_>) -> Result<Key, &'static str> {
    let bytes = info.subject_public_key.data.as_ref();
    match info.algorithm.algorithm.to_id_string().as_str() {
        RSA if !has_null(&info.algorithm) => Err("x509: RSA key missing NULL parameters"),
        RSA => rsa(bytes),
        ECDSA => ecdsa(curve(&info.algorithm).as_deref(), bytes),
        ED25519 if info.algorithm.parameters.is_some() => Err("x509: Ed25519 key encoded with illegal parameters"),
        ED25519 if bytes.len() != ED25519_BYTES => Err("x509: wrong Ed25519 public key size"),
        ED25519 => Ok(Key::Ed25519(bytes.to_vec())),
        DSA => Ok(Key::Dsa),
        _ => Ok(Key::Unknown),
    }
}

fn rsa(bytes: &[u8]) -> Result<Key, &'static str> {
    let integers = integers(bytes).ok_or("x509: invalid RSA public key")?;
    let [modulus, exponent, ..] = &integers[..] else { return Err("x509: invalid RSA public key") };
    let is_positive =
        |number: &[u8]| number.first().is_some_and(|byte| *byte < 0x80) && number.iter().any(|byte| *byte > 0);
    if !is_positive(modulus) {
        return Err("x509: RSA modulus is not a positive number");
    }
    if !is_positive(exponent) {
        return Err("x509: RSA public exponent is not a positive number");
    }
    let leading: usize = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(leading).copied().unwrap_or_default();
    let bits = (modulus.len() - leading) * 8 - first.leading_zeros() as usize;
    Ok(Key::Rsa(bytes.to_vec(), bits))
}

fn ecdsa(curve: Option<&str>, point: &[u8]) -> Result<Key, &'static str> {
    let curve = curve.ok_or("x509: invalid ECDSA parameters")?;
    // Go reads points that are written in full
    let is_full = point.first() == Some(&4);
    let read = match curve {
        P224 => return Ok(Key::P224),
        P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map(|key| Key::P256(Box::new(key))).ok(),
        P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map(|key| Key::P384(Box::new(key))).ok(),
        P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map(|key| Key::P521(Box::new(key))).ok(),
        _ => return Err("x509: unsupported elliptic curve"),
    };
    read.filter(|_| is_full).ok_or("x509: failed to unmarshal elliptic curve point")
}
