//! The pretended runtime keeps the promises of the real one, as far as a kubelet's tests lean on them.

use super::{Call, FakeRuntime, Script};
use crate::service::{
    ContainerConfig, ContainerEvent, ContainerEventKind, ContainerId, ContainerMetadata, ContainerState, ExitReason,
    PodSandboxConfig, RuntimeError, RuntimeService, SandboxId, SandboxState, StartFailure, StartFailureKind,
};
use clock::ManualClock;
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;

fn rig() -> (FakeRuntime, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    let fake = FakeRuntime::new(clock.clone());
    fake.add_image("busybox");
    (fake, clock)
}

async fn start(fake: &FakeRuntime, sandbox: &SandboxId, name: &str) -> Result<ContainerId, RuntimeError> {
    let metadata = ContainerMetadata { name: name.into(), attempt: 0 };
    let config = ContainerConfig { metadata, image: "busybox".into(), ..ContainerConfig::default() };
    let id = fake.create_container(sandbox, config).await?;
    fake.start_container(&id).await.map(|()| id)
}

#[tokio::test]
async fn scripts_are_used_up_one_by_one_and_the_last_stays() {
    let (fake, clock) = rig();
    let sandbox = fake.run_pod_sandbox(PodSandboxConfig::default()).await.unwrap().id;
    let failure = StartFailure::new(StartFailureKind::ExecutableNotFound, "exec: \"x\"");
    fake.script("c", Script::FailStart(failure.clone()));
    fake.script("c", Script::Exit { after: Duration::from_secs(5), exit_code: 3 });
    let error = start(&fake, &sandbox, "c").await.unwrap_err();
    assert!(matches!(error, RuntimeError::Start(found) if found == failure));
    for _ in 0..2 {
        let mut events = fake.container_events();
        let id = start(&fake, &sandbox, "c").await.unwrap();
        assert_eq!(fake.container_status(&id).await.unwrap().state, ContainerState::Running);
        clock.advance(Duration::from_secs(5));
        while !matches!(events.next().await, Some(ContainerEvent::Container { kind: ContainerEventKind::Stopped, .. }))
        {
        }
        let status = fake.container_status(&id).await.unwrap();
        assert_eq!((status.exit_code, status.reason), (3, Some(ExitReason::Error)));
        assert_eq!(status.finished_at, Some(status.started_at.unwrap() + Duration::from_secs(5)));
    }
}

#[tokio::test]
async fn a_stubborn_container_is_killed_when_its_grace_period_is_over() {
    let (fake, clock) = rig();
    let sandbox = fake.run_pod_sandbox(PodSandboxConfig::default()).await.unwrap().id;
    fake.script("c", Script::RunStubborn);
    let id = start(&fake, &sandbox, "c").await.unwrap();
    let (stopper, stopped) = (fake.clone(), id.clone());
    let task = tokio::spawn(async move { stopper.stop_container(&stopped, Duration::from_secs(30)).await });
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fake.container_status(&id).await.unwrap().state, ContainerState::Running);
    clock.advance(Duration::from_secs(30));
    task.await.unwrap().unwrap();
    assert_eq!(fake.container_status(&id).await.unwrap().exit_code, 137);
    assert!(fake.calls().contains(&Call::StopContainer("c".into(), Duration::from_secs(30))));
}

#[tokio::test]
async fn a_lost_sandbox_takes_its_containers_along() {
    let (fake, _clock) = rig();
    let sandbox = fake.run_pod_sandbox(PodSandboxConfig::default()).await.unwrap().id;
    let id = start(&fake, &sandbox, "c").await.unwrap();
    fake.lose_sandbox(&sandbox);
    let status = fake.container_status(&id).await.unwrap();
    assert_eq!((status.exit_code, status.reason), (255, Some(ExitReason::Unknown)));
    assert_eq!(fake.pod_sandbox_status(&sandbox).await.unwrap().state, SandboxState::NotReady);
    assert!(matches!(start(&fake, &sandbox, "d").await, Err(RuntimeError::InvalidState(_))));
}
