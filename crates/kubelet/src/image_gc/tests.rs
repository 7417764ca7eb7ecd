//! Which images go, and when.

use super::*;
use crate::testing::World;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn image(name: &str, size_bytes: u64) -> Image {
    Image { id: ImageId(name.to_owned()), size_bytes, ..Image::default() }
}

fn ids(names: &[&str]) -> BTreeSet<ImageId> {
    names.iter().map(|name| ImageId((*name).to_owned())).collect()
}

fn order(records: &ImageRecords, in_use: &[&str], second: i64) -> String {
    let all = records.eviction_order(&Retention::default(), &ids(in_use), at(second));
    all.into_iter().map(|(id, _)| id.0).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_longest_unused_goes_first_and_what_is_used_pinned_or_new_stays() {
    let mut records = ImageRecords::new(at(0));
    let pinned = Image { pinned: true, ..image("pinned", 1) };
    let all = [image("a", 1), image("b", 1), image("c", 1), pinned, image("used", 1)];
    records.detect(&all, &ids(&["a", "used"]), at(0));
    records.detect(&all, &ids(&["b", "used"]), at(10));
    // there at the start: old enough at once
    assert_eq!(order(&records, &["used"], 10), "c a b");
    let mut more = all.to_vec();
    more.push(image("new", 1));
    records.detect(&more, &ids(&["used"]), at(20));
    assert_eq!(order(&records, &["used"], 139), "c a b");
    assert_eq!(order(&records, &["used"], 140), "c new a b");
    // what is gone is forgotten
    records.detect(&[image("a", 1)], &ids(&[]), at(150));
    assert_eq!(order(&records, &[], 500), "a");
}

#[test]
fn age_counts_from_the_last_use_and_from_the_kubelets_start() {
    let settings = Retention { image_maximum_gc_age: Duration::from_secs(3600), ..Retention::default() };
    let mut records = ImageRecords::new(at(0));
    records.detect(&[image("never", 1), image("once", 1)], &ids(&["once"]), at(0));
    records.detect(&[image("never", 1), image("once", 1)], &ids(&["once"]), at(1800));
    assert_eq!(records.too_old(&settings, &ids(&[]), at(3600)), []);
    assert_eq!(records.too_old(&settings, &ids(&[]), at(3601)), [ImageId("never".to_owned())]);
    assert_eq!(records.too_old(&settings, &ids(&[]), at(5401)).len(), 2);
    assert_eq!(records.too_old(&Retention::default(), &ids(&[]), at(99_999)), []);
}

#[test]
fn from_the_high_threshold_down_to_the_low_one() {
    let usage = |available_bytes| ImageFsUsage { capacity_bytes: 1000, available_bytes, ..ImageFsUsage::default() };
    let wanted = |available| bytes_to_free(&Retention::default(), &usage(available)).unwrap();
    // whole percents of what is free, as upstream has it
    assert_eq!([wanted(160), wanted(151), wanted(150), wanted(20)], [0, 49, 50, 180]);
    let nothing = ImageFsUsage::default();
    assert!(matches!(bytes_to_free(&Retention::default(), &nothing), Err(ImageGcError::InvalidCapacity)));
}

#[tokio::test]
async fn a_full_disk_is_told_of_when_it_stays_full() {
    let world = World::new();
    world.runtime.add_image("another");
    let usage = ImageFsUsage { capacity_bytes: 1 << 40, available_bytes: 1, ..ImageFsUsage::default() };
    world.runtime.set_image_fs_usage(usage);
    let task = tokio::spawn(run(world.shared.clone(), world.shutdown.clone()));
    world.until("it waits", |w| w.clock.sleepers() > 0).await;
    world.advance(300).await;
    world.until("it failed", |w| w.events().contains("FreeDiskSpaceFailed")).await;
    assert!(!world.events().contains("ImageGCFailed"));
    assert_eq!(world.shared.images.list_images().await.unwrap(), [], "what nobody uses went");
    world.advance(300).await;
    world
        .until("it failed again", |w| w.events().contains("Warning ImageGCFailed pod: Failed to garbage collect"))
        .await;
    world.shutdown.cancel();
    task.await.unwrap();
}
