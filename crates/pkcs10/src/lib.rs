//! Certificate requests (PKCS #10), as Go's `crypto/x509` reads and verifies them: what the API server accepts and what
//! the signers sign are one question, answered here in Go's words.
//!
//! PEM and base64 are the callers'; so is what a request asks for.

mod algorithm;
mod key;
mod parse;
mod signature;

pub use parse::parse;
pub use signature::{Proof, check_signature};
pub use x509_parser::certification_request::X509CertificationRequest;

#[cfg(test)]
mod tests;
