//! Cases of what is sent, and what is not.

use super::*;
use crate::testing::World;
use serde_json::json;

fn pod(version: &str, phase: &str) -> Arc<Pod> {
    Arc::new(
        serde_json::from_value(
            json!({"metadata": {"name": "p", "namespace": "d", "uid": "u", "resourceVersion": version},
            "spec": {"containers": []}, "status": {"phase": phase}}),
        )
        .unwrap(),
    )
}

fn status(phase: &str) -> PodStatus {
    PodStatus { phase: Some(phase.to_owned()), ..PodStatus::default() }
}

#[tokio::test]
async fn one_patch_per_change_and_again_when_somebody_else_wrote() {
    let world = World::new();
    let statuses = &world.shared.statuses;
    statuses.set(&pod("0", "Pending"), status("Running"));
    world.until("sent", |w| w.api.patches.lock().unwrap().len() == 1).await;
    assert_eq!(world.api.patches.lock().unwrap()[0], json!({"metadata": {"uid": "u"}, "status": {"phase": "Running"}}));
    statuses.set(&pod("0", "Pending"), status("Running"));
    statuses.observe(&pod("0", "Pending"));
    statuses.observe(&pod("15", "Unknown"));
    world.until("sent again", |w| w.api.patches.lock().unwrap().len() == 2).await;
    statuses.reclaimed(&pod("15", "Unknown"));
    world.until("deleted", |w| w.api.deleted.lock().unwrap().len() == 1).await;
    assert_eq!(world.api.patches.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_static_pods_status_waits_for_its_own_mirror() {
    let world = World::new();
    let mut of_file = (*pod("0", "Pending")).clone();
    let annotations = [(pod::CONFIG_SOURCE, "file"), (pod::CONFIG_HASH, "edited")];
    of_file.metadata.annotations = Some(annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    world.shared.statuses.set(&Arc::new(of_file.clone()), status("Running"));
    let mirror = |uid: &str, hash: &str| {
        let mut mirror = of_file.clone();
        mirror.metadata.uid = Some(uid.to_owned());
        mirror.metadata.annotations.as_mut().unwrap().insert(pod::CONFIG_MIRROR.to_owned(), hash.to_owned());
        mirror
    };
    let uids = |world: &World| -> Vec<Value> {
        world.api.patches.lock().unwrap().iter().map(|patch| patch["metadata"]["uid"].clone()).collect()
    };

    // the mirror of the manifest before the edit, still there; what is queued after it has been sent shows that it had its turn
    world.shared.statuses.observe(&Arc::new(mirror("old", "before")));
    let mut other = (*pod("0", "Pending")).clone();
    other.metadata.uid = Some("other".to_owned());
    other.metadata.name = Some("other".to_owned());
    world.shared.statuses.set(&Arc::new(other), status("Running"));
    world.until("the other one's is sent", |w| uids(w).contains(&json!("other"))).await;
    assert_eq!(uids(&world), [json!("other")]);

    world.shared.statuses.observe(&Arc::new(mirror("new", "edited")));
    world.until("sent", |w| uids(w).len() == 2).await;
    assert_eq!(uids(&world)[1], "new");
}

#[tokio::test]
async fn a_static_pods_status_outlives_its_mirror() {
    let world = World::new();
    let mirror = |uid: &str| {
        let mut mirror = (*pod("0", "Pending")).clone();
        let annotations = [(pod::CONFIG_SOURCE, "file"), (pod::CONFIG_HASH, "h"), (pod::CONFIG_MIRROR, "h")];
        mirror.metadata.annotations = Some(annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        mirror.metadata.uid = Some(uid.to_owned());
        mirror
    };
    let mut of_file = mirror("u");
    of_file.metadata.annotations.as_mut().unwrap().remove(pod::CONFIG_MIRROR);
    world.api.gone.lock().unwrap().insert("first".to_owned());
    world.shared.statuses.observe(&Arc::new(mirror("first")));
    world.shared.statuses.set(&Arc::new(of_file), status("Running"));
    world.until("the first one is found to be gone", |w| w.api.patches.lock().unwrap().len() == 1).await;
    world.shared.statuses.observe(&Arc::new(mirror("second")));
    world.until("sent", |w| w.api.patches.lock().unwrap().len() == 2).await;
    let wanted = json!({"metadata": {"uid": "second"}, "status": {"phase": "Running"}});
    assert_eq!(world.api.patches.lock().unwrap()[1], wanted);
}

#[tokio::test]
async fn a_kubelet_that_starts_again_goes_on_from_what_the_mirror_shows() {
    let world = World::new();
    let mut mirror = (*pod("7", "Running")).clone();
    let annotations = [(pod::CONFIG_SOURCE, "file"), (pod::CONFIG_HASH, "h"), (pod::CONFIG_MIRROR, "h")];
    mirror.metadata.annotations = Some(annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let mut of_file = mirror.clone();
    of_file.metadata.uid = Some("h".to_owned());
    of_file.metadata.annotations.as_mut().unwrap().remove(pod::CONFIG_MIRROR);
    of_file.status = None;
    let known = |of_file: &Pod| world.shared.statuses.known(of_file).phase;
    assert_eq!(known(&of_file), None);
    world.shared.statuses.observe(&Arc::new(mirror));
    assert_eq!(known(&of_file).as_deref(), Some("Running"));
    of_file.metadata.annotations.as_mut().unwrap().insert(pod::CONFIG_HASH.to_owned(), "edited".to_owned());
    assert_eq!(known(&of_file), None, "the mirror of another manifest");
}
