//! Whether who made a request has the key that it is for (Go's `CheckSignature`).

use crate::algorithm::{self, Algorithm, Hash};
use crate::key::{self, Key};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use ring::digest::digest;
use ring::signature::{self as rsa, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::certification_request::X509CertificationRequest;

/// What a signature proves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// It holds.
    Holds,
    /// Go verifies such a key and we cannot (P-224; RSA beyond what `ring` does). The API accepts the request, since
    /// Go would; nobody signs it.
    NotVerifiable,
}

const UNSUPPORTED: &str = "x509: cannot verify signature: algorithm unimplemented";
const RSA_FAILURE: &str = "crypto/rsa: verification error";
const ECDSA_FAILURE: &str = "x509: ECDSA verification failure";
/// RSA keys of fewer bits are not verified with.
const RSA_BITS_MIN: usize = 1024;
/// Of so many bits on, `ring` has all hashes.
const RSA_BITS_ALL: usize = 2048;
/// The longest that `ring` verifies with.
const RSA_BITS_MAX: usize = 8192;

/// Checks the signature of a request by the key in it.
///
/// # Errors
/// Go's words.
pub fn check_signature(request: &X509CertificationRequest<'_>) -> Result<Proof, String> {
    let info = &request.certification_request_info;
    let algorithm = algorithm::of(&request.signature_algorithm).ok_or(UNSUPPORTED)?;
    if algorithm.hash == Hash::Md5 {
        return Err("x509: cannot verify signature: insecure algorithm MD5-RSA".to_owned());
    }
    let key = key::parse(&info.subject_pki)?;
    let (family, name) = key.kind().ok_or(UNSUPPORTED)?;
    if family != algorithm.family {
        let expected = algorithm.family.name();
        return Err(format!(
            "x509: signature algorithm specifies an {expected} public key, but have public key of type {name}"
        ));
    }
    let (message, signature) = (info.raw, request.signature_value.data.as_ref());
    match &key {
        Key::Rsa(key, bits) => verify_rsa(algorithm, key, *bits, message, signature),
        Key::P256(key) => {
            let held = p256::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify_prehash(&hashed::<32>(algorithm, message), &signature).is_ok());
            ecdsa(held)
        }
        Key::P384(key) => {
            let held = p384::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify_prehash(&hashed::<48>(algorithm, message), &signature).is_ok());
            ecdsa(held)
        }
        Key::P521(key) => {
            let held = p521::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify_prehash(&hashed::<66>(algorithm, message), &signature).is_ok());
            ecdsa(held)
        }
        Key::P224 => Ok(Proof::NotVerifiable),
        Key::Ed25519(key) => {
            let held = UnparsedPublicKey::new(&rsa::ED25519, key).verify(message, signature);
            held.map(|()| Proof::Holds).map_err(|_| "x509: Ed25519 verification failure".to_owned())
        }
        Key::Dsa | Key::Unknown => Err(UNSUPPORTED.to_owned()),
    }
}

fn ecdsa(held: bool) -> Result<Proof, String> {
    if held { Ok(Proof::Holds) } else { Err(ECDSA_FAILURE.to_owned()) }
}

/// The digest of a message as a number of `BYTES` bytes at least, those of the curve: a short one is padded on the left.
fn hashed<const BYTES: usize>(algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
    let digest = algorithm.hash.digest().map(|hash| digest(hash, message));
    let digest = digest.as_ref().map(AsRef::as_ref).unwrap_or_default();
    let mut padded = vec![0; BYTES.saturating_sub(digest.len())];
    padded.extend_from_slice(digest);
    padded
}

fn verify_rsa(
    algorithm: Algorithm,
    key: &[u8],
    bits: usize,
    message: &[u8],
    signature: &[u8],
) -> Result<Proof, String> {
    if bits < RSA_BITS_MIN {
        let see = "see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size";
        return Err(format!("crypto/rsa: {bits}-bit keys are insecure ({see})"));
    }
    let Some(verifier) = rsa_verifier(algorithm, bits) else { return Ok(Proof::NotVerifiable) };
    let held = UnparsedPublicKey::new(verifier, key).verify(message, signature);
    held.map(|()| Proof::Holds).map_err(|_| RSA_FAILURE.to_owned())
}

fn rsa_verifier(algorithm: Algorithm, bits: usize) -> Option<&'static dyn VerificationAlgorithm> {
    if bits > RSA_BITS_MAX {
        return None;
    }
    let short = bits < RSA_BITS_ALL;
    Some(match (algorithm.pss, algorithm.hash) {
        (false, Hash::Sha1) => &rsa::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (false, Hash::Sha256) => &rsa::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (false, Hash::Sha512) => &rsa::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (false, Hash::Sha384) if !short => &rsa::RSA_PKCS1_2048_8192_SHA384,
        (true, Hash::Sha256) if !short => &rsa::RSA_PSS_2048_8192_SHA256,
        (true, Hash::Sha384) if !short => &rsa::RSA_PSS_2048_8192_SHA384,
        (true, Hash::Sha512) if !short => &rsa::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}
