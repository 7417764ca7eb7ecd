//! A certificate once more, with a new key and another year: kubeadm's `certs renew`. What it says of its holder stays.

use crate::pki::VALIDITY_SECONDS;
use crate::{Authority, CertError, Issue, KeyCertificate, certificate_info};

/// What takes the place of the first certificate in `pem`: the same subject, names and usage, signed by `authority`.
///
/// # Errors
/// [`CertError::Renew`] for one that cannot be said again.
pub fn renewed(pem: &str, authority: &Authority, now: jiff::Timestamp) -> Result<KeyCertificate, CertError> {
    let info = certificate_info(pem)?;
    let refuse = |reason| CertError::Renew { name: info.common_name.clone(), reason };
    let usage = info.usage.ok_or_else(|| refuse("neither a client's nor a server's certificate"))?;
    if info.organizations.len() > 1 {
        return Err(refuse("a certificate of several organizations"));
    }
    let issue = Issue {
        common_name: info.common_name.clone(),
        organization: info.organizations.first().cloned(),
        alt_names: info.alt_names.clone(),
        usage,
        validity_seconds: VALIDITY_SECONDS,
    };
    authority.issue(&issue, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Usage;

    #[test]
    fn only_time_and_key_change() {
        let (then, now) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-06-01T00:00:00Z".parse().unwrap());
        let authority = Authority::create("ca", 10 * VALIDITY_SECONDS, then).unwrap();
        for (usage, organization) in
            [(Usage::Client, Some("group")), (Usage::Server, None), (Usage::ServerAndClient, None)]
        {
            let issue = Issue {
                common_name: "name".to_owned(),
                organization: organization.map(str::to_owned),
                alt_names: vec!["localhost".to_owned(), "10.0.0.1".to_owned()],
                usage,
                validity_seconds: VALIDITY_SECONDS,
            };
            let old = authority.issue(&issue, then).unwrap();
            let new = renewed(&old.certificate_pem, &authority, now).unwrap();
            assert_ne!(old.key_pem, new.key_pem);
            let info = |pair: &KeyCertificate| certificate_info(&pair.certificate_pem).unwrap();
            let (old, mut new) = (info(&old), info(&new));
            assert_eq!(new.not_after.duration_since(old.not_after), now.duration_since(then));
            (new.not_before, new.not_after) = (old.not_before, old.not_after);
            assert_eq!(new, old);
            assert_eq!(new.usage, Some(usage));
        }
        assert!(renewed(authority.certificate_pem(), &authority, now).is_err(), "an authority is not renewed");
    }
}
