//! A `kubectl get … -w` beside the test: what a person who looks all the time would have seen, also between two looks.

use crate::cluster::Cluster;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};

/// The running command and its lines so far.
pub struct Screen {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Screen {
    /// Starts to look.
    pub fn watch(cluster: &Cluster, command: &str) -> Self {
        let mut child = cluster.spawn(command);
        let lines = Arc::new(Mutex::new(Vec::new()));
        if let Some(stdout) = child.stdout.take() {
            let lines = lines.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
        Self { child, lines }
    }

    /// Everything that was shown.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets what was shown.
    pub fn clear(&self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}
