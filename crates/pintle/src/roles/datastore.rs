//! Where the API server keeps objects: the embedded store in a directory, or etcd.

use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Which store, and how to reach it.
#[derive(Clone, Debug, Args)]
pub struct DatastoreFlags {
    /// Where objects are kept: `embedded`.
    #[arg(long, value_name = "ENDPOINT", default_value = "embedded")]
    pub datastore_endpoint: String,
    /// Where the embedded store keeps its file.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/pintle/server")]
    pub data_dir: PathBuf,
}

/// An open store, to be closed by whoever opened it.
pub struct Datastore(store::Embedded);

impl Datastore {
    /// The store, to be shared.
    pub fn store(&self) -> Arc<dyn store::Store> {
        Arc::new(self.0.clone())
    }

    /// Carries out what waits, then closes it.
    pub async fn close(self) {
        self.0.close().await;
    }
}

/// Opens the store that the flags name.
///
/// # Errors
/// An endpoint of an unknown kind, a file that cannot be opened.
pub async fn open(flags: &DatastoreFlags) -> Result<Datastore, Box<dyn std::error::Error>> {
    let endpoint = &flags.datastore_endpoint;
    if endpoint != "embedded" {
        let text = format!("--datastore-endpoint: Unsupported value: {endpoint:?}: supported values: \"embedded\"");
        return Err(text.into());
    }
    std::fs::create_dir_all(&flags.data_dir)
        .map_err(|error| format!("--data-dir: {}: {error}", flags.data_dir.display()))?;
    Ok(Datastore(store::Embedded::open(&flags.data_dir.join("state.redb"))?))
}
