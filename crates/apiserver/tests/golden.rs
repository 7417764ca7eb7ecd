//! The golden corpus against a server in this process: every scenario of `../shared/golden` that should pass, passes; on
//! the embedded store and on etcd alike.
//!
//! `expected-failures.txt` names the steps that still fail; a step in it that passes is an error, so the list can only
//! shrink. `PINTLE_SCENARIOS=crd-,admission` runs only those whose names begin so. Without the corpus (or Python) there is nothing to do.

#[path = "../../store/tests/etcd_server/mod.rs"]
mod etcd_server;
mod harness;

use apiserver::{Server, StaticTokens};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Beside the repository, wherever that is.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden");
/// Seconds that a step may wait for something that does not come.
const PATIENCE_SECONDS: &str = "2";

async fn start(store: Arc<dyn store::Store>) -> Server {
    let mut static_tokens = StaticTokens::default();
    static_tokens.add_administrator("admin");
    Server::start(harness::config_with(store, static_tokens)).await.unwrap()
}

fn scenarios() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(Path::new(CORPUS).join("scenarios")) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".json").map(str::to_owned));
    if let Ok(wanted) = std::env::var("PINTLE_SCENARIOS") {
        let wanted: Vec<&str> = wanted.split(',').collect();
        return names.filter(|name| wanted.iter().any(|prefix| name.starts_with(prefix))).collect();
    }
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// The steps of a scenario that fail; one named `*` when the replayer itself gave up, as it does on answers of another
/// shape than those that later steps build on.
fn failures(address: &str, scenario: &str, directory: &Path) -> BTreeSet<String> {
    let report = directory.join(format!("{scenario}.json"));
    let output = Command::new("python3")
        .arg(Path::new(CORPUS).join("replay.py"))
        .args(["--server", address, "--token", "admin", "--patience", PATIENCE_SECONDS, "--only", scenario])
        .output()
        .unwrap();
    std::fs::write(&report, &output.stdout).unwrap();
    if std::env::var_os("PINTLE_SCENARIOS").is_some() {
        eprintln!("{}", String::from_utf8_lossy(&output.stdout)); // whoever asks for a few wants to see why
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = text.lines().filter_map(|line| line.strip_prefix("FAIL  ")?.split_whitespace().next());
    let mut failed: BTreeSet<String> = failed.map(str::to_owned).collect();
    if !text.lines().last().unwrap_or_default().contains(" passed, ") {
        failed.insert(format!("{scenario}/*"));
    }
    failed
}

fn expected_failures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected-failures.txt")
}

/// The steps that fail on a store; `None`: nothing to replay, or nothing to replay it with.
async fn found_failures(store: Arc<dyn store::Store>, directory: &Path) -> Option<BTreeSet<String>> {
    let scenarios = scenarios();
    if scenarios.is_empty() || Command::new("python3").arg("--version").output().is_err() {
        return None;
    }
    let server = start(store).await;
    let address = format!("http://{}", server.address());
    let work = directory.to_owned();
    let found = tokio::task::spawn_blocking(move || {
        scenarios.iter().flat_map(|scenario| failures(&address, scenario, &work)).collect::<BTreeSet<String>>()
    })
    .await
    .unwrap();
    server.shutdown().await;
    Some(found)
}

fn check(found: &BTreeSet<String>, directory: &Path) {
    let text = std::fs::read_to_string(expected_failures()).unwrap();
    let expected: BTreeSet<String> =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect();
    let new: Vec<&String> = found.difference(&expected).collect();
    let partial = std::env::var_os("PINTLE_SCENARIOS").is_some();
    let healed: Vec<&String> = expected.difference(found).filter(|_| !partial).collect();
    let reports: String = new.iter().map(|step| report_of(step, directory)).collect();
    assert!(new.is_empty(), "fail, and should not: {new:#?}\n{reports}");
    assert!(healed.is_empty(), "pass: take them off expected-failures.txt: {healed:#?}");
}

/// What the replayer said of a step: whoever looks at a failure that does not come again has nothing else.
fn report_of(step: &str, directory: &Path) -> String {
    let scenario = step.split('/').next().unwrap_or_default();
    let text = std::fs::read_to_string(directory.join(format!("{scenario}.json"))).unwrap_or_default();
    let begins =
        |line: &&str| line.strip_prefix("FAIL  ").is_some_and(|rest| rest.split_whitespace().next() == Some(step));
    let Some(from) = text.lines().position(|line| begins(&line)) else { return text };
    let is_next = |line: &&str| line.starts_with("FAIL  ") || line.starts_with("PASS  ");
    let lines = text.lines().skip(from);
    let more = lines.clone().skip(1).take_while(|line| !is_next(line));
    lines.take(1).chain(more).map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_corpus_passes_but_for_the_expected_failures() {
    let directory = tempfile::tempdir().unwrap();
    let store = store::Embedded::open(&directory.path().join("db"), clock::system()).unwrap();
    let Some(found) = found_failures(Arc::new(store), directory.path()).await else { return };
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let text = std::fs::read_to_string(expected_failures()).unwrap();
        let header: String =
            text.lines().filter(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        let lines: String = found.iter().map(|step| format!("{step}\n")).collect();
        std::fs::write(expected_failures(), header + &lines).unwrap();
        return;
    }
    check(&found, directory.path());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_corpus_passes_on_etcd_too() {
    let Some(etcd) = etcd_server::EtcdServer::start(&[]) else { return };
    let directory = tempfile::tempdir().unwrap();
    let config = store::EtcdConfig::new(vec![etcd.endpoint()]);
    let store = store::Etcd::connect(config, clock::system()).await.unwrap();
    if let Some(found) = found_failures(Arc::new(store), directory.path()).await {
        check(&found, directory.path());
    }
}
