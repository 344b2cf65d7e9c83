//! Subscribers beside the origin.

use std::sync::Mutex;

use super::*;
use crate::daemon::origin::{Reload, SessionSpec};
use crate::daemon::session::subscribers::{Made, Queued, Recipient, queue};

/// Has a queue for three parts and never takes anything out of it.
#[derive(Clone, Default)]
struct Stuck(Arc<Mutex<Vec<Queued>>>);

impl Subscriber for Stuck {
    fn opened(&self, stream: &str, _: &SessionSpec) -> Box<dyn Recipient> {
        let (queue, queued) = queue(stream, 24);
        self.0.lock().unwrap().push(queued);
        Box::new(queue)
    }
}

#[tokio::test]
async fn a_subscriber_that_never_drains_its_queue_holds_nobody_up() {
    let stuck = Stuck::default();
    let streams = vec![stream("demo", Source::Test)];
    let mut rig = Rig::with(settings(LONG, streams), vec![Box::new(stuck.clone())]);
    let home = IpAddr::from(Ipv4Addr::LOCALHOST);
    rig.registry
        .demand("demo", Packaging::Cmaf, &Viewer::at(home, "agent"));
    let (_, mut worker) = rig.started.next().await;
    let began = Instant::now();
    worker.goes_live(1).await;
    for msn in 2..=50 {
        worker.makes(msn).await;
    }
    rig.recorder.last("part 50.0").await;
    // A task that blocks its thread also blocks the timer of every timeout.
    assert!(began.elapsed() < Duration::from_secs(20), "held up");
    let parts = (1..=50).map(|msn| format!("part {msn}.0"));
    let everything: Vec<_> = std::iter::once("open demo".to_owned())
        .chain(parts)
        .collect();
    assert_eq!(rig.recorder.log(), everything);
    assert_eq!(segments(&rig).await, 50);
    let mut queued = stuck.0.lock().unwrap().pop().unwrap();
    let mut waiting = 0;
    while !matches!(bounded(queued.next()).await, Some(Made::Missed)) {
        waiting += 1;
    }
    assert_eq!(waiting, 6, "three initialization sections and three parts");
}

/// Segments in the playlist of the video.
async fn segments(rig: &Rig) -> usize {
    let wait = Duration::ZERO;
    let master = rig.origin.master("demo", Packaging::Cmaf, wait).await;
    let text = String::from_utf8(master.unwrap().text.body.to_vec()).unwrap();
    let uri = text.lines().rev().find(|line| !line.starts_with('#'));
    let session = uri.unwrap().split('/').next().unwrap();
    let (cmaf, now) = (Packaging::Cmaf, Reload::default());
    let playlist = rig.origin.playlist("demo", session, "720p", cmaf, now);
    let text = String::from_utf8(playlist.await.unwrap().text.body.to_vec()).unwrap();
    text.matches("#EXTINF").count()
}
