//! `cargo xtask test`: all that must pass, cheapest first. `cargo xtask e2e`: of it, what types with the real kubectl.

use crate::command::{self, Done};
use crate::{images, kubectl, prerequisites, python, tidy};
use serde_json::Value;
use std::collections::BTreeSet;

/// Test binaries that run whole clusters: one after the other and alone, since they are about time too.
const CLUSTER_TESTS: [&str; 2] = ["node_corpus", "e2e"];

/// What property tests draw their cases from: the same tree gets the same answer. Set the variable to look at other cases, as
/// `cargo xtask fuzz` does in depth.
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "20261125");

/// Runs everything; stops at the first failure.
pub fn run() -> Done {
    ensure_prerequisites()?;
    command::run(command::cargo().args(["fmt", "--all", "--check"]))?;
    tidy::run()?;
    command::run(command::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    check_fuzz_targets()?;
    let mut tests = command::cargo();
    // nextest runs each test in a process of its own and prints one line each; plain cargo does as well
    if command::exists("cargo-nextest") {
        let cluster_tests = CLUSTER_TESTS.map(|name| format!(" and not binary({name})")).concat();
        let selection = format!("all(){cluster_tests}");
        tests.args(["nextest", "run", "--workspace", "--no-fail-fast", "-E", &selection]);
    } else {
        tests.args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins"]);
        for name in integration_tests()?.iter().filter(|name| !CLUSTER_TESTS.contains(&name.as_str())) {
            tests.args(["--test", name]);
        }
    }
    if std::env::var_os(SEED.0).is_none() {
        tests.env(SEED.0, SEED.1);
    }
    command::run(&mut tests)?;
    // all of them in any case: whoever waited so long wants to know of every failure
    let failed: Vec<String> = CLUSTER_TESTS.iter().filter_map(|name| on_clusters(name).err()).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Fuzz targets are a workspace of their own, which nothing else here looks at: that they compile is checked, with the
/// workspace's profile, so that most dependencies are there already.
fn check_fuzz_targets() -> Done {
    let mut check = command::cargo();
    check.args(["check", "--bins", "--features", "components", "--manifest-path"]);
    check.arg(command::root().join("fuzz/Cargo.toml"));
    command::run(check.envs([("CARGO_PROFILE_DEV_OPT_LEVEL", "1"), ("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")]))
}

/// The names of all integration tests: cargo alone cannot be told to leave some out.
fn integration_tests() -> Result<BTreeSet<String>, String> {
    let text = command::output(command::cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let tests = targets.filter(|target| target["kind"][0] == "test");
    Ok(tests.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect())
}

/// The tutorial and the recorded transcripts on real clusters.
pub fn end_to_end() -> Done {
    ensure_prerequisites()?;
    on_clusters("e2e")
}

fn ensure_prerequisites() -> Done {
    let all = [&prerequisites::BUILD[..], &prerequisites::NODES, &prerequisites::IMAGES, &prerequisites::TESTS];
    all.into_iter().try_for_each(prerequisites::ensure)
}

/// Runs a test binary of `pintle` that starts clusters, with the images and the clients that it needs.
fn on_clusters(name: &str) -> Done {
    images::run()?;
    let (client, packages) = (kubectl::ensure()?, python::ensure()?);
    let mut tests = command::cargo();
    // of the whole workspace: a package alone unifies features otherwise, and builds its dependencies a second time
    tests.args(["test", "--workspace", "--test", name, "--", "--test-threads=1", "--nocapture"]);
    tests.env("PINTLE_IMAGES", images::directory()).env("PINTLE_KUBECTL", client);
    command::run(tests.env("PINTLE_PYTHONPATH", packages))
}
