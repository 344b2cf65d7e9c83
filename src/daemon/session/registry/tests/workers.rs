//! Workers that are lost.

use super::*;
use crate::daemon::origin::SessionSpec;
use crate::daemon::session::subscribers::{Made, Recipient};

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
    let (stall_max, streams) = (SHORT, vec![stream("demo", Source::Test)]);
    let limits = Limits {
        stall_max,
        ..patient()
    };
    let mut rig = Rig::limited(settings(LONG, streams), Vec::new(), limits);
    let home = Ipv4Addr::LOCALHOST.into();
    rig.registry
        .demand("demo", Packaging::Cmaf, &Viewer::at(home, "agent"));
    let (_, mut worker) = rig.started.next().await;
    worker.goes_live(1).await;
    worker.is_killed().await;
    let (start, _worker) = rig.started.next().await;
    assert!(start.plan.is_some());
}

#[tokio::test]
async fn a_publisher_without_a_key_frame_is_sent_away_and_its_worker_stays() {
    let key_frame_max = SHORT;
    let limits = Limits {
        key_frame_max,
        ..patient()
    };
    let streams = vec![pushed("cam", "sesame")];
    let mut rig = Rig::limited(settings(LONG, streams), Vec::new(), limits);
    let lease = rig.publish("sesame").await.unwrap();
    send(&lease, MediaEvent::Format(format())).await;
    let (_, mut worker) = rig.started.next().await;
    bounded(lease.revoked.revoked()).await;
    assert_eq!(lease.revoked.reason(), Revocation::NoKeyFrame);
    let status = rig.until(|status| status.last_error.is_some()).await;
    let told = status.last_error.unwrap();
    assert!(told.contains("no key frame within 1ms"), "{told}");
    // The next publisher finds the same worker.
    worker.goes_live(1).await;
    rig.recorder.last("part 1.0").await;
    assert_eq!(rig.recorder.log(), ["open cam", "part 1.0"]);
}

/// Panics once, in place of taking the first part of segment 2.
#[derive(Debug, Clone, Default)]
struct Panics(Arc<AtomicBool>);

impl Subscriber for Panics {
    fn opened(&self, _: &str, _: &SessionSpec) -> Box<dyn Recipient> {
        Box::new(self.clone())
    }
}

impl Recipient for Panics {
    fn take(&mut self, made: &Made) {
        if let Made::Part(part) = made
            && part.msn == 2
            && !self.0.swap(true, Ordering::SeqCst)
        {
            panic!("a test's panic");
        }
    }
}

#[tokio::test]
async fn a_stream_whose_task_panics_goes_on_with_its_publisher_and_its_session() {
    let streams = vec![pushed("cam", "sesame")];
    let mut rig = Rig::with(settings(LONG, streams), vec![Box::new(Panics::default())]);
    let (lease, mut worker) = rig.live().await;
    worker.makes(2).await;
    worker.is_killed().await;
    let (start, mut worker) = rig.started.next().await;
    assert_eq!(start.first_msn, 3);
    assert_eq!(worker.hear().await, ToWorker::InputOpened(format()));
    worker.goes_live(3).await;
    rig.recorder.last("part 3.0").await;
    let opened = rig
        .recorder
        .log()
        .iter()
        .filter(|l| l.starts_with("open"))
        .count();
    assert_eq!(opened, 1);
    assert!(!lease.revoked.is_revoked());
    let status = rig.until(|status| status.last_error.is_some()).await;
    assert_eq!(status.state, State::Live);
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

/// Some publishers tell their audio format only after the first pictures. The worker has those
/// already, and keeps their decoder; the next worker gets them with the rest.
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
    assert_eq!(
        worker.hear().await,
        ToWorker::InputOpened(with_sound.clone())
    );
    send(&lease, MediaEvent::Frame(frame(3, false))).await;
    hears_frame(&mut worker, 3).await;
    drop(worker);
    let (_, mut worker) = rig.started.next().await;
    assert_eq!(worker.hear().await, ToWorker::InputOpened(with_sound));
    for pts in [1, 2, 3] {
        hears_frame(&mut worker, pts).await;
    }
}
