//! The certificates of this process: made and renewed at its start, and looked at once a day while it runs, so that a server
//! that is never restarted goes on being trusted.

use super::Place;
use crate::renewal::{self, RenewalError};
use certs::{CertError, KubeconfigFile, Pki, PkiConfig, ShownCertificate};
use client::Shutdown;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often certificates near their end are looked for: they have months left when they are found.
const LOOK_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Why certificates could not be renewed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    /// Their files.
    #[error(transparent)]
    Renewal(#[from] RenewalError),
    /// What is in them.
    #[error(transparent)]
    Certificate(#[from] CertError),
}

/// What the listeners and clients of this process show.
#[derive(Debug)]
pub(super) struct Certificates {
    pub pki: Pki,
    /// To the API's clients.
    pub serving: ShownCertificate,
    /// To kubelets, by the API server.
    pub kubelet_client: ShownCertificate,
    /// To the clients of this machine's kubelet.
    pub kubelet_serving: ShownCertificate,
    /// An administrator's.
    kubeconfig: Option<PathBuf>,
}

impl Certificates {
    /// Those in the directory of `place`, made if they are missing, renewed if they near their end.
    pub fn open(place: &Place, kubeconfig: Option<PathBuf>) -> Result<Self, LookError> {
        renewal::renew_directory(&place.cert_dir, place.clock.now())?;
        let pki = pki(place)?;
        Ok(Self {
            serving: ShownCertificate::new(&pki.api_server)?,
            kubelet_client: ShownCertificate::new(&pki.api_server_kubelet_client)?,
            kubelet_serving: ShownCertificate::new(&kubelet_serving(place, &pki)?)?,
            pki,
            kubeconfig,
        })
    }

    /// Writes the administrator's kubeconfig, if one is wanted.
    pub fn write_kubeconfig(&self, place: &Place, server: &str) -> Result<(), CertError> {
        let Some(path) = &self.kubeconfig else { return Ok(()) };
        let (authority, now) = (&self.pki.authority, place.clock.now());
        certs::write_kubeconfig(path, &KubeconfigFile::SuperAdmin, server, authority, now, true).map(drop)
    }

    /// Looks once a day, until `shutdown`.
    pub async fn look_daily(self, place: Arc<Place>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = place.clock.sleep(LOOK_INTERVAL) => {}
                () = shutdown.cancelled() => return,
            }
            if let Err(error) = self.look(&place) {
                tracing::error!(%error, "cannot renew certificates; trying again tomorrow");
            }
        }
    }

    /// Renews what nears its end; from the next handshake on, it is shown.
    fn look(&self, place: &Place) -> Result<(), LookError> {
        let now = place.clock.now();
        renewal::renew_directory(&place.cert_dir, now)?;
        let newest = pki(place)?;
        self.serving.replace(&newest.api_server)?;
        self.kubelet_client.replace(&newest.api_server_kubelet_client)?;
        self.kubelet_serving.replace(&kubelet_serving(place, &newest)?)?;
        if let Some(path) = &self.kubeconfig {
            renewal::renew_kubeconfig(path, &newest.authority, now)?;
        }
        Ok(())
    }
}

fn pki(place: &Place) -> Result<Pki, CertError> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), place.advertise_address.to_string()];
    let config = PkiConfig {
        node_name: place.node_name.clone(),
        cluster_domain: "cluster.local".to_owned(),
        service_address: "10.96.0.1".to_owned(),
        extra_names: names.into(),
        etcd_names: Vec::new(),
    };
    certs::ensure(&place.cert_dir, &config, place.clock.now())
}

/// A new one each time: nobody keeps it.
fn kubelet_serving(place: &Place, pki: &Pki) -> Result<certs::KeyCertificate, CertError> {
    let names = [place.node_name.clone(), place.advertise_address.to_string()];
    pki.kubelet_serving(&place.node_name, &names, place.clock.now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::ManualClock;

    #[tokio::test]
    async fn a_server_that_is_never_restarted_has_certificates_that_last() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let place = Arc::new(Place {
            node_name: "n1".to_owned(),
            advertise_address: "192.0.2.1".parse().unwrap(),
            cert_dir: directory.path().join("pki"),
            clock: clock.clone(),
        });
        let kubeconfig = directory.path().join("admin.conf");
        let certificates = Certificates::open(&place, Some(kubeconfig.clone())).unwrap();
        certificates.write_kubeconfig(&place, "https://192.0.2.1:6443").unwrap();
        let file = certificates.pki.paths.certificate("apiserver");
        let ends = || certs::certificate_info(&std::fs::read_to_string(&file).unwrap()).unwrap().not_after;
        let (serving, stop) = (certificates.serving.clone(), Shutdown::new());
        let shown = || format!("{serving:?}");
        let (first, first_shown) = (ends(), shown());
        let before = std::fs::read_to_string(&kubeconfig).unwrap();
        let looking = tokio::spawn(certificates.look_daily(place, stop.clone()));
        let until_it_sleeps = async || {
            while clock.sleepers() == 0 {
                tokio::task::yield_now().await;
            }
        };

        until_it_sleeps().await;
        clock.advance(LOOK_INTERVAL);
        until_it_sleeps().await;
        assert_eq!((ends(), shown()), (first, first_shown.clone()), "it lasts");

        clock.advance(300 * LOOK_INTERVAL);
        until_it_sleeps().await;
        assert!(ends() > first);
        assert_ne!(shown(), first_shown);
        assert_ne!(std::fs::read_to_string(&kubeconfig).unwrap(), before);
        stop.cancel();
        looking.await.unwrap();
    }
}
