//! Encoders that fail, or have not been tested yet.

use super::*;

fn encoder_failed(rung: &str, encoder: &str) -> FromWorker {
    FromWorker::EncoderFailed {
        rung: rung.into(),
        encoder: encoder.into(),
        reason: "no".into(),
    }
}

#[tokio::test]
async fn a_failed_encoder_gives_way_to_the_next_family() {
    let mut rig = Rig::push(LONG);
    let lease = rig.publish("sesame").await.unwrap();
    let (start, mut worker) = rig.started.next().await;
    assert_eq!(
        start.encoders,
        ["nvidia", "x264"],
        "vaapi did not pass its test"
    );
    worker.goes_live(1).await;
    worker.say(encoder_failed("720p", "nvidia")).await;
    let (start, mut worker) = rig.started.next().await;
    assert_eq!(start.encoders, ["x264"]);
    assert_eq!(start.first_msn, 2);
    worker.plans().await;
    worker.say(encoder_failed("720p", "x264")).await;
    bounded(lease.revoked.revoked()).await;
    rig.state(State::Failed).await;
    rig.recorder.last("end").await;
    let error = rig.registry.status("cam").unwrap().last_error.unwrap();
    assert!(error.contains("no other family"), "{error}");
    let _lease = rig.publish("sesame").await.unwrap();
    let (start, _worker) = rig.started.next().await;
    assert_eq!(
        start.encoders,
        ["nvidia", "x264"],
        "a new publisher is a new try"
    );
}

#[tokio::test]
async fn a_shed_rung_is_missing_from_the_next_session() {
    let mut rig = Rig::push(LONG);
    rig.settings.encoder.on_failure = OnFailure::Shed;
    rig.apply();
    let lease = rig.publish("sesame").await.unwrap();
    let rungs = |start: &Start| {
        start
            .rungs
            .iter()
            .map(|r| r.name.clone())
            .collect::<Vec<_>>()
    };
    let (start, mut worker) = rig.started.next().await;
    assert_eq!(rungs(&start), ["720p", "360p"]);
    worker.goes_live(1).await;
    worker.say(encoder_failed("720p", "nvidia")).await;
    let (start, mut worker) = rig.started.next().await;
    assert_eq!(
        (rungs(&start), start.plan.is_none()),
        (vec!["360p".to_owned()], true)
    );
    assert_eq!(rig.recorder.log().last().unwrap(), "end");
    assert_eq!(rig.missing("cam").await, Missing::NotReady);
    worker.say(encoder_failed("360p", "nvidia")).await;
    bounded(lease.revoked.revoked()).await;
    rig.state(State::Failed).await;
}

/// A source smaller than a rung gets a rendition of its own size, under another name.
#[tokio::test]
async fn a_rung_brought_down_to_the_source_can_be_shed() {
    let mut rig = Rig::push(LONG);
    rig.settings.encoder.on_failure = OnFailure::Shed;
    rig.apply();
    let _lease = rig.publish("sesame").await.unwrap();
    let (start, mut worker) = rig.started.next().await;
    let plan = crate::model::ladder::plan(&start.rungs, source(600));
    worker
        .say(FromWorker::Planned {
            encoders: vec!["nvidia".into(); plan.video.len()],
            part_target: part_target(&plan),
            plan,
        })
        .await;
    worker.say(encoder_failed("600p", "nvidia")).await;
    let (start, _worker) = rig.started.next().await;
    let names: Vec<_> = start.rungs.iter().map(|rung| rung.name.as_str()).collect();
    assert_eq!(names, ["360p"]);
}

#[tokio::test]
async fn an_encoder_that_cannot_be_built_is_replaced_even_where_rungs_are_shed() {
    let mut rig = Rig::push(LONG);
    rig.settings.encoder.on_failure = OnFailure::Shed;
    rig.apply();
    let _lease = rig.publish("sesame").await.unwrap();
    let (_, mut worker) = rig.started.next().await;
    worker.say(encoder_failed("", "nvidia")).await;
    let (start, _worker) = rig.started.next().await;
    assert_eq!(start.encoders, ["x264"]);
    assert_eq!(start.rungs.len(), 2);
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
async fn a_failed_encoder_can_end_the_stream() {
    let mut rig = Rig::push(LONG);
    rig.settings.encoder.on_failure = OnFailure::Fail;
    rig.apply();
    let (lease, mut worker) = rig.live().await;
    worker.say(encoder_failed("720p", "nvidia")).await;
    bounded(lease.revoked.revoked()).await;
    rig.recorder.last("end").await;
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
    registry.demand("demo", Packaging::Cmaf, Ipv4Addr::LOCALHOST.into(), "agent");
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
