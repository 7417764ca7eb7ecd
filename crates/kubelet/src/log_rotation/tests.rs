//! Which rotated files stay, and a whole rotation on a runtime that only pretends.

use super::*;
use crate::testing::World;
use expect_test::expect;
use runtime::fake::Call;
use runtime::service::{ContainerConfig, ContainerMetadata, PodSandboxConfig};
use std::io::Read;

fn check(names: &[&str], files_max: usize, want: expect_test::Expect) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let plan = plan("0.log", &names, files_max);
    want.assert_eq(&format!("remove {:?} compress {:?}", plan.remove, plan.compress));
}

#[test]
fn the_oldest_go_and_all_but_the_newest_are_compressed() {
    check(&["0.log", "1.log", "1.log.1"], 5, expect!["remove [] compress []"]);
    check(&["0.log.1.gz", "0.log.2", "0.log"], 5, expect![[r#"remove [] compress ["0.log.2"]"#]]);
    check(
        &["0.log.1.gz", "0.log.2.gz", "0.log.3.gz", "0.log.4"],
        5,
        expect![[r#"remove ["0.log.1.gz"] compress ["0.log.4"]"#]],
    );
    check(&["0.log.1"], 2, expect![[r#"remove ["0.log.1"] compress []"#]]);
    // what a crash has left
    check(
        &["0.log.1", "0.log.1.gz", "0.log.2", "0.log.2.gz.tmp"],
        5,
        expect![[r#"remove ["0.log.1", "0.log.2.gz.tmp"] compress ["0.log.2"]"#]],
    );
}

#[tokio::test]
async fn a_large_log_is_set_aside_and_the_runtime_goes_on_in_a_new_one() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let config = PodSandboxConfig { log_directory: directory.path().to_owned(), ..PodSandboxConfig::default() };
    let sandbox = world.shared.runtime.run_pod_sandbox(config).await.unwrap();
    let config = ContainerConfig {
        metadata: ContainerMetadata { name: "c".to_owned(), attempt: 0 },
        image: "busybox".to_owned(),
        log_path: "0.log".into(),
        ..ContainerConfig::default()
    };
    let id = world.shared.runtime.create_container(&sandbox.id, config).await.unwrap();
    world.shared.runtime.start_container(&id).await.unwrap();
    let log = directory.path().join("0.log");
    fs::write(&log, vec![b'x'; 10 << 20]).unwrap();
    fs::write(directory.path().join("0.log.20200101-000000"), "older").unwrap();
    let task = tokio::spawn(run(world.shared.clone(), world.shutdown.clone()));
    world.advance(10).await;
    let reopened = |w: &World| w.runtime.calls().contains(&Call::ReopenContainerLog(id.clone()));
    world.until("the log is opened anew", reopened).await;
    assert!(!log.exists());
    let rotated = rotated_path(&log, world.now());
    assert_eq!(fs::metadata(rotated).unwrap().len(), 10 << 20);
    let mut text = String::new();
    let older = File::open(directory.path().join("0.log.20200101-000000.gz")).unwrap();
    flate2::read::GzDecoder::new(older).read_to_string(&mut text).unwrap();
    assert_eq!(text, "older");
    remove(&log);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    world.shutdown.cancel();
    task.await.unwrap();
}
