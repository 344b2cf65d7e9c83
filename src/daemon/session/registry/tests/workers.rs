//! Workers that are lost.

use super::*;

#[tokio::test]
async fn a_lost_worker_is_replaced_and_goes_on_with_the_group_of_pictures() {
    let mut rig = Rig::push(LONG);
    let (lease, mut worker) = rig.live().await;
    for (pts, key) in [(1, true), (2, false), (3, true), (4, false)] {
        send(&lease, MediaEvent::Frame(frame(pts, key))).await;
        hears_frame(&mut worker, pts).await;
    }
    worker.makes(2).await;
    rig.recorder.last("part 2.0").await;
    worker.dies();
    let (start, mut worker) = rig.started.next().await;
    assert_eq!(
        (start.plan, start.first_msn),
        (Some(crate::daemon::session::fake::plan()), 3)
    );
    assert_eq!(worker.hear().await, ToWorker::InputOpened(format()));
    hears_frame(&mut worker, 3).await;
    hears_frame(&mut worker, 4).await;
    send(&lease, MediaEvent::Frame(frame(5, false))).await;
    hears_frame(&mut worker, 5).await;
    worker.goes_live(3).await;
    rig.recorder.last("part 3.0").await;
    let log = [
        "open cam",
        "part 1.0",
        "part 2.0",
        "interrupted 3",
        "part 3.0",
    ];
    assert_eq!(rig.recorder.log(), log);
    let status = rig.until(|status| status.last_error.is_some()).await;
    assert_eq!(status.state, State::Live);
    assert!(status.last_error.unwrap().contains("killed by the test"));
    assert!(!lease.revoked.is_revoked());
}

#[tokio::test]
async fn a_worker_that_made_nothing_leaves_no_gap() {
    let mut rig = Rig::push(LONG);
    let (_lease, worker) = rig.live().await;
    worker.dies();
    let (_, worker) = rig.started.next().await;
    worker.dies();
    let (start, _worker) = rig.started.next().await;
    assert_eq!(start.first_msn, 2);
    assert_eq!(
        rig.recorder.log(),
        ["open cam", "part 1.0", "interrupted 2"]
    );
}

#[tokio::test]
async fn a_worker_whose_output_stands_still_is_replaced() {
    let (launch, mut started) = FakeLaunch::new();
    let deps = Deps {
        origin: origin(),
        subscribers: Vec::new(),
        launch,
        metrics: StreamMetrics::default(),
        window: LONG,
    };
    let stall_max = SHORT;
    let registry = Registry::with_limits(
        deps,
        Limits {
            stall_max,
            ..patient()
        },
    );
    registry.set_encoders(vec![tested("x264")]);
    registry.apply(
        &settings(LONG, vec![stream("demo", Source::Test)]),
        &BTreeMap::new(),
    );
    registry.demand("demo", Packaging::Cmaf, Ipv4Addr::LOCALHOST.into(), "agent");
    let (_, mut worker) = started.next().await;
    worker.goes_live(1).await;
    worker.is_killed().await;
    let (start, _worker) = started.next().await;
    assert!(start.plan.is_some());
}

#[tokio::test]
async fn a_worker_that_talks_nonsense_is_replaced() {
    let mut rig = Rig::push(LONG);
    let (_lease, mut worker) = rig.live().await;
    let track = crate::model::hls::TrackId::Audio(200);
    worker
        .say(FromWorker::Part(crate::daemon::session::fake::part(
            track, 2,
        )))
        .await;
    worker.is_killed().await;
    let (start, _) = rig.started.next().await;
    assert_eq!(start.first_msn, 2);
}

/// Some publishers tell their audio format only after the first pictures.
#[tokio::test]
async fn a_late_sound_format_does_not_cost_the_group_of_pictures() {
    let mut rig = Rig::push(LONG);
    let (lease, mut worker) = rig.live().await;
    for (pts, key) in [(1, true), (2, false)] {
        send(&lease, MediaEvent::Frame(frame(pts, key))).await;
        hears_frame(&mut worker, pts).await;
    }
    let with_sound = with_sound(format());
    send(&lease, MediaEvent::Format(with_sound.clone())).await;
    assert_eq!(worker.hear().await, ToWorker::InputOpened(with_sound));
    send(&lease, MediaEvent::Frame(frame(3, false))).await;
    for pts in [1, 2, 3] {
        hears_frame(&mut worker, pts).await;
    }
}
