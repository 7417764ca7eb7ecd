//! The server as a whole: what it is made of, how it starts, listens and stops.

mod connection;
mod drain;
mod in_process;

pub use connection::Peer;
pub use in_process::InProcess;

use crate::bootstrap;
use crate::cache::{Cache, FeedError, follow};
use crate::chain::{Chain, ChainBuilder};
use crate::documents::CurrentDocuments;
use crate::endpoint_reconciler::EndpointReconciler;
use crate::extensions::Extensions;
use crate::metrics::Metrics;
use crate::rows::Rows;
use crate::services::repair::{self, Suspects};
use crate::services::{Claims, Services};
use crate::storage::Storage;
use crate::turns::Turns;
use crate::turns::flows::Flows;
use crate::user::UserInfo;
use clock::SharedClock;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::{Arc, PoisonError, RwLock};
use store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Upstream's `--max-requests-inflight`: reads at once.
const MAX_READS_IN_FLIGHT: usize = 400;
/// Upstream's `--max-mutating-requests-inflight`: writes at once.
const MAX_WRITES_IN_FLIGHT: usize = 200;

/// What a server is made of.
pub struct Config {
    /// Where objects are kept.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: SharedClock,
    /// `--bind-address` and `--secure-port`; port 0: any.
    pub bind: SocketAddr,
    /// Further sockets to serve on, bound by whoever started us (socket activation).
    pub listeners: Vec<std::net::TcpListener>,
    /// The server's certificate and the client CA; `None`: plain HTTP, for tests on loopback.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Authentication, authorization, admission, …: `security::chain(…)`.
    pub chain: ChainBuilder,
    /// `--advertise-address`: what the endpoints of the service `kubernetes` hold.
    pub advertise_address: IpAddr,
    /// `--service-cluster-ip-range`
    pub service_cluster_ip_range: String,
    /// `--event-ttl`, in seconds; `None`: upstream's hour.
    pub event_ttl_seconds: Option<NonZeroU64>,
    /// How we reach the servers of API services; `None`: without a certificate.
    pub front_proxy: Option<crate::aggregation::FrontProxy>,
    /// Whether to make the namespaces, roles, services … that a new cluster has. Else the store has them already.
    pub bootstrap: bool,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cache could not be filled.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The address could not be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `service_cluster_ip_range` is none.
    #[error("{0:?} is no IPv4 range")]
    ServiceRange(String),
    /// What a new cluster has could not be written.
    #[error("cannot write what a new cluster has: {0}")]
    Bootstrap(#[from] bootstrap::BootstrapError),
}

/// What every request needs. Shared as `Arc`.
pub struct Api {
    /// The resources.
    pub rows: Arc<Rows>,
    /// All objects.
    pub cache: Arc<Cache>,
    /// Writing.
    pub storage: Storage,
    /// Time.
    pub clock: SharedClock,
    /// Who, whether, in what form.
    pub chain: Chain,
    /// Who acts as whom.
    pub(crate) impersonation: crate::authn::Impersonation,
    /// Who serves what we do not.
    pub(crate) aggregation: crate::aggregation::Aggregator,
    /// Policies and webhooks.
    pub dynamic: crate::dynamic::Dynamic,
    /// Who asks webhooks.
    pub(crate) webhooks: crate::webhook_client::Client,
    /// Turns of asking for conversions.
    pub conversions: crate::conversion::Conversions,
    /// Service addresses and ports.
    pub services: Services,
    /// Discovery and OpenAPI documents.
    pub documents: CurrentDocuments,
    /// Turns of charging quotas.
    pub quotas: crate::quota::Quotas,
    /// Counters.
    pub metrics: Metrics,
    /// The components that run in this process, and without a leader's lease.
    pub hosted: RwLock<Vec<&'static str>>,
    /// Cancelled when the server stops: watches end.
    pub stopping: CancellationToken,
    /// Which requests are how urgent.
    pub(crate) flows: Flows,
    pub(crate) reads: Turns,
    pub(crate) writes: Turns,
}

/// A running server.
pub struct Server {
    api: Arc<Api>,
    address: SocketAddr,
    listeners: Vec<JoinHandle<()>>,
    feed: JoinHandle<()>,
    extensions: JoinHandle<()>,
    /// Ends with `stopping`.
    caretakers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Fills the cache, writes what a new cluster has, then listens.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Vec::new()).await
    }

    /// The same with rows beside the built-in ones, which are served like them.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_with(config: Config, further_rows: Vec<registry::Resource>) -> Result<Self, StartError> {
        let cache = Arc::new(Cache::default());
        let rows = Arc::new(Rows::builtin(further_rows));
        let feed = tokio::spawn(follow(cache.clone(), config.store.clone(), rows.clone(), config.clock.clone()).await?);
        let storage = Storage::new(config.store, cache.clone(), config.clock.clone(), config.event_ttl_seconds);
        let claims = Claims::new(cache.clone(), rows.clone(), storage.clone(), config.clock.clone());
        let services = Services::new(cache.clone(), claims, &config.service_cluster_ip_range)
            .ok_or_else(|| StartError::ServiceRange(config.service_cluster_ip_range.clone()))?;
        let bind_error = |source| StartError::Bind { address: config.bind, source };
        let listener = TcpListener::bind(config.bind).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let advertised = SocketAddr::new(config.advertise_address, address.port());
        let reconciler = EndpointReconciler::new(advertised, storage.is_shared());
        let mut suspects = Suspects::default();
        if config.bootstrap {
            let cluster = bootstrap::Cluster { rows: &rows, cache: &cache, storage: &storage, clock: &*config.clock };
            let (first, range) = (services.first_address(), &config.service_cluster_ip_range);
            bootstrap::run(&cluster, first, range, advertised.port()).await?;
            if let Some(proxy) = &config.front_proxy {
                crate::aggregation::publish(&cluster, proxy).await?;
            }
            reconciler.start(&cluster).await?;
            services.repair(&mut suspects).await;
        }
        let documents = CurrentDocuments::new(&rows.all(), advertised.to_string());
        let flows_reader = cache.clone();
        let (reads, writes) = (Turns::new(MAX_READS_IN_FLIGHT), Turns::new(MAX_WRITES_IN_FLIGHT));
        let api = Arc::new(Api {
            chain: (config.chain)(cache.clone()),
            impersonation: crate::authn::Impersonation::default(),
            aggregation: crate::aggregation::Aggregator::new(cache.clone(), config.front_proxy),
            dynamic: crate::dynamic::Dynamic::new(&cache),
            webhooks: crate::webhook_client::Client::default(),
            conversions: crate::conversion::Conversions::default(),
            rows,
            cache,
            storage,
            clock: config.clock,
            services,
            documents,
            quotas: crate::quota::Quotas::default(),
            metrics: Metrics::default(),
            hosted: RwLock::default(),
            stopping: CancellationToken::new(),
            flows: Flows::new(flows_reader, [reads.clone(), writes.clone()]),
            reads,
            writes,
        });
        let extensions = tokio::spawn(Extensions::start(api.clone()).await.run());
        let mut caretakers = Vec::new();
        if config.bootstrap {
            caretakers.push(tokio::spawn(reconciler.run(api.clone())));
            caretakers.push(tokio::spawn(repair::run(api.clone(), suspects)));
            caretakers.push(tokio::spawn(crate::legacy_token_tracking::run(api.clone())));
            caretakers.push(tokio::spawn(crate::turns::keep_statuses(api.clone())));
            caretakers.push(tokio::spawn(crate::aggregation::keep_available(api.clone())));
            caretakers.push(tokio::spawn(crate::aggregation::register(api.clone())));
        }
        let mut all = vec![listener];
        for inherited in config.listeners {
            inherited
                .set_nonblocking(true)
                .and_then(|()| TcpListener::from_std(inherited))
                .map(|l| all.push(l))
                .map_err(bind_error)?;
        }
        let serve = |listener| tokio::spawn(connection::listen(api.clone(), listener, config.tls.clone()));
        let listeners = all.into_iter().map(serve).collect();
        Ok(Self { api, address, listeners, feed, extensions, caretakers })
    }

    /// Says that a component (`kube-scheduler`, …) runs in this process without a lease: it lives as long as we do.
    pub fn hosts(&self, component: &'static str) {
        self.api.hosted.write().unwrap_or_else(PoisonError::into_inner).push(component);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same pipeline for a client in this process, under a fixed identity.
    pub fn service(&self, user: UserInfo) -> InProcess {
        InProcess::new(self.api.clone(), user)
    }

    /// Reads objects as the server's own stages do.
    pub fn reader(&self) -> crate::SharedReader {
        self.api.cache.clone()
    }

    /// Ends watches, finishes what is being answered, closes all connections. The store stays open: it is the caller's.
    pub async fn shutdown(self) {
        self.api.stopping.cancel();
        futures::future::join_all(self.listeners).await; // a panic in one has been logged
        let _ended = self.extensions.await;
        futures::future::join_all(self.caretakers).await; // as above
        self.feed.abort();
    }
}
