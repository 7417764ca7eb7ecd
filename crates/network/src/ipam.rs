//! Addresses of one node's pods: one file per address in a directory, in the manner of the host-local CNI plugin, so
//! that what is taken is known again after a crash.
//!
//! What not: no choice of ranges; the node is given its range.

use crate::Cidr;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// Which sandbox holds which address. The directory is the truth; the map is read from it once.
#[derive(Debug)]
pub struct AddressPool {
    directory: PathBuf,
    cidr: Cidr,
    taken: BTreeMap<Ipv4Addr, String>,
    /// Where the search goes on, so that a freed address rests before it is used again.
    next_index: u64,
}

/// Why no address could be had or given back.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Every address of the range is taken.
    #[error("no IP addresses available in range set: {0}")]
    Exhausted(Cidr),
    /// The directory could not be read or written.
    #[error("address files in {directory}: {source}")]
    Io {
        /// Where.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The network address and the gateway come first and are never handed out.
const FIRST_INDEX: u64 = 2;

impl AddressPool {
    /// Opens the pool of `cidr` kept in `directory`, which is made when it is missing.
    pub fn open(directory: PathBuf, cidr: Cidr) -> Result<Self, PoolError> {
        let mut taken = BTreeMap::new();
        let read = || -> io::Result<Vec<(Ipv4Addr, String)>> {
            fs::create_dir_all(&directory)?;
            let mut found = Vec::new();
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                if let Some(Ok(address)) = entry.file_name().to_str().map(str::parse) {
                    found.push((address, fs::read_to_string(entry.path())?));
                }
            }
            Ok(found)
        };
        match read() {
            Ok(found) => taken.extend(found.into_iter().filter(|(address, _)| cidr.contains(*address))),
            Err(source) => return Err(PoolError::Io { directory, source }),
        }
        Ok(Self { directory, cidr, taken, next_index: FIRST_INDEX })
    }

    /// The gateway of the range: its first usable address.
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        self.cidr.nth(1)
    }

    /// The range that addresses come from.
    pub fn cidr(&self) -> Cidr {
        self.cidr
    }

    /// The address of `sandbox`: the one that it has, or a free one.
    pub fn allocate(&mut self, sandbox: &str) -> Result<Ipv4Addr, PoolError> {
        if let Some((address, _)) = self.taken.iter().find(|(_, holder)| *holder == sandbox) {
            return Ok(*address);
        }
        // the last address is the broadcast address
        let end = self.cidr.size().saturating_sub(1);
        let usable = end.saturating_sub(FIRST_INDEX);
        let candidates = (0..usable).filter_map(|step| {
            let index = FIRST_INDEX + (self.next_index - FIRST_INDEX + step) % usable;
            Some((index, self.cidr.nth(index)?))
        });
        let free = candidates.into_iter().find(|(_, address)| !self.taken.contains_key(address));
        let (index, address) = free.ok_or(PoolError::Exhausted(self.cidr))?;
        let file = self.directory.join(address.to_string());
        fs::write(&file, sandbox).map_err(|source| PoolError::Io { directory: self.directory.clone(), source })?;
        self.taken.insert(address, sandbox.to_owned());
        self.next_index = if index + 1 < end { index + 1 } else { FIRST_INDEX };
        Ok(address)
    }

    /// The address that `sandbox` holds.
    pub fn address_of(&self, sandbox: &str) -> Option<Ipv4Addr> {
        self.taken.iter().find(|(_, holder)| *holder == sandbox).map(|(address, _)| *address)
    }

    /// Gives the address of `sandbox` back; nothing happens when it holds none.
    pub fn release(&mut self, sandbox: &str) -> Result<(), PoolError> {
        let Some(address) = self.address_of(sandbox) else { return Ok(()) };
        match fs::remove_file(self.directory.join(address.to_string())) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(PoolError::Io { directory: self.directory.clone(), source })
            }
            _ => {
                self.taken.remove(&address);
                Ok(())
            }
        }
    }

    /// All sandboxes that hold an address.
    pub fn holders(&self) -> impl Iterator<Item = &str> {
        self.taken.values().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_returned_late_and_run_out() {
        let directory = tempfile::tempdir().unwrap();
        let cidr: Cidr = "10.0.0.0/29".parse().unwrap();
        let mut pool = AddressPool::open(directory.path().into(), cidr).unwrap();
        let all: Vec<String> = (0..5).map(|i| pool.allocate(&format!("s{i}")).unwrap().to_string()).collect();
        assert_eq!(all, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
        assert!(matches!(pool.allocate("s5"), Err(PoolError::Exhausted(_))));
        assert_eq!(pool.allocate("s1").unwrap().to_string(), "10.0.0.3", "the same sandbox keeps its address");

        let mut again = AddressPool::open(directory.path().into(), cidr).unwrap();
        again.release("s2").unwrap();
        again.release("s2").unwrap();
        assert_eq!(again.allocate("s9").unwrap().to_string(), "10.0.0.4");
    }

    #[test]
    fn a_freed_address_rests() {
        let directory = tempfile::tempdir().unwrap();
        let mut pool = AddressPool::open(directory.path().into(), "10.0.0.0/29".parse().unwrap()).unwrap();
        pool.allocate("a").unwrap();
        pool.release("a").unwrap();
        assert_eq!(pool.allocate("b").unwrap().to_string(), "10.0.0.3");
    }
}
