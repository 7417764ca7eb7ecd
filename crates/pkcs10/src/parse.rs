//! From DER to a request (Go's `ParseCertificateRequest`).

use crate::key;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::prelude::FromDer;

/// Reads a request. Whether its signature holds is asked of [`crate::check_signature`].
///
/// # Errors
/// Go's words.
pub fn parse(der: &[u8]) -> Result<X509CertificationRequest<'_>, String> {
    let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| malformed(der).to_owned())?;
    if !rest.is_empty() {
        return Err("asn1: syntax error: trailing data".to_owned());
    }
    key::parse(&request.certification_request_info.subject_pki)?;
    if repeats_an_extension(&request) {
        return Err("x509: certificate request contains duplicate requested extensions".to_owned());
    }
    Ok(request)
}

/// Go's words for DER that does not parse.
fn malformed(der: &[u8]) -> &'static str {
    let is_complete = match der {
        [_, length, rest @ ..] if *length < 0x80 => rest.len() >= usize::from(*length),
        [_, 0x81, length, rest @ ..] => rest.len() >= usize::from(*length),
        [_, 0x82, high, low, rest @ ..] => rest.len() >= usize::from(u16::from_be_bytes([*high, *low])),
        _ => false,
    };
    if is_complete { "asn1: structure error: malformed request" } else { "asn1: syntax error: data truncated" }
}

fn repeats_an_extension(request: &X509CertificationRequest<'_>) -> bool {
    let mut seen = Vec::new();
    for attribute in request.certification_request_info.iter_attributes() {
        let ParsedCriAttribute::ExtensionRequest(requested) = attribute.parsed_attribute() else { continue };
        for extension in &requested.extensions {
            if seen.contains(&&extension.oid) {
                return true;
            }
            seen.push(&extension.oid);
        }
    }
    false
}
