//! Keeps one certificate fresh: upstream's `certificate.Manager`. It asks when there is none, when its names are not those
//! of the node any more, and when most of its life is over.

use super::Failure;
use super::files::PairFiles;
use super::request::{RequestName, Wanted};
use certs::{CertificateInfo, KeyCertificate};
use client::{Backoff, Client, Shutdown};
use clock::SharedClock;
use futures::future::BoxFuture;
use jiff::Timestamp;
use rand::RngExt;
use std::collections::BTreeSet;
use std::time::Duration;

/// Part of a certificate's life after which it is renewed: upstream's 70 to 90 percent, so that nodes do not all ask at once.
const ROTATE_FROM: f64 = 0.7;
const ROTATE_SPREAD: f64 = 0.2;
/// Waits after failed requests: upstream's.
const RETRY: Backoff = Backoff { base: Duration::from_secs(2), max: Duration::from_secs(32) };
/// The longest wait without a look at the time of day, which may jump, or stand still while a machine sleeps.
const LOOK_AT_LEAST: Duration = Duration::from_secs(3600);

/// Puts a new certificate to use.
pub(super) type Install = Box<dyn Fn(KeyCertificate) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

/// One certificate, its files, and what it is to say.
pub(super) struct Manager {
    pub(super) files: PairFiles,
    pub(super) wanted: Wanted,
    pub(super) client: Client,
    pub(super) clock: SharedClock,
    pub(super) install: Install,
}

impl Manager {
    /// Works until `shutdown`. `jitter` gives numbers from 0 to 1.
    pub(super) async fn run(self, jitter: impl Fn() -> f64 + Send, shutdown: Shutdown) {
        let work = async {
            loop {
                self.wait_for_the_end(jitter()).await;
                let mut failures = 0;
                while let Err(error) = self.renew().await {
                    failures += 1;
                    let user = &self.wanted;
                    tracing::error!(%error, ?user, "cannot get a new certificate");
                    self.clock.sleep(RETRY.delay(failures)).await;
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Returns when it is time for another certificate.
    async fn wait_for_the_end(&self, jitter: f64) {
        let Some(info) = self.files.read().and_then(|pair| certs::certificate_info(&pair.certificate_pem).ok()) else {
            return;
        };
        let names = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
        if names(&info.alt_names) != names(&self.wanted.alt_names) {
            return;
        }
        loop {
            let wait = until_rotation(&info, self.clock.now(), jitter);
            if wait.is_zero() {
                return;
            }
            self.clock.sleep(wait.min(LOOK_AT_LEAST)).await;
        }
    }

    async fn renew(&self) -> Result<(), Failure> {
        tracing::info!(wanted = ?self.wanted, "asking for a new certificate");
        let key_pem = certs::private_key()?;
        let pair = self.wanted.request(&self.client, key_pem, RequestName::Generated, &self.clock).await?;
        self.files.store(&pair, self.clock.now())?;
        (self.install)(pair).await
    }
}

/// A number from 0 to 1, another one each time.
pub(super) fn random() -> f64 {
    rand::make_rng::<rand::rngs::StdRng>().random()
}

fn until_rotation(info: &CertificateInfo, now: Timestamp, jitter: f64) -> Duration {
    let seconds = |from: Timestamp, to: Timestamp| {
        Duration::from_secs(u64::try_from(to.as_second().saturating_sub(from.as_second())).unwrap_or(0))
    };
    let deadline = seconds(info.not_before, info.not_after).mul_f64(ROTATE_FROM + ROTATE_SPREAD * jitter);
    deadline.saturating_sub(seconds(info.not_before, now))
}
