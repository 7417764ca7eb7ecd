//! What stands in a request and in a certificate: base64 of PEM of DER. Signatures are not looked at here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::{FromDer, X509Certificate, X509CertificationRequest};

/// A block of PEM.
struct Block {
    label: String,
    has_headers: bool,
    der: Option<Vec<u8>>,
}

/// The blocks of a text, whatever stands between them.
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
        if ended {
            found.push(Block { label: label.to_owned(), has_headers, der: STANDARD.decode(body).ok() });
        }
    }
    found
}

/// What keeps Go from reading a bundle of authorities: there must be one certificate at least.
pub(crate) fn check_authorities(encoded: &str) -> Result<(), &'static str> {
    let blocks = blocks(encoded);
    let fine = |block: &&Block| block.label == "CERTIFICATE" && !block.has_headers;
    let mut certificates = blocks.iter().filter(fine).filter_map(|block| block.der.as_deref());
    if certificates.any(|der| X509Certificate::from_der(der).is_ok()) {
        return Ok(());
    }
    Err("unable to load root certificates: unable to parse bytes as PEM block")
}

/// Go's words for DER that does not parse.
fn malformed(der: &[u8]) -> String {
    let content = match der {
        [_, length, rest @ ..] if *length < 0x80 => rest.len() >= usize::from(*length),
        [_, 0x81, length, rest @ ..] => rest.len() >= usize::from(*length),
        [_, 0x82, high, low, rest @ ..] => rest.len() >= usize::from(u16::from_be_bytes([*high, *low])),
        _ => false,
    };
    let why = if content { "structure error: malformed request" } else { "syntax error: data truncated" };
    format!("asn1: {why}")
}

/// Whether it is a PKCS#10 request.
pub(super) fn check_request(encoded: &str) -> Result<(), String> {
    let block = blocks(encoded).into_iter().next().filter(|block| block.label == "CERTIFICATE REQUEST");
    let Some(der) = block.and_then(|block| block.der) else {
        return Err("PEM block type must be CERTIFICATE REQUEST".to_owned());
    };
    match X509CertificationRequest::from_der(&der) {
        Ok(([], _)) => Ok(()),
        Ok(_) => Err("asn1: syntax error: trailing data".to_owned()),
        Err(_) => Err(malformed(&der)),
    }
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
        let mut rest = block.der.as_deref().unwrap_or_default();
        if rest.is_empty() {
            return Err("found CERTIFICATE PEM block containing 0 certificates".to_owned());
        }
        while !rest.is_empty() {
            rest = X509Certificate::from_der(rest).map_err(|_| "x509: malformed certificate".to_owned())?.0;
        }
    }
    if blocks.is_empty() { Err("must contain at least one CERTIFICATE PEM block".to_owned()) } else { Ok(()) }
}
