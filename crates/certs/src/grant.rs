//! Signing a certificate request as upstream's `PermissiveSigningPolicy` does: subject, key and names are the
//! request's, byte for byte; usages and validity are the signer's.
//!
//! Written out in DER here, because rcgen cannot hold a subject with several organizations, and groups are just that.

use crate::authority::generate;
use crate::request::{self, ParsedRequest};
use crate::{Authority, CertError, certificates_from_pem};
use rcgen::SigningKey;
use ring::rand::SecureRandom;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};
use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, DERWriterSeq, Tag, TagClass};

/// How far certificates reach back: upstream's `--cluster-signing` backdate.
const BACKDATE_SECONDS: i64 = 5 * 60;
/// Bytes of a serial number: RFC 5280 allows 20, upstream draws 128 bits.
const SERIAL_BYTES: usize = 16;

/// What the signer allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// `spec.usages` of the request, in Kubernetes' words; see [`is_known_usage`].
    pub usages: Vec<String>,
    /// For how long from now, in seconds. Never longer than the authority lives.
    pub validity_seconds: u64,
}

/// Bit of the extension keyUsage.
fn key_usage_bit(usage: &str) -> Option<usize> {
    Some(match usage {
        "signing" | "digital signature" => 0,
        "content commitment" => 1,
        "key encipherment" => 2,
        "data encipherment" => 3,
        "key agreement" => 4,
        "cert sign" => 5,
        "crl sign" => 6,
        "encipher only" => 7,
        "decipher only" => 8,
        _ => return None,
    })
}

/// OID of the extension extKeyUsage.
fn extended_usage(usage: &str) -> Option<&'static [u64]> {
    Some(match usage {
        "any" => &[2, 5, 29, 37, 0],
        "server auth" => &[1, 3, 6, 1, 5, 5, 7, 3, 1],
        "client auth" => &[1, 3, 6, 1, 5, 5, 7, 3, 2],
        "code signing" => &[1, 3, 6, 1, 5, 5, 7, 3, 3],
        "email protection" | "s/mime" => &[1, 3, 6, 1, 5, 5, 7, 3, 4],
        "ipsec end system" => &[1, 3, 6, 1, 5, 5, 7, 3, 5],
        "ipsec tunnel" => &[1, 3, 6, 1, 5, 5, 7, 3, 6],
        "ipsec user" => &[1, 3, 6, 1, 5, 5, 7, 3, 7],
        "timestamping" => &[1, 3, 6, 1, 5, 5, 7, 3, 8],
        "ocsp signing" => &[1, 3, 6, 1, 5, 5, 7, 3, 9],
        "microsoft sgc" => &[1, 3, 6, 1, 4, 1, 311, 10, 3, 3],
        "netscape sgc" => &[2, 16, 840, 1, 113_730, 4, 1],
        _ => return None,
    })
}

/// Whether `usage` is one of certificates.k8s.io's words.
pub fn is_known_usage(usage: &str) -> bool {
    key_usage_bit(usage).is_some() || extended_usage(usage).is_some()
}

const ECDSA_P256: &[u64] = &[1, 2, 840, 10045, 4, 3, 2];
const ECDSA_P384: &[u64] = &[1, 2, 840, 10045, 4, 3, 3];
const ED25519: &[u64] = &[1, 3, 101, 112];
const RSA_SHA256: &[u64] = &[1, 2, 840, 113_549, 1, 1, 11];

const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];
const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const AUTHORITY_KEY_ID: &[u64] = &[2, 5, 29, 35];

/// What is taken from the authority's certificate.
struct Signer {
    subject: Vec<u8>,
    key_id: Option<Vec<u8>>,
    not_after_seconds: i64,
}

impl Authority {
    /// Signs a request whose signature holds. Who may have which names is for the caller to decide beforehand, by
    /// [`crate::request_info`].
    ///
    /// # Errors
    /// [`CertError::Request`] for one that does not parse or an unknown usage, [`CertError::Generate`] when signing
    /// fails.
    pub fn sign_request(&self, request_pem: &str, grant: &Grant, now: jiff::Timestamp) -> Result<String, CertError> {
        let request = request::parse(request_pem)?;
        if !grant.usages.iter().all(|usage| is_known_usage(usage)) {
            return Err(CertError::Request("unrecognized usage"));
        }
        let mut serial = [0_u8; SERIAL_BYTES];
        let random = ring::rand::SystemRandom::new();
        random.fill(&mut serial).map_err(|_| CertError::Request("no random bytes"))?;
        let signer = signer(self.certificate_pem())?;
        let key = self.key();
        let algorithm = algorithm_oid(key)?;
        let body = to_be_signed(&request, grant, &signer, algorithm, &serial, now);
        let signature = key.sign(&body).map_err(generate(|| "signing a certificate request".to_owned()))?;
        let der = yasna::construct_der(|w| {
            w.write_sequence(|w| {
                w.next().write_der(&body);
                write_algorithm(w.next(), algorithm);
                w.next().write_bitvec_bytes(&signature, signature.len() * 8);
            });
        });
        Ok(pem("CERTIFICATE", &der))
    }
}

fn algorithm_oid(key: &rcgen::KeyPair) -> Result<&'static [u64], CertError> {
    let known = [
        (&rcgen::PKCS_ECDSA_P256_SHA256, ECDSA_P256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, ECDSA_P384),
        (&rcgen::PKCS_ED25519, ED25519),
        (&rcgen::PKCS_RSA_SHA256, RSA_SHA256),
    ];
    let found = known.iter().find(|(algorithm, _)| *algorithm == key.algorithm());
    found.map(|(_, oid)| *oid).ok_or(CertError::Request("the authority's key is of an unknown kind"))
}

fn signer(certificate_pem: &str) -> Result<Signer, CertError> {
    let all = certificates_from_pem(certificate_pem)?;
    let broken = || CertError::Parse { what: "the authority".to_owned() };
    let der = all.first().ok_or_else(broken)?;
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| broken())?;
    let key_id = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    });
    Ok(Signer {
        subject: certificate.subject().as_raw().to_vec(),
        key_id,
        not_after_seconds: certificate.validity().not_after.timestamp(),
    })
}

fn to_be_signed(
    request: &ParsedRequest,
    grant: &Grant,
    signer: &Signer,
    algorithm: &[u64],
    serial: &[u8],
    now: jiff::Timestamp,
) -> Vec<u8> {
    let validity = i64::try_from(grant.validity_seconds).unwrap_or(i64::MAX);
    let not_after = now.as_second().saturating_add(validity).min(signer.not_after_seconds);
    yasna::construct_der(|w| {
        w.write_sequence(|w| {
            w.next().write_tagged(Tag::context(0), |w| w.write_i8(2)); // version 3
            w.next().write_bigint_bytes(serial, true);
            write_algorithm(w.next(), algorithm);
            w.next().write_der(&signer.subject);
            w.next().write_sequence(|w| {
                write_time(w.next(), now.as_second().saturating_sub(BACKDATE_SECONDS));
                write_time(w.next(), not_after);
            });
            w.next().write_der(&request.subject);
            w.next().write_der(&request.public_key_info);
            w.next().write_tagged(Tag::context(3), |w| w.write_sequence(|w| extensions(w, request, grant, signer)));
        });
    })
}

fn extensions(w: &mut DERWriterSeq<'_>, request: &ParsedRequest, grant: &Grant, signer: &Signer) {
    let bits: Vec<usize> = grant.usages.iter().filter_map(|usage| key_usage_bit(usage)).collect();
    if !bits.is_empty() {
        extension(w.next(), KEY_USAGE, true, |w| write_bits(w, &bits));
    }
    let mut purposes: Vec<&[u64]> = grant.usages.iter().filter_map(|usage| extended_usage(usage)).collect();
    purposes.dedup();
    if !purposes.is_empty() {
        extension(w.next(), EXTENDED_KEY_USAGE, false, |w| {
            w.write_sequence(|w| purposes.iter().for_each(|oid| write_oid(w.next(), oid)));
        });
    }
    // not an authority: an empty sequence is `cA FALSE`
    extension(w.next(), BASIC_CONSTRAINTS, true, |w| w.write_sequence(|_| {}));
    if let Some(id) = &signer.key_id {
        extension(w.next(), AUTHORITY_KEY_ID, false, |w| {
            w.write_sequence(|w| w.next().write_tagged_implicit(Tag::context(0), |w| w.write_bytes(id)));
        });
    }
    if let Some(names) = &request.alt_names {
        extension(w.next(), SUBJECT_ALT_NAME, false, |w| w.write_der(names));
    }
}

fn extension(w: DERWriter<'_>, oid: &[u64], critical: bool, content: impl FnOnce(DERWriter<'_>)) {
    let content = yasna::construct_der(content);
    w.write_sequence(|w| {
        write_oid(w.next(), oid);
        if critical {
            w.next().write_bool(true);
        }
        w.next().write_bytes(&content);
    });
}

fn write_oid(w: DERWriter<'_>, oid: &[u64]) {
    w.write_oid(&ObjectIdentifier::from_slice(oid));
}

fn write_algorithm(w: DERWriter<'_>, oid: &[u64]) {
    w.write_sequence(|w| {
        write_oid(w.next(), oid);
        if oid == RSA_SHA256 {
            w.next().write_null(); // RFC 4055 wants it, ECDSA and Ed25519 forbid it
        }
    });
}

/// A BIT STRING of named bits: trailing zeros are left out, as DER demands.
fn write_bits(w: DERWriter<'_>, bits: &[usize]) {
    let length = bits.iter().max().map_or(0, |highest| highest + 1);
    let mut bytes = vec![0_u8; length.div_ceil(8)];
    bits.iter().for_each(|bit| bytes[bit / 8] |= 0x80 >> (bit % 8));
    w.write_bitvec_bytes(&bytes, length);
}

/// UTCTime until 2049, GeneralizedTime after (RFC 5280).
fn write_time(w: DERWriter<'_>, seconds: i64) {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_zoned(jiff::tz::TimeZone::UTC);
    let (tag_number, format) = if time.year() < 2050 { (23, "%y%m%d%H%M%SZ") } else { (24, "%Y%m%d%H%M%SZ") };
    let tag = Tag { tag_class: TagClass::Universal, tag_number };
    let text = time.strftime(format).to_string();
    w.write_tagged_implicit(tag, |w| w.write_bytes(text.as_bytes()));
}

/// Letters on a line of PEM text.
const PEM_LINE: usize = 64;

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem + &format!("-----END {label}-----\n")
}
