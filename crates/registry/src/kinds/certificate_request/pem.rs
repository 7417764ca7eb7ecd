//! What stands in a request and in a certificate: base64 of PEM of DER. A request's signature must hold (`pkcs10`), a
//! certificate's is its signer's matter.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A block of PEM.
struct Block {
    label: String,
    has_headers: bool,
    der: Vec<u8>,
}

/// The blocks of a text, whatever stands between them. Like Go, what does not decode is no block.
fn blocks(encoded: &str) -> Vec<Block> {
    let text = STANDARD.decode(encoded).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.trim_end().strip_suffix("-----"))
        else {
            continue;
        };
        let (mut body, mut has_headers, mut ended) = (String::new(), false, false);
        for line in lines.by_ref() {
            if line.starts_with("-----END ") {
                ended = line.trim_end() == format!("-----END {label}-----");
                break;
            }
            if line.contains(':') {
                has_headers = true;
            } else {
                body.push_str(line.trim());
            }
        }
        if ended && let Ok(der) = STANDARD.decode(body) {
            found.push(Block { label: label.to_owned(), has_headers, der });
        }
    }
    found
}

/// What keeps Go from reading a bundle of authorities: there must be one certificate at least.
pub(crate) fn check_authorities(encoded: &str) -> Result<(), &'static str> {
    let blocks = blocks(encoded);
    let fine = |block: &&Block| block.label == "CERTIFICATE" && !block.has_headers;
    let mut certificates = blocks.iter().filter(fine).map(|block| &block.der[..]);
    if certificates.any(|der| X509Certificate::from_der(der).is_ok()) {
        return Ok(());
    }
    Err("unable to load root certificates: unable to parse bytes as PEM block")
}

/// Whether it is a PKCS#10 request of someone who has the key.
pub(super) fn check_request(encoded: &str) -> Result<(), String> {
    let block = blocks(encoded).into_iter().next().filter(|block| block.label == "CERTIFICATE REQUEST");
    let Some(block) = block else {
        return Err("PEM block type must be CERTIFICATE REQUEST".to_owned());
    };
    // Where Go could tell and we cannot, the request stands: no signer of ours takes it.
    pkcs10::check_signature(&pkcs10::parse(&block.der)?).map(|_proof| ())
}

/// Whether it is nothing, or certificates and nothing else.
pub(super) fn check_certificates(encoded: &str) -> Result<(), String> {
    if encoded.is_empty() {
        return Ok(());
    }
    let blocks = blocks(encoded);
    for block in &blocks {
        if block.label != "CERTIFICATE" {
            let label = api::field::go_quote(&block.label);
            return Err(format!("only CERTIFICATE PEM blocks are allowed, found {label}"));
        }
        if block.has_headers {
            return Err("no PEM block headers are permitted".to_owned());
        }
        let mut rest = &block.der[..];
        if rest.is_empty() {
            return Err("found CERTIFICATE PEM block containing 0 certificates".to_owned());
        }
        while !rest.is_empty() {
            rest = X509Certificate::from_der(rest).map_err(|_| "x509: malformed certificate".to_owned())?.0;
        }
    }
    if blocks.is_empty() { Err("must contain at least one CERTIFICATE PEM block".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: &str = include_str!("../../../../pkcs10/testdata/requests.txt");

    fn encoded(der: &str) -> String {
        STANDARD.encode(format!("-----BEGIN CERTIFICATE REQUEST-----\n{der}\n-----END CERTIFICATE REQUEST-----\n"))
    }

    #[test]
    fn a_request_is_of_someone_who_has_the_key() {
        let found = REQUESTS.lines().find_map(|line| line.strip_prefix("prime256v1-sha256 "));
        let request = found.unwrap().to_owned();
        assert_eq!(check_request(&encoded(&request)), Ok(()));
        // the last byte of the subject's name, one letter on
        let mut der = STANDARD.decode(&request).unwrap();
        let name = der.windows(10).position(|bytes| bytes == b"prime256v1").unwrap();
        der[name + 9] = b'2';
        let forged = encoded(&STANDARD.encode(der));
        assert_eq!(check_request(&forged), Err("x509: ECDSA verification failure".to_owned()));
    }

    #[test]
    fn what_does_not_decode_is_no_block() {
        assert_eq!(check_request(&encoded("%")), Err("PEM block type must be CERTIFICATE REQUEST".to_owned()));
        let broken = STANDARD.encode("-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n");
        assert_eq!(check_certificates(&broken), Err("must contain at least one CERTIFICATE PEM block".to_owned()));
    }
}
