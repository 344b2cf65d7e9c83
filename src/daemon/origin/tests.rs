//! Readers that wait, on paused time.

mod lives;
mod manifests;
mod pictures;

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::*;
use crate::base::units::{Bitrate, ByteSize, FrameRate};
use crate::model::hls::{Part, TrackId, TsSegment};
use crate::model::ladder::{AudioRendition, Canvas, Plan, VideoRendition};

const WINDOW: Duration = Duration::from_secs(8);
const HALF: Duration = Duration::from_millis(500);
const VIDEO: TrackId = TrackId::Video(0);
const AUDIO: TrackId = TrackId::Audio(0);

fn origin(memory_bytes: u64) -> Origin {
    Origin::new(Limits {
        window: WINDOW,
        memory: ByteSize::from_bytes(memory_bytes),
        hold_back: None,
    })
}

fn spec() -> SessionSpec {
    SessionSpec {
        plan: Plan {
            canvas: Canvas {
                width: 640,
                height: 360,
                fps: FrameRate::whole(30),
            },
            video: vec![VideoRendition {
                name: "360p".into(),
                width: 640,
                height: 360,
                divisor: 1,
                bitrate: Bitrate::from_bps(800_000),
                audio: 0,
            }],
            audio: vec![AudioRendition {
                name: "audio-96k".into(),
                bitrate: Bitrate::from_bps(96_000),
            }],
        },
        segment: HALF * 2,
        part_target: HALF,
        ts: true,
    }
}

/// Opens a session and sends its init sections.
fn open(origin: &Origin, stream: &str) -> SessionWriter {
    let mut writer = origin.open(stream, spec());
    inits(&mut writer);
    writer
}

fn inits(writer: &mut SessionWriter) {
    writer.init(VIDEO, "avc1.64001e", Bytes::from_static(b"video init"));
    writer.init(AUDIO, "mp4a.40.2", Bytes::from_static(b"audio init"));
}

/// A part whose bytes name it. A segment has two parts.
fn part(track: TrackId, msn: u64, index: u32) -> Part {
    Part {
        track,
        msn,
        index,
        duration: HALF,
        independent: index == 0,
        last: index == 1,
        date_ns: msn * 1_000_000_000 + u64::from(index) * 500_000_000,
        data: Bytes::from(format!("{msn}.{index};")),
    }
}

fn segment(writer: &mut SessionWriter, msn: u64) {
    for track in [VIDEO, AUDIO] {
        writer.part(part(track, msn, 0));
        writer.part(part(track, msn, 1));
    }
    writer.ts_segment(TsSegment {
        video: 0,
        msn,
        duration: HALF * 2,
        date_ns: msn * 1_000_000_000,
        data: Bytes::from(format!("ts {msn}")),
    });
}

/// The session's folder, as the multivariant playlist names it.
async fn folder(origin: &Origin, stream: &str) -> String {
    let master = origin.master(stream, Packaging::Cmaf, Duration::ZERO).await;
    let text = String::from_utf8(master.unwrap().text.body.to_vec()).unwrap();
    let uri = text.lines().rev().find(|line| !line.starts_with('#'));
    uri.unwrap().split('/').next().unwrap().to_owned()
}

/// One stream `s` with segments `1..=last`.
struct Show {
    origin: Origin,
    writer: SessionWriter,
    session: String,
}

impl Show {
    async fn new(last: u64) -> Self {
        let origin = origin(u64::MAX);
        let mut writer = open(&origin, "s");
        for msn in 1..=last {
            segment(&mut writer, msn);
        }
        let session = folder(&origin, "s").await;
        Self {
            origin,
            writer,
            session,
        }
    }

    async fn playlist(&self, msn: Option<u64>, part: Option<u32>) -> Result<Document, Missing> {
        let reload = Reload {
            msn,
            part,
            skip: false,
        };
        let (session, cmaf) = (&self.session, Packaging::Cmaf);
        self.origin
            .playlist("s", session, "360p", cmaf, reload)
            .await
    }

    async fn file(&self, name: &str) -> Result<Bytes, Missing> {
        let object = self.origin.object("s", &self.session, "360p", name).await?;
        assert_eq!(
            object.bytes,
            object.chunks.iter().map(|c| c.len() as u64).sum::<u64>()
        );
        Ok(object.chunks.concat().into())
    }
}

fn lines(document: &Document) -> Vec<String> {
    let text = String::from_utf8(document.text.body.to_vec()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn has(document: &Document, line: &str) -> bool {
    lines(document).iter().any(|l| l == line)
}

#[tokio::test(start_paused = true)]
async fn a_master_waits_until_it_is_playable() {
    let origin = origin(u64::MAX);
    let wait = Duration::from_secs(10);
    let master = |packaging| origin.master("s", packaging, wait);
    assert_eq!(
        master(Packaging::Cmaf).await.unwrap_err(),
        Missing::NotFound
    );
    origin.expect("s");
    let started = Instant::now();
    assert_eq!(
        master(Packaging::Cmaf).await.unwrap_err(),
        Missing::NotReady
    );
    assert_eq!(started.elapsed(), wait);
    let make = async {
        sleep(Duration::from_secs(1)).await;
        let mut writer = open(&origin, "s");
        assert!(!writer.playable());
        sleep(Duration::from_secs(1)).await;
        segment(&mut writer, 1);
        assert!(writer.playable());
        writer
    };
    let (cmaf, ts, _writer) = tokio::join!(master(Packaging::Cmaf), master(Packaging::Ts), make);
    assert!(has(&cmaf.unwrap(), "#EXT-X-VERSION:9"));
    assert!(has(&ts.unwrap(), "#EXT-X-VERSION:6"));
}

#[tokio::test(start_paused = true)]
async fn giving_up_ends_the_wait() {
    let origin = origin(u64::MAX);
    origin.expect("s");
    let wait = Duration::from_secs(10);
    let give_up = async {
        sleep(Duration::from_secs(1)).await;
        origin.give_up("s");
    };
    let (master, ()) = tokio::join!(origin.master("s", Packaging::Cmaf, wait), give_up);
    assert_eq!(master.unwrap_err(), Missing::NotFound);
    // A session that ends before it is playable ends the wait, too.
    let writer = open(&origin, "s");
    let end = async {
        sleep(Duration::from_secs(1)).await;
        writer.end();
    };
    let (master, ()) = tokio::join!(origin.master("s", Packaging::Cmaf, wait), end);
    assert_eq!(master.unwrap_err(), Missing::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_blocking_reload_waits_for_its_part() {
    let mut show = Show::new(2).await;
    let now = show.playlist(None, None).await.unwrap();
    assert_eq!(now.max_age, Age::everywhere(HALF));
    let writer = &mut show.writer;
    let (origin, session) = (&show.origin, &show.session);
    let reload = Reload {
        msn: Some(3),
        part: Some(1),
        skip: false,
    };
    let make = async {
        writer.part(part(VIDEO, 3, 0));
        sleep(HALF).await;
        writer.part(part(VIDEO, 3, 1));
    };
    let started = Instant::now();
    let wait = origin.playlist("s", session, "360p", Packaging::Cmaf, reload);
    let (next, ()) = tokio::join!(wait, make);
    assert_eq!(started.elapsed(), HALF);
    let next = next.unwrap();
    assert!(has(&next, "3.m4s"));
    assert_ne!(now.text.etag, next.text.etag);
}

#[tokio::test]
async fn only_an_answer_that_ends_as_asked_is_kept_for_long() {
    let mut show = Show::new(2).await;
    show.writer.part(part(VIDEO, 3, 0));
    let none = Age::everywhere(Duration::ZERO);
    let long = Age::everywhere(Duration::from_secs(6));
    let crowd = Age {
        shared: Duration::from_secs(1),
        ..none
    };
    for (msn, index, max_age) in [
        (3, Some(0), long),
        // The next answer to each of these has more.
        (1, Some(0), none),
        (2, Some(1), none),
        // The part after the last one of its segment is the first of the next segment.
        (2, Some(2), none),
        (2, None, none),
    ] {
        let answer = show.playlist(Some(msn), index).await.unwrap();
        assert_eq!(answer.max_age, max_age, "{msn} {index:?}");
    }
    show.writer.part(part(VIDEO, 3, 1));
    // video.js repeats the request for the last part of a segment after the answer that has it.
    for (index, max_age) in [(Some(0), none), (Some(1), crowd), (None, long)] {
        let answer = show.playlist(Some(3), index).await.unwrap();
        assert_eq!(answer.max_age, max_age, "3 {index:?}");
    }
    show.writer.end();
    let ended = show
        .origin
        .playlist(
            "s",
            &show.session,
            "360p",
            Packaging::Cmaf,
            Reload {
                msn: Some(3),
                part: None,
                skip: false,
            },
        )
        .await;
    assert_eq!(ended.unwrap().max_age, none);
}

#[tokio::test(start_paused = true)]
async fn a_blocking_reload_gives_up_after_three_target_durations() {
    let show = Show::new(2).await;
    let started = Instant::now();
    let reloaded = show.playlist(Some(3), None).await;
    assert_eq!(reloaded.unwrap_err(), Missing::NotReady);
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    for (msn, part) in [(Some(5), None), (None, Some(0)), (Some(3), Some(99))] {
        let refused = show.playlist(msn, part).await.unwrap_err();
        assert!(
            matches!(refused, Missing::BadRequest(_)),
            "{msn:?} {part:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_hinted_part_is_waited_for_and_nothing_else() {
    let mut show = Show::new(2).await;
    assert_eq!(show.file("init-1.mp4").await.unwrap(), "video init");
    assert_eq!(show.file("2.m4s").await.unwrap(), "2.0;2.1;");
    assert_eq!(show.file("2.1.m4s").await.unwrap(), "2.1;");
    assert_eq!(show.file("2.ts").await.unwrap(), "ts 2");
    for absent in ["init-2.mp4", "3.m4s", "3.1.m4s", "4.0.m4s", "3.ts", "index"] {
        let missing = show.file(absent).await.unwrap_err();
        assert_eq!(missing, Missing::NotFound, "{absent}");
    }
    let (origin, session, writer) = (&show.origin, &show.session, &mut show.writer);
    let make = async {
        sleep(HALF).await;
        writer.part(part(VIDEO, 3, 0));
    };
    let hinted = origin.object("s", session, "360p", "3.0.m4s");
    let (hinted, ()) = tokio::join!(hinted, make);
    assert_eq!(hinted.unwrap().chunks.concat(), b"3.0;");
    // An open segment is not found. A request for a hinted part that never comes ends.
    assert_eq!(show.file("3.m4s").await.unwrap_err(), Missing::NotFound);
    let (origin, session, writer) = (&show.origin, &show.session, &mut show.writer);
    let interrupt = async {
        sleep(HALF).await;
        assert_eq!(writer.interrupt(), 4);
    };
    let hinted = origin.object("s", session, "360p", "3.1.m4s");
    let (hinted, ()) = tokio::join!(hinted, interrupt);
    assert_eq!(hinted.unwrap_err(), Missing::NotFound);
    assert_eq!(show.file("3.m4s").await.unwrap(), "3.0;");
    let started = Instant::now();
    assert_eq!(show.file("4.0.m4s").await.unwrap_err(), Missing::NotReady);
    assert_eq!(started.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_left_waiting_when_a_session_ends() {
    let show = Show::new(2).await;
    let (origin, session) = (show.origin.clone(), show.session.clone());
    let reload = Reload {
        msn: Some(3),
        part: Some(0),
        skip: true,
    };
    let playlist = origin.playlist("s", &session, "360p", Packaging::Cmaf, reload);
    let hinted = origin.object("s", &session, "360p", "3.0.m4s");
    let started = Instant::now();
    let end = async {
        sleep(HALF).await;
        drop(show);
    };
    let (playlist, hinted, ()) = tokio::join!(playlist, hinted, end);
    assert_eq!(started.elapsed(), HALF);
    assert!(has(&playlist.unwrap(), "#EXT-X-ENDLIST"));
    assert_eq!(hinted.unwrap_err(), Missing::NotFound);
}
