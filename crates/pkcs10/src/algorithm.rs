//! The algorithms of signatures that Go knows (`signatureAlgorithmDetails`), and which of them a request names.

use ring::digest;
use x509_parser::der_parser::asn1_rs::{FromDer, Tag};
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::AlgorithmIdentifier;

/// What a key is for (Go's `PublicKeyAlgorithm`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    Rsa,
    Dsa,
    Ecdsa,
    Ed25519,
}

impl Family {
    /// How Go writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Dsa => "DSA",
            Self::Ecdsa => "ECDSA",
            Self::Ed25519 => "Ed25519",
        }
    }
}

/// What is signed in place of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hash {
    /// The message itself (Ed25519).
    None,
    /// Never verified.
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) fn digest(self) -> Option<&'static digest::Algorithm> {
        match self {
            Self::None | Self::Md5 => None,
            // Go verifies SHA-1 on requests, though no longer on certificates.
            Self::Sha1 => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha256 => Some(&digest::SHA256),
            Self::Sha384 => Some(&digest::SHA384),
            Self::Sha512 => Some(&digest::SHA512),
        }
    }
}

/// An algorithm of signatures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Algorithm {
    pub(crate) family: Family,
    pub(crate) hash: Hash,
    /// RSA with the padding PSS.
    pub(crate) pss: bool,
}

const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const ED25519: &str = "1.3.101.112";
/// Those that their identifier says all of.
const PLAIN: [(&str, Family, Hash); 12] = [
    ("1.2.840.113549.1.1.4", Family::Rsa, Hash::Md5),
    ("1.2.840.113549.1.1.5", Family::Rsa, Hash::Sha1),
    ("1.3.14.3.2.29", Family::Rsa, Hash::Sha1),
    ("1.2.840.113549.1.1.11", Family::Rsa, Hash::Sha256),
    ("1.2.840.113549.1.1.12", Family::Rsa, Hash::Sha384),
    ("1.2.840.113549.1.1.13", Family::Rsa, Hash::Sha512),
    ("1.2.840.10040.4.3", Family::Dsa, Hash::Sha1),
    ("2.16.840.1.101.3.4.3.2", Family::Dsa, Hash::Sha256),
    ("1.2.840.10045.4.1", Family::Ecdsa, Hash::Sha1),
    ("1.2.840.10045.4.3.2", Family::Ecdsa, Hash::Sha256),
    ("1.2.840.10045.4.3.3", Family::Ecdsa, Hash::Sha384),
    ("1.2.840.10045.4.3.4", Family::Ecdsa, Hash::Sha512),
];
/// The hashes of PSS, and the bytes of salt that each must come with.
const PSS: [(&str, Hash, u32); 3] = [
    ("2.16.840.1.101.3.4.2.1", Hash::Sha256, 32),
    ("2.16.840.1.101.3.4.2.2", Hash::Sha384, 48),
    ("2.16.840.1.101.3.4.2.3", Hash::Sha512, 64),
];

/// `getSignatureAlgorithmFromAI`: `None` for what Go does not know.
pub(crate) fn of(identifier: &AlgorithmIdentifier<'_>) -> Option<Algorithm> {
    let id = identifier.algorithm.to_id_string();
    match id.as_str() {
        ED25519 => {
            // RFC 8410: there are no parameters
            identifier.parameters.is_none().then_some(Algorithm {
                family: Family::Ed25519,
                hash: Hash::None,
                pss: false,
            })
        }
        RSA_PSS => pss(identifier),
        id => {
            let &(_, family, hash) = PLAIN.iter().find(|(known, ..)| *known == id)?;
            Some(Algorithm { family, hash, pss: false })
        }
    }
}

fn pss(identifier: &AlgorithmIdentifier<'_>) -> Option<Algorithm> {
    let parameters = RsaSsaPssParams::try_from(identifier.parameters.as_ref()?).ok()?;
    let hash = parameters.hash_algorithm_oid().to_id_string();
    let &(_, found, salt) = PSS.iter().find(|(known, ..)| *known == hash)?;
    let mask = parameters.mask_gen_algorithm().ok()?.hash.to_id_string();
    let agrees = mask == hash && parameters.salt_length() == salt && parameters.trailer_field() == 1;
    agrees.then_some(Algorithm { family: Family::Rsa, hash: found, pss: true })
}

/// Whether the parameters are there and `NULL`.
pub(crate) fn has_null(identifier: &AlgorithmIdentifier<'_>) -> bool {
    identifier.parameters.as_ref().is_some_and(|parameters| parameters.tag() == Tag::Null && parameters.data.is_empty())
}

/// An identifier that stands in the parameters: the curve of a key.
pub(crate) fn curve(identifier: &AlgorithmIdentifier<'_>) -> Option<String> {
    let parameters = identifier.parameters.as_ref()?;
    Some(parameters.clone().oid().ok()?.to_id_string())
}

/// The integers of a sequence, big-endian; `None` for anything else.
pub(crate) fn integers(der: &[u8]) -> Option<Vec<Vec<u8>>> {
    use x509_parser::der_parser::asn1_rs::{Integer, Sequence};
    let (rest, sequence) = Sequence::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let (mut content, mut found) = (sequence.content.as_ref().to_vec(), Vec::new());
    while !content.is_empty() {
        let (rest, integer) = Integer::from_der(&content).ok()?;
        found.push(integer.as_ref().to_vec());
        content = rest.to_vec();
    }
    Some(found)
}
