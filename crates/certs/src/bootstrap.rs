//! Bootstrap tokens (`abcdef.0123456789abcdef`) and the hash by which a joining node knows the cluster's authority.

use crate::{CertError, certificates_from_pem, identity};
use ring::rand::SecureRandom;
use std::fmt;
use std::str::FromStr;

const ID_LENGTH: usize = 6;
const SECRET_LENGTH: usize = 16;
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A token of the form `[a-z0-9]{6}\.[a-z0-9]{16}`.
#[derive(Clone, PartialEq, Eq)]
pub struct BootstrapToken {
    id: String,
    secret: String,
}

/// Why a text is no bootstrap token, or none could be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapTokenError {
    /// kubeadm's sentence.
    #[error("the bootstrap token {0:?} was not of the form \"\\\\A([a-z0-9]{{6}})\\\\.([a-z0-9]{{16}})\\\\z\"")]
    Form(String),
    /// The system's random source failed.
    #[error("no random bytes")]
    Random,
}

impl BootstrapToken {
    /// A new random token.
    ///
    /// # Errors
    /// [`BootstrapTokenError::Random`] when the system's random source fails.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, BootstrapTokenError> {
        let text = random_text(random, ID_LENGTH + SECRET_LENGTH)?;
        let (id, secret) = text.split_at(ID_LENGTH);
        Ok(Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// The public half: names the secret `bootstrap-token-<id>` and the user `system:bootstrap:<id>`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The private half.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl FromStr for BootstrapToken {
    type Err = BootstrapTokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |part: &str, length| part.len() == length && part.bytes().all(|byte| ALPHABET.contains(&byte));
        match text.split_once('.') {
            Some((id, secret)) if fits(id, ID_LENGTH) && fits(secret, SECRET_LENGTH) => {
                Ok(Self { id: id.to_owned(), secret: secret.to_owned() })
            }
            _ => Err(BootstrapTokenError::Form(text.to_owned())),
        }
    }
}

impl fmt::Display for BootstrapToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id, self.secret)
    }
}

/// Prints the id alone: secrets stay out of logs.
impl fmt::Debug for BootstrapToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BootstrapToken({}.…)", self.id)
    }
}

/// Uniform text over the token alphabet: bytes at and above 252 (the largest multiple of 36) are thrown away.
fn random_text(random: &dyn SecureRandom, length: usize) -> Result<String, BootstrapTokenError> {
    const UNBIASED: u8 = 252;
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        random.fill(&mut bytes).map_err(|_| BootstrapTokenError::Random)?;
        let letters =
            bytes.iter().filter(|byte| **byte < UNBIASED).map(|byte| char::from(ALPHABET[usize::from(byte % 36)]));
        text.extend(letters.take(length - text.len()));
    }
    Ok(text)
}

/// kubeadm's `--discovery-token-ca-cert-hash` of the first certificate of a bundle: `sha256:<hex of the SPKI's digest>`.
///
/// # Errors
/// [`CertError::Parse`] when there is no certificate.
pub fn ca_cert_hash(ca_pem: &str) -> Result<String, CertError> {
    // `certificates_from_pem` never gives an empty list.
    Ok(ca_cert_hashes(ca_pem)?.swap_remove(0))
}

/// The hashes of all certificates of a bundle, in order.
///
/// # Errors
/// [`CertError::Parse`] when there is no certificate.
pub fn ca_cert_hashes(ca_pem: &str) -> Result<Vec<String>, CertError> {
    certificates_from_pem(ca_pem)?
        .iter()
        .map(|der| {
            let info = identity::public_key_info(der)?;
            Ok(format!("sha256:{}", hex::encode(ring::digest::digest(&ring::digest::SHA256, &info))))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, good) in [
            ("abcdef.0123456789abcdef", true),
            ("abcdef.0123456789abcdeF", false),
            ("abcde.0123456789abcdef", false),
            ("abcdef0123456789abcdef", false),
            ("abcdef.0123456789abcdef0", false),
            ("äcdef.0123456789abcdef", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<BootstrapToken>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_generated_token_has_the_form_and_keeps_its_secret_out_of_logs() {
        let token = BootstrapToken::generate(&ring::rand::SystemRandom::new()).unwrap();
        assert_eq!(token.to_string().parse::<BootstrapToken>().unwrap(), token);
        assert!(!format!("{token:?}").contains(token.secret()));
    }
}
