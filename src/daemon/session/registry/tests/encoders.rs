//! Encoders that fail, or have not been tested yet.

use super::*;
use crate::model::encoder::Filling;
use crate::model::ladder::RungSet;
use crate::model::status::PublicStatus;
use crate::wire::protocol::Trouble;

fn encoder_failed(rung: &str, encoder: &str) -> FromWorker {
    FromWorker::EncoderFailed {
        rung: rung.into(),
        encoder: encoder.into(),
        reason: "no".into(),
    }
}

fn filled(video: u8, filling: Filling, next: &str) -> FromWorker {
    let (cause, next) = ("encoder x264 failed: no".into(), next.into());
    FromWorker::Filled {
        video,
        filling,
        trouble: Some(Trouble { cause, next }),
    }
}

#[tokio::test]
async fn an_encoder_that_takes_over_is_shown_with_the_cause() {
    let mut rig = Rig::push(LONG);
    let (lease, mut worker) = rig.live().await;
    let cause = "encoder x264 failed: no; nvidia takes over";
    let other = Filling::Encoder("nvidia".into());
    worker.say(filled(0, other, "nvidia takes over")).await;
    let status = rig
        .until(|status| status.rungs[0].encoder == "nvidia")
        .await;
    let rung = &status.rungs[0];
    assert_eq!(
        (rung.filling.as_str(), rung.reason.as_str()),
        ("encoder nvidia", cause)
    );
    assert_eq!((rung.awake, rung.encoder_replacements), (true, 1));
    let below = &status.rungs[1];
    let made = (below.filling.as_str(), below.reason.as_str());
    assert_eq!(made, ("encoder x264", "all rungs are made"));
    assert_eq!(below.encoder_replacements, 0);
    assert_eq!(status.last_error.unwrap(), cause);
    assert_eq!(status.state, State::Live);
    worker.makes(2).await;
    rig.recorder.last("part 2.0").await;
    assert_eq!(rig.recorder.log(), ["open cam", "part 1.0", "part 2.0"]);
    assert!(!lease.revoked.is_revoked());
}

#[tokio::test]
async fn a_rung_that_no_encoder_can_make_sleeps() {
    let mut rig = Rig::push(LONG);
    let (_lease, mut worker) = rig.live().await;
    let cause = "encoder x264 failed: no; the rung is shed";
    let shed = filled(0, Filling::Asleep, "the rung is shed");
    worker.say(shed).await;
    worker.keeps_awake(RungSet::EMPTY.with(1));
    worker.makes(2).await;
    let status = rig.until(|status| !status.rungs[0].awake).await;
    let rung = &status.rungs[0];
    assert_eq!(
        (rung.filling.as_str(), rung.reason.as_str()),
        ("asleep", cause)
    );
    assert_eq!(rung.encoder, "x264", "the last one");
    let public = PublicStatus::from(status);
    let awake: Vec<bool> = public.rungs.iter().map(|rung| rung.awake).collect();
    assert_eq!(awake, [false, true]);
}

#[tokio::test]
async fn a_worker_that_names_an_encoder_of_its_own_is_replaced() {
    let mut rig = Rig::push(LONG);
    let (_lease, mut worker) = rig.live().await;
    worker
        .say(filled(0, Filling::Encoder("vaapi".into()), ""))
        .await;
    worker.is_killed().await;
}

#[tokio::test]
async fn without_another_encoder_the_stream_fails_until_the_next_publisher() {
    for (on_failure, next) in [
        (OnFailure::Fallback, "no other encoder is left"),
        (OnFailure::Fail, "on_failure"),
    ] {
        let mut rig = Rig::push(LONG);
        rig.settings.encoder.on_failure = on_failure;
        rig.apply();
        let lease = rig.publish("sesame").await.unwrap();
        let (start, mut worker) = rig.started.next().await;
        assert_eq!(start.on_failure, on_failure);
        let encoders = ["nvidia", "x264"];
        assert_eq!(start.encoders, encoders, "vaapi did not pass its test");
        worker.goes_live(1).await;
        worker.say(encoder_failed("720p", "x264")).await;
        bounded(lease.revoked.revoked()).await;
        rig.state(State::Failed).await;
        rig.recorder.last("end").await;
        let error = rig.registry.status("cam").unwrap().last_error.unwrap();
        let cause = "encoder x264 of rung 720p failed: no; ";
        assert!(error.starts_with(cause) && error.contains(next), "{error}");
        let _lease = rig.publish("sesame").await.unwrap();
        let (start, _worker) = rig.started.next().await;
        assert_eq!(start.encoders, encoders, "a new publisher is a new try");
    }
}

#[tokio::test]
async fn workers_wait_while_encoders_are_tested_again() {
    let mut rig = Rig::push(LONG);
    rig.registry.await_encoders();
    assert!(
        rig.registry.ready(),
        "what worked a moment ago still counts"
    );
    let _lease = rig.publish("sesame").await.unwrap();
    rig.state(State::Starting).await;
    rig.registry.set_encoders(vec![tested("x264")]);
    let (start, _worker) = rig.started.next().await;
    assert_eq!(start.encoders, ["x264"]);
    rig.registry.set_encoders(Vec::new());
    assert!(!rig.registry.ready());
}

#[tokio::test]
async fn a_stream_waits_for_the_encoders_test() {
    let (launch, mut started) = FakeLaunch::new();
    let registry = Registry::new(Deps {
        origin: origin(),
        subscribers: Vec::new(),
        launch,
        metrics: StreamMetrics::default(),
        window: LONG,
    });
    registry.apply(
        &settings(LONG, vec![stream("demo", Source::Test)]),
        &BTreeMap::new(),
    );
    registry.demand(
        "demo",
        Packaging::Cmaf,
        &Viewer::at(Ipv4Addr::LOCALHOST.into(), "agent"),
    );
    assert!(!registry.ready());
    registry.set_encoders(vec![tested("x264")]);
    assert!(registry.ready());
    assert_eq!(started.next().await.0.encoders, ["x264"]);
}

#[tokio::test]
async fn without_any_encoder_a_stream_fails_and_says_so() {
    let rig = Rig::push(LONG);
    rig.registry.set_encoders(Vec::new());
    assert!(!rig.registry.ready());
    let lease = rig.publish("sesame").await.unwrap();
    bounded(lease.revoked.revoked()).await;
    let status = rig.until(|status| status.state == State::Failed).await;
    assert_eq!(status.last_error.unwrap(), "no configured encoder works");
}
