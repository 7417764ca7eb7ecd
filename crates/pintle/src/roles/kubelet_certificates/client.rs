//! The kubelet's client certificate: the first by a bootstrap kubeconfig, the next ones by the one before.

use super::Failure;
use super::files::PairFiles;
use super::manager::{Manager, random};
use super::request::{RequestName, Wanted};
use super::serving::is_valid;
use certs::{Credentials, KeyCertificate, Kubeconfig};
use client::{Client, ClientSwap, Shutdown};
use clock::SharedClock;
use std::path::{Path, PathBuf};

/// Where the kubelet finds what it shows the API server, and for which node.
#[derive(Clone, Debug)]
pub struct ClientSetup {
    /// `--cert-dir`
    pub directory: PathBuf,
    /// `--kubeconfig`
    pub kubeconfig: PathBuf,
    /// `--bootstrap-kubeconfig`
    pub bootstrap: Option<PathBuf>,
    /// `rotateCertificates`
    pub rotates: bool,
    /// The node.
    pub node_name: String,
    /// The user agent.
    pub agent: String,
}

/// The same with what is kept between rotations.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    setup: ClientSetup,
    files: PairFiles,
}

impl ClientCredentials {
    /// The credentials of this kubelet.
    pub fn new(setup: ClientSetup) -> Self {
        let files = PairFiles::client(setup.directory.clone());
        Self { setup, files }
    }

    /// The API server's client. Without a usable certificate one is asked for first, if there is a bootstrap kubeconfig;
    /// and it is renewed in time, when the configuration says so.
    ///
    /// # Errors
    /// No kubeconfig and no way to one; no answer to the bootstrap's request, or a refusal; a file.
    pub async fn client(self, clock: &SharedClock, shutdown: &Shutdown) -> Result<Client, Failure> {
        let kubeconfig = &self.setup.kubeconfig;
        if !self.is_usable(clock.now()) {
            match &self.setup.bootstrap {
                Some(bootstrap) if bootstrap.exists() => {
                    let asking = self.bootstrap(bootstrap, clock);
                    tokio::select! {
                        done = asking => done.map_err(|error| format!("{}: {error}", bootstrap.display()))?,
                        () = shutdown.cancelled() => return Err("stopped while waiting for a client certificate".into()),
                    }
                }
                _ if !kubeconfig.exists() => {
                    let path = kubeconfig.display();
                    return Err(format!("invalid kubeconfig: stat {path}: no such file or directory").into());
                }
                _ => tracing::error!(kubeconfig = %kubeconfig.display(), "the client certificate has expired"),
            }
        }
        if !self.setup.rotates {
            return Ok(Client::from_kubeconfig(kubeconfig, &self.setup.agent).await?);
        }
        // what the kubeconfig has is the first of those that rotate
        let newest = self.files.read().filter(|pair| is_valid(pair, clock.now()));
        if let (None, Some(given)) = (newest, self.given()?) {
            self.files.store(&given, clock.now())?;
        }
        if self.files.read().is_none() {
            return Ok(Client::from_kubeconfig(kubeconfig, &self.setup.agent).await?);
        }
        let (client, swap) = ClientSwap::new(&self.newest().await?, &self.setup.agent)?;
        tokio::spawn(self.manager(client.clone(), swap, clock.clone()).run(random, shutdown.clone()));
        Ok(client)
    }

    /// Renews the certificate behind `client`, and puts the new one behind `swap`.
    pub(super) fn manager(self, client: Client, swap: ClientSwap, clock: SharedClock) -> Manager {
        let (files, wanted) = (self.files.clone(), Wanted::client(&self.setup.node_name));
        let install = move |_| {
            let (credentials, swap) = (self.clone(), swap.clone());
            let installed = async move {
                swap.replace(&credentials.newest().await?);
                Ok(())
            };
            Box::pin(installed) as futures::future::BoxFuture<'static, Result<(), Failure>>
        };
        Manager { files, wanted, client, clock, install: Box::new(install) }
    }

    /// A client of the kubeconfig's cluster with the newest certificate, whichever the kubeconfig has.
    async fn newest(&self) -> Result<Client, Failure> {
        let mut config = Client::read_kubeconfig(&self.setup.kubeconfig).await?;
        let current = Some(self.files.current().display().to_string());
        config.auth_info = kube::config::AuthInfo {
            client_certificate: current.clone(),
            client_key: current,
            ..kube::config::AuthInfo::default()
        };
        Ok(Client::from_config(config, &self.setup.agent)?)
    }

    /// Gets the first certificate by the bootstrap kubeconfig and writes the kubelet's own.
    async fn bootstrap(&self, bootstrap: &Path, clock: &SharedClock) -> Result<(), Failure> {
        tracing::info!(bootstrap = %bootstrap.display(), "asking for a client certificate");
        let client = Client::from_kubeconfig(bootstrap, &self.setup.agent).await?;
        let wanted = Wanted::client(&self.setup.node_name);
        let pair = wanted.request(&client, self.files.waiting_key()?, RequestName::OfKey, clock).await?;
        self.files.forget_waiting_key()?;
        self.files.store(&pair, clock.now())?;
        let current = self.files.current().display().to_string();
        let own = Kubeconfig {
            cluster: "default-cluster".to_owned(),
            user: "default-auth".to_owned(),
            credentials: Credentials::CertificateFiles { certificate: current.clone(), key: current },
            ..read(bootstrap)?
        };
        certs::write_private(&self.setup.kubeconfig, &own.to_yaml())?;
        Ok(())
    }

    /// The certificate in the kubeconfig; `None` where the kubelet shows something else.
    fn given(&self) -> Result<Option<KeyCertificate>, Failure> {
        Ok(match read(&self.setup.kubeconfig)?.credentials {
            Credentials::Certificate(pair) => Some(pair),
            Credentials::CertificateFiles { certificate, key } => {
                Some(KeyCertificate::read(Path::new(&certificate), Path::new(&key))?)
            }
            Credentials::Token(_) | Credentials::None => None,
        })
    }

    /// Whether there is a certificate that has not ended; other credentials have no end that we know.
    fn is_usable(&self, now: jiff::Timestamp) -> bool {
        match self.given() {
            Ok(None) => true,
            Ok(Some(given)) => {
                let own = self.files.read().filter(|_| self.setup.rotates);
                is_valid(&given, now) || own.is_some_and(|own| is_valid(&own, now))
            }
            Err(_) => false,
        }
    }
}

fn read(kubeconfig: &Path) -> Result<Kubeconfig, Failure> {
    let document = api::codec::decode_yaml(&std::fs::read(kubeconfig)?)?;
    Ok(Kubeconfig::from_value(&document.value)?)
}
