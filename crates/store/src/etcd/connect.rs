//! Finding etcd, and refusing early what would not work later.

use super::client::Client;
use super::wire::RangeRequest;
use bytes::Bytes;
use clock::Clock;
use std::time::Duration;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};

/// How long a health check waits; upstream's `--etcd-healthcheck-timeout`.
pub(super) const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// A peer that does not answer a ping in time is gone: upstream's values.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Since when etcd has all that is asked of it (transactions with leases, `compact_revision` in watches, `IsLearner`).
const MIN_VERSION: (u64, u64) = (3, 4);

/// Certificates for `https` endpoints, in PEM.
#[derive(Clone, Debug)]
pub struct EtcdTls {
    /// `--etcd-cafile`: who signs etcd's certificates.
    pub ca_pem: String,
    /// `--etcd-certfile` and `--etcd-keyfile`: our own certificate and key.
    pub identity_pem: Option<(String, String)>,
}

/// Where etcd is and how it is used.
#[derive(Clone, Debug)]
pub struct EtcdConfig {
    /// `http://host:port` or `https://host:port`, one for each member.
    pub endpoints: Vec<String>,
    /// For `https`.
    pub tls: Option<EtcdTls>,
    /// What all keys begin with.
    pub prefix: String,
    /// What stands in its place in etcd: `--etcd-prefix`. `None`: the same.
    pub root: Option<String>,
    /// How long the first connection is tried for: etcd may be starting beside us.
    pub connect_timeout: Duration,
    /// How long one call waits for etcd before it fails; upstream's `--request-timeout`.
    pub request_timeout: Duration,
    /// `--etcd-compaction-interval`; `None`: history is left to whoever runs etcd.
    pub compaction_interval: Option<Duration>,
}

impl EtcdConfig {
    /// Upstream's defaults for these endpoints.
    pub fn new(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            tls: None,
            prefix: "/registry/".to_owned(),
            root: None,
            connect_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(60),
            compaction_interval: Some(Duration::from_secs(300)),
        }
    }
}

/// Why there is no etcd to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// An endpoint or a certificate is none.
    #[error("etcd endpoint {endpoint:?} cannot be used: {source}")]
    Endpoint {
        /// Which.
        endpoint: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// Nobody answered.
    #[error("no etcd answers at {endpoints} (tried for {seconds} s): {source}")]
    Unreachable {
        /// Where.
        endpoints: String,
        /// For how long.
        seconds: u64,
        /// The last error.
        #[source]
        source: Status,
    },
    /// It does not know us, or we may not read its keys.
    #[error("etcd at {endpoints} does not let us in: {message}")]
    Denied {
        /// Where.
        endpoints: String,
        /// Its words.
        message: String,
    },
    /// Too old.
    #[error("etcd at {endpoints} has version {version}; at least {}.{} is needed", MIN_VERSION.0, MIN_VERSION.1)]
    Version {
        /// Where.
        endpoints: String,
        /// What it has.
        version: String,
    },
}

pub(super) async fn connect(config: &EtcdConfig, clock: &dyn Clock) -> Result<Client, ConnectError> {
    let endpoints = config.endpoints.join(",");
    let all: Vec<Endpoint> = config.endpoints.iter().map(|one| endpoint(one, config)).collect::<Result<_, _>>()?;
    let client = Client::new(match <[Endpoint; 1]>::try_from(all) {
        Ok([only]) => only.connect_lazy(),
        Err(several) => Channel::balance_list(several.into_iter()),
    });
    let deadline = clock.monotonic() + config.connect_timeout;
    loop {
        let error = match clock::timeout(clock, HEALTH_TIMEOUT, probe(&client)).await {
            Some(Ok(version)) if version_will_do(&version) => return Ok(client),
            Some(Ok(version)) => return Err(ConnectError::Version { endpoints, version }),
            Some(Err(error)) => error,
            None => Status::deadline_exceeded("no answer"),
        };
        let from_etcd = std::error::Error::source(&error).is_none();
        if from_etcd && matches!(error.code(), Code::InvalidArgument | Code::Unauthenticated | Code::PermissionDenied) {
            return Err(ConnectError::Denied { endpoints, message: error.message().to_owned() });
        }
        if clock.monotonic() >= deadline {
            return Err(ConnectError::Unreachable {
                endpoints,
                seconds: config.connect_timeout.as_secs(),
                source: error,
            });
        }
        clock.sleep(CONNECT_PAUSE).await;
    }
}

/// Its version, if it answers and we may read everything.
async fn probe(client: &Client) -> Result<String, Status> {
    let zero = Bytes::from_static(&[0]);
    let all = RangeRequest { key: zero.clone(), range_end: zero, limit: 1, keys_only: true, revision: 0 };
    client.range(all).await?;
    client.version().await
}

fn version_will_do(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u64>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= MIN_VERSION
}

fn endpoint(url: &str, config: &EtcdConfig) -> Result<Endpoint, ConnectError> {
    let error = |source| ConnectError::Endpoint { endpoint: url.to_owned(), source };
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(error)?
        .http2_keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1)
        .keep_alive_while_idle(true)
        .connect_timeout(HEALTH_TIMEOUT);
    if let Some(tls) = &config.tls {
        let mut tls_config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.ca_pem));
        if let Some((certificate, key)) = &tls.identity_pem {
            tls_config = tls_config.identity(Identity::from_pem(certificate, key));
        }
        endpoint = endpoint.tls_config(tls_config).map_err(error)?;
    }
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_compared_by_number() {
        let will_do = ["3.4.23", "3.10.0", "3.5.0-rc.1", "4.0"].map(super::version_will_do);
        assert_eq!(will_do, [true; 4]);
        assert!(!super::version_will_do("3.3.27") && !super::version_will_do("") && !super::version_will_do("2.9"));
    }
}
