//! docs/tutorial.md, typed line by line, so that the page cannot go stale.

use crate::cluster::Cluster;
use crate::page::{blocks, page};
use crate::transcript;

#[test]
fn both_languages_show_the_same_commands() {
    assert_eq!(blocks(&page("tutorial.md")), blocks(&page("tutorial.zh.md")));
}

#[test]
fn the_page_can_be_followed() {
    let cluster = Cluster::up("master,node1,node2");
    for (info, content) in blocks(&page("tutorial.md")) {
        if let Some(file) = info.strip_prefix("yaml file=") {
            std::fs::write(cluster.work_dir().join(file), content).expect("write a manifest");
        } else if info == "sh" {
            // the test has done what `cargo xtask up` does after building, and its shell has both variables
            let lines: Vec<&str> = content.lines().collect();
            let path = "export PATH=$PWD/target/release:$PATH";
            assert_eq!(lines, ["cargo xtask up", path, "export KUBECONFIG=/var/lib/pintle/kubeconfig"]);
        } else if info == "console" {
            transcript::run(&cluster, &transcript::parse(&content), |_, lines| {
                lines.into_iter().map(either_worker).collect()
            });
        }
    }
}

/// Where nothing else decides, either worker may get a pod.
fn either_worker(line: String) -> String {
    if line.contains("Successfully assigned") { line.replace(" to node2", " to node1") } else { line }
}
