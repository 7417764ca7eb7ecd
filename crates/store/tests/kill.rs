//! `kill -9` at random moments: every write that was acknowledged is there after the next start.
//!
//! The test binary runs itself again as the writer (`PINTLE_STORE_KILL_CHILD`), which prints a line per acknowledgement.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use store::{Embedded, Expect, Mutation, Note, Store, Write};

const CHILD: &str = "PINTLE_STORE_KILL_CHILD";
const ROUNDS: usize = 12;
const WRITERS: usize = 8;

/// Writes until it is killed; each writer counts up its own key.
async fn child(path: &Path) {
    let store = Embedded::open(path, clock::system()).unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for count in 0u64.. {
                let key = format!("/w{writer}/{}", count % 50);
                let value = Bytes::from(format!("{count}:{}", "x".repeat((count as usize * 37) % 3000)));
                let write = Write {
                    key: key.as_str().into(),
                    expect: Expect::Any,
                    mutation: Mutation::Put(value),
                    ttl_seconds: None,
                    note: Note::default(),
                };
                let committed = store.commit(write).await.unwrap();
                println!("{key} {} {count}", committed.revision);
            }
        })
    });
    futures::future::join_all(writers).await;
}

#[test]
fn acknowledged_writes_survive_a_kill() {
    if let Ok(path) = std::env::var(CHILD) {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap()
            .block_on(child(Path::new(&path)));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let mut last = 0;
    for round in 0..ROUNDS {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "acknowledged_writes_survive_a_kill", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut acknowledged: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut seen = 0;
        // Killed in the midst of writing, at a different point each round; what it said before that is read to the end.
        for line in lines {
            let Ok(line) = line else { break };
            let mut words = line.split(' ');
            let (Some(key), Some(Ok(revision)), Some(Ok(count))) =
                (words.next(), words.next().map(str::parse), words.next().map(str::parse))
            else {
                continue;
            };
            acknowledged.insert(key.to_owned(), (revision, count));
            seen += 1;
            if seen == 20 + round * 61 {
                process.kill().unwrap();
            }
        }
        process.wait().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = Embedded::open(&path, clock::system()).unwrap();
        let loaded = runtime.block_on(store.load()).unwrap();
        let found: BTreeMap<&str, (u64, &[u8])> =
            loaded.entries.iter().map(|e| (&*e.key, (e.revision.0, &e.value[..]))).collect();
        for (key, (revision, count)) in &acknowledged {
            let (found_revision, value) = found[key.as_str()];
            assert!(found_revision >= *revision, "{key}: acknowledged {revision}, found {found_revision}");
            if found_revision == *revision {
                assert!(value.starts_with(format!("{count}:").as_bytes()), "{key}: another value");
            }
        }
        assert!(loaded.revision.0 > last, "no progress in round {round}");
        last = loaded.revision.0;
        runtime.block_on(store.close());
    }
}
