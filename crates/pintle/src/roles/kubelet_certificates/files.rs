//! Certificates with their keys as the kubelet keeps them: `NAME-<time>.pem`, and the link `NAME-current.pem`.

use super::Failure;
use certs::KeyCertificate;
use jiff::Timestamp;
use std::path::PathBuf;

/// The files of one of the kubelet's two certificates.
#[derive(Clone, Debug)]
pub(super) struct PairFiles {
    /// `--cert-dir`
    directory: PathBuf,
    name: &'static str,
}

impl PairFiles {
    /// The client's.
    pub(super) fn client(directory: PathBuf) -> Self {
        Self { directory, name: "kubelet-client" }
    }

    /// The server's.
    pub(super) fn server(directory: PathBuf) -> Self {
        Self { directory, name: "kubelet-server" }
    }

    /// The link to the newest.
    pub(super) fn current(&self) -> PathBuf {
        self.directory.join(format!("{}-current.pem", self.name))
    }

    /// The newest, if there is one.
    pub(super) fn read(&self) -> Option<KeyCertificate> {
        let both = std::fs::read_to_string(self.current()).ok()?;
        Some(KeyCertificate { certificate_pem: both.clone(), key_pem: both })
    }

    /// Makes this the newest.
    pub(super) fn store(&self, pair: &KeyCertificate, now: Timestamp) -> Result<(), Failure> {
        let name = format!("{}-{}.pem", self.name, now.strftime("%Y-%m-%d-%H-%M-%S"));
        certs::write_private(&self.directory.join(&name), &format!("{}{}", pair.certificate_pem, pair.key_pem))?;
        let link = self.directory.join(format!(".{}-current.pem.new", self.name));
        let _ = std::fs::remove_file(&link); // left by a crash
        std::os::unix::fs::symlink(self.directory.join(name), &link)?;
        std::fs::rename(&link, self.current())?;
        Ok(())
    }

    fn waiting(&self) -> PathBuf {
        self.directory.join(format!("{}.key.tmp", self.name))
    }

    /// The key of a request that waits, made if there is none: a kubelet that starts again asks for the same.
    pub(super) fn waiting_key(&self) -> Result<String, Failure> {
        if let Ok(key) = std::fs::read_to_string(self.waiting()) {
            return Ok(key);
        }
        let key = certs::private_key()?;
        certs::write_private(&self.waiting(), &key)?;
        Ok(key)
    }

    /// The request with the waiting key is answered.
    pub(super) fn forget_waiting_key(&self) -> Result<(), Failure> {
        Ok(std::fs::remove_file(self.waiting())?)
    }
}
