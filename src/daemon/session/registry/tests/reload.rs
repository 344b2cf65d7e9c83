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

fn waiting(rig: &Rig, stream: &'static str) -> impl Future<Output = Result<(), Missing>> + use<> {
    let origin = rig.origin.clone();
    async move { origin.master(stream, Packaging::Cmaf, LONG).await.map(drop) }
}

/// The session of a stream that runs while it is watched is removed before it can be played, and
/// added again while its worker still flushes.
#[tokio::test]
async fn a_stream_that_is_removed_and_added_again_keeps_its_waiting_viewers() {
    let mut rig = Rig::new(settings(LONG, vec![stream("demo", Source::Test)]));
    let home = IpAddr::from(Ipv4Addr::LOCALHOST);
    let demand = rig
        .registry
        .demand("demo", Packaging::Cmaf, &Viewer::at(home, "agent"));
    assert_eq!(demand, Demand::Starting);
    let (_, mut worker) = rig.started.next().await;
    worker.plans().await;
    rig.until(|status| !status.rungs.is_empty()).await;
    let viewer = tokio::spawn(waiting(&rig, "demo"));
    tokio::task::yield_now().await;

    let streams = std::mem::take(&mut rig.settings.streams);
    rig.apply();
    assert_eq!(worker.hear().await, ToWorker::Finish);
    rig.settings.streams = streams;
    rig.apply();
    worker.say(FromWorker::Finished).await;
    let (_, mut next) = rig.started.next().await;
    assert!(!viewer.is_finished(), "the viewer was sent away");
    next.goes_live(1).await;
    assert_eq!(bounded(viewer).await.unwrap(), Ok(()));
}

/// The earlier task gives its session up when it ends; the publisher of the next is there already.
#[tokio::test]
async fn a_changed_stream_keeps_those_who_wait_for_its_first_session() {
    let mut rig = Rig::push(LONG);
    let first = rig.publish("sesame").await.unwrap();
    let (_, worker) = rig.started.next().await;
    let viewer = tokio::spawn(waiting(&rig, "cam"));
    tokio::task::yield_now().await;
    rig.settings.streams[0].rungs.pop();
    rig.apply();
    let _second = rig.publish("sesame").await.unwrap();
    bounded(first.revoked.revoked()).await;
    worker.is_killed().await;
    let (_, mut next) = rig.started.next().await;
    next.goes_live(1).await;
    assert_eq!(bounded(viewer).await.unwrap(), Ok(()));
}

#[tokio::test]
async fn nobody_waits_for_a_changed_stream_without_a_publisher() {
    let mut rig = Rig::push(LONG);
    let _lease = rig.publish("sesame").await.unwrap();
    let (_, worker) = rig.started.next().await;
    let viewer = waiting(&rig, "cam");
    rig.settings.streams[0].rungs.pop();
    rig.apply();
    worker.is_killed().await;
    assert_eq!(bounded(viewer).await, Err(Missing::NotFound));
}
