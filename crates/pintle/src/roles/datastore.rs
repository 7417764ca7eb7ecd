//! Where the API server keeps its objects: in a file of its own, or in etcd.

use super::election::duration;
use clap::Args;
use clock::SharedClock;
use std::error::Error;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{Embedded, Etcd, EtcdConfig, EtcdTls, Store};

/// The flag's word for the file.
const EMBEDDED: &str = "embedded";
/// The file's name in the data directory.
const FILE: &str = "state.redb";

/// Upstream's flags for etcd, and ours for going without.
#[derive(Clone, Debug, Args)]
pub struct DatastoreFlags {
    /// Where the embedded store keeps its file.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/pintle/server")]
    pub data_dir: PathBuf,
    /// Where objects are kept: `embedded`, or the URLs of etcd's members, separated by commas.
    #[arg(long, visible_alias = "etcd-servers", value_name = "ENDPOINTS", default_value = EMBEDDED)]
    datastore_endpoint: String,
    /// The certificate authority that signed etcd's certificates.
    #[arg(long, value_name = "FILE")]
    etcd_cafile: Option<PathBuf>,
    /// Our certificate for etcd.
    #[arg(long, value_name = "FILE", requires = "etcd_keyfile")]
    etcd_certfile: Option<PathBuf>,
    /// The key of our certificate for etcd.
    #[arg(long, value_name = "FILE", requires = "etcd_certfile")]
    etcd_keyfile: Option<PathBuf>,
    /// What all keys in etcd begin with.
    #[arg(long, value_name = "PREFIX", default_value = "/registry")]
    etcd_prefix: String,
    /// How often etcd's history is cut off; 0: never by us.
    #[arg(long, value_name = "DURATION", default_value = "5m0s", value_parser = duration)]
    etcd_compaction_interval: Duration,
    /// How long events are kept.
    #[arg(long, value_name = "DURATION", default_value = "1h0m0s", value_parser = duration)]
    event_ttl: Duration,
}

impl DatastoreFlags {
    /// `--event-ttl`; less than a second counts as one.
    pub fn event_ttl_seconds(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.event_ttl.as_secs().max(1))
    }

    /// Whether other servers may use the same store.
    pub fn is_shared(&self) -> bool {
        self.datastore_endpoint != EMBEDDED
    }
}

/// What the flags say, checked.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Embedded,
    Etcd(Vec<String>),
}

/// An open store.
pub enum Datastore {
    /// A file.
    Embedded(Embedded),
    /// etcd.
    Etcd(Etcd),
}

impl Datastore {
    /// For the API server.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => Arc::new(store.clone()),
            Self::Etcd(store) => Arc::new(store.clone()),
        }
    }

    /// Carries out what waits, then closes it.
    pub async fn close(self) {
        match self {
            Self::Embedded(store) => store.close().await,
            Self::Etcd(store) => store.close().await,
        }
    }
}

/// Opens the file, or connects to etcd and makes sure that it will do.
///
/// # Errors
/// Bad flags by their names; whatever the store says.
pub async fn open(flags: &DatastoreFlags, clock: SharedClock) -> Result<Datastore, Box<dyn Error>> {
    match place(&flags.datastore_endpoint)? {
        Place::Embedded => {
            std::fs::create_dir_all(&flags.data_dir)
                .map_err(|error| format!("--data-dir: {}: {error}", flags.data_dir.display()))?;
            Ok(Datastore::Embedded(Embedded::open(&flags.data_dir.join(FILE), clock)?))
        }
        Place::Etcd(endpoints) => {
            let tls = tls(flags, &endpoints)?;
            let interval = flags.etcd_compaction_interval;
            let config = EtcdConfig {
                tls,
                root: Some(root(&flags.etcd_prefix)),
                compaction_interval: (!interval.is_zero()).then_some(interval),
                ..EtcdConfig::new(endpoints)
            };
            Ok(Datastore::Etcd(Etcd::connect(config, clock).await?))
        }
    }
}

fn place(text: &str) -> Result<Place, String> {
    if text == EMBEDDED {
        return Ok(Place::Embedded);
    }
    let endpoints: Vec<String> = text.split(',').map(|one| one.trim().trim_end_matches('/').to_owned()).collect();
    let is_url = |one: &String| {
        ["http://", "https://"].iter().any(|scheme| one.strip_prefix(scheme).is_some_and(|host| !host.is_empty()))
    };
    let Some(bad) = endpoints.iter().find(|one| !is_url(one)) else { return Ok(Place::Etcd(endpoints)) };
    Err(format!(
        "--datastore-endpoint: Invalid value: {bad:?}: must be \"{EMBEDDED}\", or URLs of etcd (http://HOST:PORT or \
         https://HOST:PORT) separated by commas"
    ))
}

fn tls(flags: &DatastoreFlags, endpoints: &[String]) -> Result<Option<EtcdTls>, Box<dyn Error>> {
    let secure = endpoints.iter().any(|one| one.starts_with("https://"));
    if secure && flags.etcd_cafile.is_none() {
        return Err("--etcd-cafile: Required value: https endpoints of etcd need the authority that signed them".into());
    }
    let read = |flag: &str, path: &Path| {
        std::fs::read_to_string(path).map_err(|error| format!("--{flag}: cannot read {}: {error}", path.display()))
    };
    let Some(ca) = &flags.etcd_cafile else { return Ok(None) };
    let identity_pem = match (&flags.etcd_certfile, &flags.etcd_keyfile) {
        (Some(certificate), Some(key)) => Some((read("etcd-certfile", certificate)?, read("etcd-keyfile", key)?)),
        _ => None,
    };
    Ok(secure.then_some(EtcdTls { ca_pem: read("etcd-cafile", ca)?, identity_pem }))
}

/// What keys in etcd begin with: `--etcd-prefix` between slashes, however it was typed.
fn root(prefix: &str) -> String {
    match prefix.trim_matches('/') {
        "" => "/".to_owned(),
        name => format!("/{name}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_between_single_slashes() {
        assert_eq!(["/registry", "two/registry/", "/", ""].map(root), ["/registry/", "/two/registry/", "/", "/"]);
    }

    #[test]
    fn endpoints_are_urls_or_the_word() {
        assert_eq!(place("embedded"), Ok(Place::Embedded));
        let two = ["http://10.0.0.1:2379".to_owned(), "https://b:2379".to_owned()];
        assert_eq!(place("http://10.0.0.1:2379/, https://b:2379"), Ok(Place::Etcd(two.to_vec())));
        for bad in ["", "127.0.0.1:2379", "http://", "http://a:1,", "postgres://a"] {
            assert!(place(bad).unwrap_err().starts_with("--datastore-endpoint: Invalid value: "), "{bad}");
        }
    }
}
