//! Requests that openssl made, and the same with one bit turned.

use crate::{Proof, check_signature, parse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const REQUESTS: &str = include_str!("../testdata/requests.txt");
const ECDSA_FAILURE: &str = "x509: ECDSA verification failure";
const RSA_FAILURE: &str = "crypto/rsa: verification error";
const UNSUPPORTED: &str = "x509: cannot verify signature: algorithm unimplemented";

fn request(name: &str) -> Vec<u8> {
    let encoded = REQUESTS.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    STANDARD.decode(encoded.unwrap_or_else(|| panic!("no request {name}"))).unwrap()
}

fn verdict(der: &[u8]) -> Result<Proof, String> {
    check_signature(&parse(der)?)
}

/// The same request for another subject: the last letter of its name is changed.
fn forged(name: &str) -> Vec<u8> {
    let mut der = request(name);
    let common_name = [6, 3, 85, 4, 3];
    let at = der.windows(5).position(|bytes| bytes == common_name).unwrap();
    let length = usize::from(der[at + 6]);
    der[at + 6 + length] ^= 1;
    der
}

#[test]
fn signatures_of_every_kind_hold_and_forged_ones_do_not() {
    let holding = [
        ("prime256v1-sha1", ECDSA_FAILURE),
        ("prime256v1-sha256", ECDSA_FAILURE),
        ("prime256v1-sha512", ECDSA_FAILURE),
        ("secp384r1-sha1", ECDSA_FAILURE),
        ("secp384r1-sha384", ECDSA_FAILURE),
        ("secp521r1-sha1", ECDSA_FAILURE),
        ("secp521r1-sha256", ECDSA_FAILURE),
        ("secp521r1-sha512", ECDSA_FAILURE),
        ("rsa1024-sha1", RSA_FAILURE),
        ("rsa1024-sha256", RSA_FAILURE),
        ("rsa2048-sha384", RSA_FAILURE),
        ("pss32", RSA_FAILURE),
        ("ed25519", "x509: Ed25519 verification failure"),
    ];
    for (name, failure) in holding {
        assert_eq!(verdict(&request(name)), Ok(Proof::Holds), "{name}");
        assert_eq!(verdict(&forged(name)), Err(failure.to_owned()), "{name}");
    }
}

#[test]
fn what_go_verifies_and_we_cannot_is_neither_proof_nor_error() {
    for name in ["secp224r1-sha256", "rsa1024-sha384", "pss1024"] {
        assert_eq!(verdict(&request(name)), Ok(Proof::NotVerifiable), "{name}");
    }
}

#[test]
fn what_go_does_not_verify_is_refused_in_its_words() {
    let small = "crypto/rsa: 512-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)";
    let cases = [
        ("rsa512-sha256", small),
        ("rsa1024-md5", "x509: cannot verify signature: insecure algorithm MD5-RSA"),
        ("secp256k1-sha256", "x509: unsupported elliptic curve"),
        ("pss20", UNSUPPORTED),
        ("ed448", UNSUPPORTED),
    ];
    for (name, words) in cases {
        assert_eq!(verdict(&request(name)), Err(words.to_owned()), "{name}");
    }
}

#[test]
fn an_algorithm_of_another_key_is_named_with_the_key_that_is_there() {
    let mut der = request("prime256v1-sha256");
    // the last identifier in a request is that of its signature: ecdsa-with-SHA256, of eight bytes; Ed25519 has three
    let identifier = [6, 8, 42, 134, 72, 206, 61, 4, 3, 2];
    let at = der.windows(10).position(|bytes| bytes == identifier).unwrap();
    der.splice(at..at + 10, [6, 3, 43, 101, 112]);
    der[at - 1] -= 5;
    der[2] -= 5; // the whole: 30 81 LENGTH
    let words =
        "x509: signature algorithm specifies an Ed25519 public key, but have public key of type *ecdsa.PublicKey";
    assert_eq!(verdict(&der), Err(words.to_owned()));
}

#[test]
fn what_is_no_request_is_refused_before_its_signature() {
    let mut der = request("prime256v1-sha256");
    der.push(0);
    assert_eq!(verdict(&der), Err("asn1: syntax error: trailing data".to_owned()));
    der.truncate(40);
    assert_eq!(verdict(&der), Err("asn1: syntax error: data truncated".to_owned()));
    // a point that is not on the curve
    let mut der = request("prime256v1-sha256");
    let point = der.windows(4).position(|bytes| bytes == [3, 66, 0, 4]).unwrap();
    der[point + 5] ^= 1;
    assert_eq!(verdict(&der), Err("x509: failed to unmarshal elliptic curve point".to_owned()));
}
