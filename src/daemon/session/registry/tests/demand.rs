//! Rungs that nobody watches.

use super::*;
use crate::daemon::origin::Reload;
use crate::model::ladder::RungSet;

const LINGER: Duration = Duration::from_secs(30);

fn rungs(rungs: &[usize]) -> RungSet {
    rungs.iter().copied().fold(RungSet::EMPTY, RungSet::with)
}

/// A stream of three rungs that are made on demand.
fn on_demand() -> Rig {
    let mut settings = settings(LONG, vec![pushed("cam", "sesame")]);
    settings.encoder.rungs_on_demand = true;
    settings.streams[0].rungs = ["720p", "540p", "360p"].map(rung).to_vec();
    Rig::new(settings)
}

/// The folder of the session.
async fn session(rig: &Rig) -> String {
    let master = rig.origin.master("cam", Packaging::Cmaf, Duration::ZERO);
    let text = String::from_utf8(master.await.unwrap().text.body.to_vec()).unwrap();
    let uri = text.lines().rev().find(|line| !line.starts_with('#'));
    uri.unwrap().split('/').next().unwrap().to_owned()
}

async fn fetch(rig: &Rig, rung: &str, file: &str) {
    let session = session(rig).await;
    rig.origin
        .object("cam", &session, rung, file)
        .await
        .unwrap();
}

async fn reload(rig: &Rig, rung: &str, msn: Option<u64>) {
    let (session, cmaf) = (session(rig).await, Packaging::Cmaf);
    let reload = Reload {
        msn,
        ..Reload::default()
    };
    let playlist = rig.origin.playlist("cam", &session, rung, cmaf, reload);
    playlist.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rung_is_made_while_it_is_watched_and_the_lowest_always() {
    let mut rig = on_demand();
    let (_lease, mut worker) = rig.live().await;
    assert_eq!(worker.hear().await, ToWorker::Wanted(rungs(&[2])));
    // ffmpeg loads the playlists of all rungs, and what comes before their media.
    reload(&rig, "720p", None).await;
    fetch(&rig, "720p", "init-1.mp4").await;
    fetch(&rig, "540p", "1.m4s").await;
    assert_eq!(worker.hear().await, ToWorker::Wanted(rungs(&[1, 2])));
    // A player that has switched asks for a playlist that has more than the last one.
    reload(&rig, "720p", Some(1)).await;
    assert_eq!(worker.hear().await, ToWorker::Wanted(rungs(&[0, 1, 2])));
    tokio::time::advance(LINGER / 2).await;
    let asked = tokio::time::Instant::now();
    fetch(&rig, "540p", "1.0.m4s").await;
    assert_eq!(
        worker.hear_at_last().await,
        ToWorker::Wanted(rungs(&[1, 2]))
    );
    assert_eq!(asked.elapsed(), LINGER / 2);
    assert_eq!(worker.hear_at_last().await, ToWorker::Wanted(rungs(&[2])));
    assert_eq!(asked.elapsed(), LINGER);
}

#[tokio::test(start_paused = true)]
async fn the_next_worker_is_told_what_is_wanted() {
    let mut rig = on_demand();
    let (_lease, mut worker) = rig.live().await;
    assert_eq!(worker.hear().await, ToWorker::Wanted(rungs(&[2])));
    fetch(&rig, "720p", "1.m4s").await;
    assert_eq!(worker.hear().await, ToWorker::Wanted(rungs(&[0, 2])));
    worker.dies();
    let (_, mut worker) = rig.started.next().await;
    assert_eq!(worker.hear().await, ToWorker::InputOpened(format()));
    assert_eq!(worker.hear().await, ToWorker::Wanted(rungs(&[0, 2])));
}

#[tokio::test(start_paused = true)]
async fn without_rungs_on_demand_all_are_made_and_nobody_is_told() {
    let mut rig = Rig::push(LONG);
    let (lease, mut worker) = rig.live().await;
    fetch(&rig, "720p", "1.m4s").await;
    tokio::time::advance(2 * LINGER).await;
    worker.makes(2).await;
    rig.recorder.last("part 2.0").await;
    send(&lease, MediaEvent::Frame(frame(1, true))).await;
    hears_frame(&mut worker, 1).await;
}

/// A rung that sleeps lacks no segment and costs nobody the worker.
#[tokio::test]
async fn a_rung_sleeps_and_wakes() {
    let mut rig = Rig::push(LONG);
    let (_lease, mut worker) = rig.live().await;
    worker.keeps_awake(rungs(&[1]));
    worker.makes(2).await;
    // Who waits for a rung that sleeps is woken by what it shows.
    let (origin, session) = (rig.origin.clone(), session(&rig).await);
    let reader = tokio::spawn(async move {
        let reload = Reload {
            msn: Some(3),
            ..Reload::default()
        };
        let cmaf = Packaging::Cmaf;
        let playlist = origin.playlist("cam", &session, "720p", cmaf, reload);
        playlist.await.map(drop)
    });
    tokio::task::yield_now().await;
    worker.makes(3).await;
    assert_eq!(bounded(reader).await.unwrap(), Ok(()));
    worker.keeps_awake(rungs(&[0, 1]));
    worker.makes(4).await;
    worker.makes(5).await;
    rig.recorder.last("part 5.0").await;
    let log = ["open cam", "part 1.0", "part 2.0", "part 5.0"];
    assert_eq!(rig.recorder.log(), log, "subscribers get what was made");
    for msn in 1..=5 {
        fetch(&rig, "720p", &format!("{msn}.m4s")).await;
    }
}
