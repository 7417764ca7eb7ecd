//! What a data directory remembers of its cluster: `cluster.json`.

use super::layout::{API_PORT, Layout, Node};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

/// The cluster as it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The names of the nodes; the first carries the control plane.
    pub nodes: Vec<String>,
    /// The API server's port on 127.0.0.1 of this machine.
    pub api_port: u16,
    /// Made by `up --bare`: machines with nothing on them.
    #[serde(default)]
    pub bare: bool,
}

/// Why there is no usable record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No cluster was ever made here.
    #[error("there is no cluster in {0}; `pintle up` makes one")]
    NoCluster(PathBuf),
    /// Another list of nodes than before.
    #[error("the cluster in {directory} consists of {present}, not {wanted}; `pintle down --delete` ends it")]
    OtherNodes {
        /// Where.
        directory: PathBuf,
        /// What there is.
        present: String,
        /// What was asked for.
        wanted: String,
    },
    /// No node of that name.
    #[error("nodes \"{0}\" not found")]
    NoNode(String),
}

/// The API server's port on this machine.
#[derive(Debug)]
pub struct ClaimedPort {
    /// Holds it until the supervisor does: two clusters that start at once must not both choose it.
    pub listener: Option<TcpListener>,
    /// The recorded one, where somebody else has it.
    pub taken: Option<u16>,
}

impl Record {
    /// The nodes with their addresses.
    pub fn nodes(&self) -> Vec<Node> {
        self.nodes.iter().enumerate().map(|(index, name)| Node { name: name.clone(), index }).collect()
    }

    /// The node called `name`.
    pub fn node(&self, name: &str) -> Result<Node, RecordError> {
        let found = self.nodes().into_iter().find(|node| node.name == name);
        found.ok_or_else(|| RecordError::NoNode(name.to_owned()))
    }

    /// Reads the record of a cluster that must exist.
    pub fn read(layout: &Layout) -> Result<Self, RecordError> {
        Self::read_opt(layout)?.ok_or_else(|| RecordError::NoCluster(layout.data_dir().to_owned()))
    }

    fn read_opt(layout: &Layout) -> Result<Option<Self>, RecordError> {
        let path = layout.cluster_file();
        let parsed = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => Err(source),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
        };
        parsed.map(Some).map_err(|source| RecordError::File { path, source })
    }

    /// The record of the cluster; a new one when there is none. `wanted` is what `--nodes` says, if it says anything.
    pub fn ensure(layout: &Layout, wanted: Option<&[Node]>, default: &[Node]) -> Result<Self, RecordError> {
        let names = |nodes: &[Node]| nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
        if let Some(record) = Self::read_opt(layout)? {
            return match wanted.map(names) {
                Some(wanted) if wanted != record.nodes => Err(RecordError::OtherNodes {
                    directory: layout.data_dir().to_owned(),
                    present: record.nodes.join(","),
                    wanted: wanted.join(","),
                }),
                _ => Ok(record),
            };
        }
        let record = Self { nodes: names(wanted.unwrap_or(default)), api_port: API_PORT, bare: false };
        record.write(layout)?;
        Ok(record)
    }

    /// Takes the recorded port, or another one for good where that is taken, and holds it.
    ///
    /// # Errors
    /// The record cannot be written, or no port is free.
    pub fn claim_port(&mut self, layout: &Layout) -> Result<ClaimedPort, RecordError> {
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let taken = match bind(self.api_port) {
            Ok(listener) => return Ok(ClaimedPort { listener: Some(listener), taken: None }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => self.api_port,
            // anything else is the supervisor's to say, which needs the port
            Err(_) => return Ok(ClaimedPort { listener: None, taken: None }),
        };
        let failed = |source| RecordError::File { path: layout.cluster_file(), source };
        let listener = bind(API_PORT).or_else(|_| bind(0)).map_err(failed)?;
        self.api_port = listener.local_addr().map_err(failed)?.port();
        self.write(layout)?;
        Ok(ClaimedPort { listener: Some(listener), taken: Some(taken) })
    }

    /// Says that nobody but `init` and `join` puts anything on these machines.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn mark_bare(&mut self, layout: &Layout) -> Result<(), RecordError> {
        self.bare = true;
        self.write(layout)
    }

    fn write(&self, layout: &Layout) -> Result<(), RecordError> {
        let path = layout.cluster_file();
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::from);
        let written = text.and_then(|text| {
            fs::create_dir_all(layout.data_dir())?;
            let partial = path.with_extension("json.partial");
            fs::write(&partial, text)?;
            fs::rename(&partial, &path)
        });
        written.map_err(|source| RecordError::File { path, source })
    }
}
