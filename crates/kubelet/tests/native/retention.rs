//! Logs and images of real containers, kept as long as the settings say; the kubelet's time is the test's.

use super::{FOR_EVER, Node, PATIENCE, busybox, possible};
use clock::ManualClock;
use kubelet::Retention;
use runtime::service::ImageService;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn manual() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(jiff::Timestamp::from_second(1_700_000_000).unwrap()))
}

impl Node {
    /// Moves the kubelet's time on until the world is as described.
    fn advance_until(&self, kubelet: &ManualClock, step: Duration, what: &str, holds: impl AsyncFn() -> bool) {
        let clock = clock::system();
        let found = self.running.as_ref().unwrap().tokio.block_on(clock::timeout(&*clock, PATIENCE, async {
            while !holds().await {
                kubelet.advance(step);
                clock.sleep(Duration::from_millis(20)).await;
            }
        }));
        assert!(found.is_some(), "never: {what}");
    }

    /// The files of the container's log, the oldest first, the one that is written last.
    fn logs(&self) -> Vec<PathBuf> {
        let pods = std::fs::read_dir(self.path("pods")).into_iter().flatten().flatten();
        let files = pods.flat_map(|pod| std::fs::read_dir(pod.path().join("c")).into_iter().flatten().flatten());
        let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
        files.sort_by_key(|path| (path.ends_with("0.log"), path.clone()));
        files
    }
}

/// The numbers that the container has written into a file of its log; `None` where the file has gone meanwhile.
fn numbers(path: &PathBuf) -> Option<Vec<u64>> {
    let bytes = std::fs::read(path).ok()?;
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    // the last line may be half written
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    Some(whole.lines().filter_map(|line| line.split(' ').nth(3)?.strip_prefix("line-")?.parse().ok()).collect())
}

/// What a log is made of once no rotation is under way: a compressed file, one that is not, and the one that is written.
/// `None`: not yet so.
fn settled(logs: &[PathBuf]) -> Option<Vec<u64>> {
    let names: Vec<_> = logs.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy()).collect();
    let [oldest, middle, newest] = names.as_slice() else { return None };
    let is_rotated = |name: &str| name.starts_with("0.log.") && !name.ends_with(".tmp");
    let whole = is_rotated(oldest) && oldest.ends_with(".gz") && is_rotated(middle) && !middle.ends_with(".gz");
    logs.iter().map(numbers).collect::<Option<Vec<_>>>().filter(|_| whole && newest == "0.log").map(|all| all.concat())
}

#[test]
fn logs_are_rotated_and_no_line_is_lost_between_them() {
    if !possible() {
        return;
    }
    let (mut node, clock) = (Node::new(200), manual());
    let retention =
        Retention { container_log_max_size_bytes: 2000, container_log_max_files: 3, ..Retention::default() };
    node.write_manifest("i=0; while :; do i=$((i+1)); echo line-$i; sleep 0.005; done");
    node.start_with(None, clock.clone(), retention);
    node.until("it runs", |up, _, _| up == 1);
    let rotated = async || {
        let logs = node.logs();
        assert!(logs.len() <= 3, "too many: {logs:?}");
        settled(&logs).is_some_and(|numbers| numbers.first().is_some_and(|first| *first > 1))
    };
    node.advance_until(&clock, Duration::from_secs(10), "the oldest file goes", rotated);
    // time stands still now: a rotation that has begun ends, and a line that it lost would stay away
    node.until("no line is missing", |_, _, _| {
        settled(&node.logs()).is_some_and(|numbers| {
            let first = numbers.first().copied().unwrap_or_default();
            first > 1 && numbers.iter().zip(first..).all(|(have, want)| *have == want)
        })
    });
    node.remove_manifest();
    node.until("it is gone", |_, instances, sandboxes| (instances, sandboxes) == (0, 0));
    node.until_nothing_is_left();
}

#[test]
fn images_that_nobody_uses_for_long_go_and_others_stay() {
    if !possible() {
        return;
    }
    let (mut node, clock) = (Node::new(201), manual());
    let hour = Duration::from_secs(3600);
    // never for the sake of room: how full this machine's disk is must not matter
    let retention =
        Retention { image_gc_high_threshold_percent: 100, image_maximum_gc_age: hour, ..Retention::default() };
    node.write_manifest(FOR_EVER);
    node.start_with(None, clock.clone(), retention);
    node.until("it runs", |up, _, _| up == 1);
    let native = node.running.as_ref().unwrap().native.clone();
    let archive = node.path("other.tar");
    busybox::docker_archive(&archive, &["other:latest"], r#"{"Cmd":["true"]}"#, &[busybox::layer().unwrap()]).unwrap();
    node.running.as_ref().unwrap().tokio.block_on(native.import_image(archive, None)).unwrap();
    let names = async || {
        let images = native.list_images().await.unwrap();
        images.into_iter().flat_map(|image| image.repo_tags).collect::<Vec<String>>()
    };
    let other_gone = async || !names().await.iter().any(|name| name.contains("other"));
    node.advance_until(&clock, Duration::from_secs(300), "the unused image goes", other_gone);
    let left = node.running.as_ref().unwrap().tokio.block_on(names());
    assert!(left.iter().any(|name| name.contains("busybox")), "the one in use went too: {left:?}");
    node.remove_manifest();
    node.until("the pod is gone", |_, instances, sandboxes| (instances, sandboxes) == (0, 0));
    let all_gone = async || names().await.is_empty();
    node.advance_until(&clock, Duration::from_secs(300), "the last image goes", all_gone);
    drop(native);
    node.until_nothing_is_left();
}
