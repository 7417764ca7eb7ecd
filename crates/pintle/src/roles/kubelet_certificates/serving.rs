//! The certificate of the kubelet's server: files that somebody else keeps (`tlsCertFile`), one that the cluster signs
//! (`serverTLSBootstrap`), or one that the kubelet signs itself, as upstream's `kubelet.crt`.

use super::files::PairFiles;
use super::manager::{Manager, random};
use super::request::Wanted;
use crate::roles::{certificate_files, serving};
use certs::{CertError, KeyCertificate, ShownCertificate};
use client::{Client, Shutdown};
use clock::SharedClock;
use kubelet::Config;
use std::path::PathBuf;

/// Where the certificate comes from.
#[derive(Debug)]
pub struct ServingSetup {
    /// `--cert-dir`
    pub directory: PathBuf,
    /// `tlsCertFile` and `tlsPrivateKeyFile`.
    pub files: Option<(PathBuf, PathBuf)>,
    /// `serverTLSBootstrap`
    pub bootstrap: bool,
}

/// What the server shows, now and later.
///
/// # Errors
/// Files that cannot be read, written or parsed.
pub fn serving(
    setup: ServingSetup,
    config: &Config,
    client: Option<&Client>,
    clock: &SharedClock,
    shutdown: &Shutdown,
) -> Result<ShownCertificate, CertError> {
    if let (true, Some(client)) = (setup.bootstrap, client) {
        return Ok(signed_by_the_cluster(setup.directory, config, client, clock, shutdown));
    }
    if let Some((certificate, key)) = setup.files {
        return certificate_files::follow(&certificate, &key, clock, shutdown);
    }
    let (certificate, key) = (setup.directory.join("kubelet.crt"), setup.directory.join("kubelet.key"));
    let kept = KeyCertificate::read(&certificate, &key).ok().filter(|pair| is_valid(pair, clock.now()));
    let pair = match kept {
        Some(pair) => pair,
        None => {
            let addresses: Vec<String> = config.node_ips.iter().map(ToString::to_string).collect();
            let made = serving::self_signed(&config.node_name, &addresses, clock.now())?;
            made.write(&certificate, &key)?;
            made
        }
    };
    ShownCertificate::new(&pair)
}

fn signed_by_the_cluster(
    directory: PathBuf,
    config: &Config,
    client: &Client,
    clock: &SharedClock,
    shutdown: &Shutdown,
) -> ShownCertificate {
    let serving = ShownCertificate::default();
    let files = PairFiles::server(directory);
    let alt_names = std::iter::once(config.node_name.clone());
    let alt_names = alt_names.chain(config.node_ips.iter().map(ToString::to_string)).collect();
    if let Some(pair) = files.read().filter(|pair| is_valid(pair, clock.now()))
        && let Err(error) = serving.replace(&pair)
    {
        tracing::error!(%error, file = %files.current().display(), "cannot use the serving certificate");
    }
    let (wanted, installed) = (Wanted::serving(&config.node_name, alt_names), serving.clone());
    let manager = Manager {
        files,
        wanted,
        client: client.clone(),
        clock: clock.clone(),
        install: Box::new(move |pair| {
            let installed = installed.replace(&pair).map_err(Into::into);
            Box::pin(async { installed })
        }),
    };
    tokio::spawn(manager.run(random, shutdown.clone()));
    serving
}

/// Whether a certificate has not ended yet.
pub(super) fn is_valid(pair: &KeyCertificate, now: jiff::Timestamp) -> bool {
    certs::certificate_info(&pair.certificate_pem).is_ok_and(|info| info.not_after > now)
}
