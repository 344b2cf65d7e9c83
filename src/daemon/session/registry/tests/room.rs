//! Publishers for whose streams the machine has no room.

use super::*;
use crate::wire::protocol::Shed;

fn rig() -> Rig {
    let streams = ["cam", "next", "third"].map(|name| pushed(name, SESAME));
    let rig = Rig::new(settings(LONG, streams.into()));
    // The scripted workers say that they use this one.
    rig.registry.set_encoders(vec![tested("x264")]);
    rig
}

fn cores() -> f64 {
    std::thread::available_parallelism().unwrap().get() as f64
}

impl Rig {
    /// A publisher of `stream` and the worker, which has planned nothing yet.
    async fn comes(&mut self, stream: &str) -> (Lease, FakeWorker) {
        let lease = self.publish_to(stream, SESAME).await.unwrap();
        send(&lease, MediaEvent::Format(format())).await;
        let (_, worker) = self.started.next().await;
        (lease, worker)
    }

    async fn of(&self, stream: &str, condition: impl Fn(&StreamStatus) -> bool) -> StreamStatus {
        let met = async {
            loop {
                let status = self.registry.status(stream).unwrap();
                if condition(&status) {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        };
        bounded(met).await
    }

    /// Publishers of `stream` that were refused for want of room.
    fn refused(&self, stream: &str) -> u64 {
        self.registry.0.metrics.of(stream).refused_for_room.get()
    }
}

const SESAME: &str = "sesame";

#[tokio::test]
async fn a_stream_that_would_be_too_much_is_refused_once_its_size_is_known() {
    let mut rig = rig();
    let (_cam, mut worker) = rig.comes("cam").await;
    worker.goes_live(1).await;
    worker.uses(0.7 * cores()).await;
    rig.of("cam", |status| status.worker_cpu.is_some()).await;
    // Nothing is known of its source, which may be small.
    let (lease, mut worker) = rig.comes("next").await;
    worker.plans().await;
    bounded(lease.revoked.revoked()).await;
    assert_eq!(lease.revoked.reason(), Revocation::NoRoom);
    worker.is_killed().await;
    let status = rig.of("next", |status| status.worker_pid.is_none()).await;
    let told = status.last_error.unwrap();
    assert!(
        told.contains("no room for another stream: 1 streams need"),
        "{told}"
    );
    assert!(told.contains("refuse_overload = false"), "{told}");
    assert_eq!(rig.refused("next"), 1);
    assert_eq!(rig.refused("cam"), 0);
}

#[tokio::test]
async fn a_stream_that_has_room_beside_the_others_is_let_in() {
    let mut rig = rig();
    let (_cam, mut worker) = rig.comes("cam").await;
    worker.goes_live(1).await;
    worker.uses(0.4 * cores()).await;
    rig.of("cam", |status| status.worker_cpu.is_some()).await;
    let (lease, mut worker) = rig.comes("next").await;
    worker.goes_live(1).await;
    rig.of("next", |status| status.state == State::Live).await;
    assert!(!lease.revoked.is_revoked());
    // The second one has not been measured yet, and counts with what it will need.
    let (lease, mut worker) = rig.comes("third").await;
    worker.plans().await;
    bounded(lease.revoked.revoked()).await;
    assert_eq!(lease.revoked.reason(), Revocation::NoRoom);
}

#[tokio::test]
async fn while_a_stream_lacks_its_lowest_rung_no_other_one_begins() {
    let mut rig = rig();
    let (cam, mut worker) = rig.comes("cam").await;
    worker.goes_live(1).await;
    let exhausted = Shed {
        steps: 3,
        exhausted: true,
    };
    worker.say(FromWorker::Shed(exhausted)).await;
    // Whoever sees the part sees what was said before it.
    worker.makes(2).await;
    rig.recorder.last("part 2.0").await;
    let refusal = rig.publish_to("next", SESAME).await.unwrap_err();
    let Refusal::NoRoom(cause) = refusal else {
        panic!("{refusal:?}");
    };
    assert!(cause.contains("lowest rung of stream cam"), "{cause}");
    let told = rig.registry.status("third").unwrap().last_error;
    assert_eq!(told, None, "nobody published it");
    assert!(rig.publish_to("third", SESAME).await.is_err());
    let told = rig.registry.status("third").unwrap().last_error.unwrap();
    assert!(told.contains("no room for another stream"), "{told}");
    assert_eq!(rig.refused("third"), 1);
    // A second publisher of the stream that runs takes over, as ever, and so does one who comes back.
    let backup = rig.publish_to("cam", SESAME).await.unwrap();
    bounded(cam.revoked.revoked()).await;
    drop(backup);
    rig.of("cam", |status| status.state == State::Waiting).await;
    let _back = rig.publish_to("cam", SESAME).await.unwrap();
    // The key in the configuration lets everybody in.
    rig.settings.encoder.refuse_overload = false;
    rig.apply();
    assert!(rig.publish_to("third", SESAME).await.is_ok());
}
