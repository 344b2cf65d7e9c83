//! Streams that come and go with the configuration.

use super::*;

#[tokio::test]
async fn a_reload_disturbs_only_what_changed() {
    let mut rig = Rig::push(LONG);
    let (lease, mut worker) = rig.live().await;
    rig.settings.streams[0].publish_key = Some(secret("new"));
    rig.settings.streams.insert(0, stream("demo", Source::Test));
    rig.settings.session.grace = SHORT;
    rig.apply();
    assert_eq!(rig.publish("sesame").await.unwrap_err(), Refusal::WrongKey);
    let names = rig.registry.list().into_iter().map(|status| status.name);
    assert_eq!(names.collect::<Vec<_>>(), ["demo", "cam"]);
    send(&lease, MediaEvent::Frame(frame(1, true))).await;
    hears_frame(&mut worker, 1).await;
    assert!(!lease.revoked.is_revoked());
    drop(lease);
    assert_eq!(worker.hear().await, ToWorker::InputClosed);
    assert_eq!(worker.hear().await, ToWorker::Finish, "the new grace holds");
}

#[tokio::test]
async fn a_changed_stream_ends_its_session_before_the_next_begins() {
    let mut rig = Rig::push(LONG);
    let (lease, mut worker) = rig.live().await;
    rig.settings.streams[0].rungs.pop();
    rig.apply();
    bounded(lease.revoked.revoked()).await;
    assert_eq!(worker.hear().await, ToWorker::InputClosed);
    assert_eq!(worker.hear().await, ToWorker::Finish);
    let _lease = rig.publish("sesame").await.unwrap();
    worker.say(FromWorker::Finished).await;
    let (start, _worker) = rig.started.next().await;
    assert_eq!(start.rungs.len(), 1);
    assert_eq!(rig.recorder.log(), ["open cam", "part 1.0", "end"]);
    assert_eq!(rig.missing("cam").await, Missing::NotReady);
}

#[tokio::test]
async fn a_removed_stream_ends() {
    let mut rig = Rig::push(LONG);
    let (lease, mut worker) = rig.live().await;
    rig.settings.streams.clear();
    rig.apply();
    bounded(lease.revoked.revoked()).await;
    assert_eq!(
        rig.publish("sesame").await.unwrap_err(),
        Refusal::UnknownStream
    );
    assert_eq!(worker.hear().await, ToWorker::InputClosed);
    assert_eq!(worker.hear().await, ToWorker::Finish);
    worker.say(FromWorker::Finished).await;
    rig.recorder.last("end").await;
}

#[tokio::test]
async fn a_shutdown_flushes_ends_and_lets_nobody_in() {
    let mut rig = Rig::push(LONG);
    let (lease, mut worker) = rig.live().await;
    let registry = rig.registry.clone();
    let shutdown = tokio::spawn(async move { registry.shutdown().await });
    bounded(lease.revoked.revoked()).await;
    assert_eq!(worker.hear().await, ToWorker::InputClosed);
    assert_eq!(worker.hear().await, ToWorker::Finish);
    worker.makes(2).await;
    worker.say(FromWorker::Finished).await;
    bounded(shutdown).await.unwrap();
    let log = rig.recorder.log();
    assert_eq!(log, ["open cam", "part 1.0", "part 2.0", "end"]);
    assert_eq!(
        rig.publish("sesame").await.unwrap_err(),
        Refusal::ShuttingDown
    );
}
