//! The documents that describe the rows: discovery and OpenAPI, made anew whenever rows come or go.

use crate::discovery::{Discovery, RemoteVersion};
use crate::openapi::OpenApi;
use registry::Resource;
use std::sync::{Arc, PoisonError, RwLock};

/// All documents of one moment.
#[derive(Debug)]
pub struct Documents {
    /// Discovery documents.
    pub discovery: Discovery,
    /// OpenAPI documents.
    pub openapi: OpenApi,
}

/// The documents as they are now.
#[derive(Debug)]
pub struct CurrentDocuments {
    server_address: String,
    now: RwLock<Arc<Documents>>,
    /// What others serve.
    remote: RwLock<Vec<RemoteVersion>>,
}

impl CurrentDocuments {
    /// The documents for `rows`; `server_address` (`10.0.0.1:6443`) is what `/api` tells clients.
    pub fn new(rows: &[Arc<Resource>], server_address: String) -> Self {
        let now = RwLock::new(Arc::new(make(rows, &[], &server_address)));
        Self { server_address, now, remote: RwLock::default() }
    }

    /// Those of now.
    pub fn now(&self) -> Arc<Documents> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Describes other rows from now on.
    pub fn describe(&self, rows: &[Arc<Resource>]) {
        let remote = self.remote.read().unwrap_or_else(PoisonError::into_inner).clone();
        let made = Arc::new(make(rows, &remote, &self.server_address));
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = made;
    }

    /// Describes what others serve from now on.
    pub(crate) fn describe_remote(&self, rows: &[Arc<Resource>], remote: Vec<RemoteVersion>) {
        *self.remote.write().unwrap_or_else(PoisonError::into_inner) = remote;
        self.describe(rows);
    }
}

fn make(rows: &[Arc<Resource>], remote: &[RemoteVersion], server_address: &str) -> Documents {
    Documents {
        discovery: Discovery::new(rows, remote, server_address),
        openapi: OpenApi::new(rows, crate::nonresource::GIT_VERSION),
    }
}
