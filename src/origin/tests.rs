//! Readers that wait, on paused time; addresses, memory and the life of a session.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::*;
use crate::hls::{Part, TrackId, TsSegment};
use crate::ladder::{AudioRendition, Canvas, VideoRendition};
use crate::units::{Bitrate, FrameRate};

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

/// A part whose bytes tell its number; segments are of two parts.
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

/// The session's folder, as the master names it.
async fn folder(origin: &Origin, stream: &str) -> String {
    let master = origin.master(stream, Packaging::Cmaf, Duration::ZERO).await;
    let text = String::from_utf8(master.unwrap().body.to_vec()).unwrap();
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
    let text = String::from_utf8(document.body.to_vec()).unwrap();
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
    // The same when a session ends before it is playable.
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
    assert_eq!(now.max_age, HALF);
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
    assert_ne!(now.etag, next.etag);
    assert_eq!(next.max_age, Duration::from_secs(6));
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
    // Open segments are not found, and a hint nobody keeps is let go.
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

#[tokio::test(start_paused = true)]
async fn an_ended_session_stays_for_its_window_and_its_segments_longer() {
    let Show {
        origin,
        writer,
        session,
    } = Show::new(4).await;
    writer.end();
    let playlist = || origin.playlist("s", &session, "360p", Packaging::Cmaf, Reload::default());
    let segment = || origin.object("s", &session, "360p", "1.m4s");
    sleep(WINDOW - Duration::from_millis(1)).await;
    origin.purge();
    assert!(has(&playlist().await.unwrap(), "#EXT-X-ENDLIST"));
    assert_eq!(folder(&origin, "s").await, session);
    sleep(Duration::from_millis(1)).await;
    origin.purge();
    assert_eq!(playlist().await.unwrap_err(), Missing::Gone);
    assert_eq!(segment().await.unwrap().bytes, 8);
    let master = origin.master("s", Packaging::Cmaf, WINDOW).await;
    assert_eq!(master.unwrap_err(), Missing::NotFound);
    // "for at least the duration of the Playlist file at the time of removal"
    sleep(Duration::from_secs(4)).await;
    origin.purge();
    assert_eq!(segment().await.unwrap_err(), Missing::NotFound);
    assert_eq!(origin.usage().bytes, 0);
    assert!(origin.usage().streams.is_empty());
}

#[tokio::test(start_paused = true)]
async fn sessions_of_a_stream_have_addresses_of_their_own() {
    let Show {
        origin,
        writer,
        session: first,
    } = Show::new(1).await;
    writer.end();
    // Until the new one is playable its master waits, and the old one's addresses live on.
    let mut writer = open(&origin, "s");
    let master = origin.master("s", Packaging::Cmaf, HALF).await;
    assert_eq!(master.unwrap_err(), Missing::NotReady);
    segment(&mut writer, 1);
    let second = folder(&origin, "s").await;
    assert_ne!(first, second);
    for session in [&first, &second] {
        let object = origin.object("s", session, "360p", "1.m4s").await;
        assert_eq!(object.unwrap().content_type, "video/mp4");
    }
    let names: std::collections::HashSet<String> =
        (0..100).map(|_| origin.session_name()).collect();
    assert_eq!(names.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn evicted_is_gone_and_never_was_is_not_found() {
    let show = Show::new(40).await;
    let playlist = show.playlist(None, None).await.unwrap();
    assert!(has(&playlist, "#EXT-X-MEDIA-SEQUENCE:33"));
    // Off the playlist, but within the availability duration of section 6.2.2.
    assert_eq!(show.file("32.m4s").await.unwrap(), "32.0;32.1;");
    assert_eq!(show.file("1.m4s").await.unwrap_err(), Missing::Gone);
    assert_eq!(show.file("1.0.m4s").await.unwrap_err(), Missing::Gone);
    assert_eq!(show.file("1.ts").await.unwrap_err(), Missing::Gone);
    assert_eq!(show.file("0.m4s").await.unwrap_err(), Missing::NotFound);
    let old = show.playlist(Some(1), Some(0)).await.unwrap();
    assert_eq!(old.body, playlist.body);
}

#[tokio::test(start_paused = true)]
async fn init_sections_go_with_their_segments() {
    let mut show = Show::new(2).await;
    let next = show.writer.interrupt();
    inits(&mut show.writer);
    segment(&mut show.writer, next);
    assert_eq!(show.file("init-1.mp4").await.unwrap(), "video init");
    assert_eq!(show.file("init-2.mp4").await.unwrap(), "video init");
    for msn in next + 1..next + 30 {
        segment(&mut show.writer, msn);
    }
    assert_eq!(show.file("init-1.mp4").await.unwrap_err(), Missing::Gone);
    assert_eq!(show.file("init-2.mp4").await.unwrap(), "video init");
    let playlist = show.playlist(None, None).await.unwrap();
    assert!(has(&playlist, "#EXT-X-DISCONTINUITY-SEQUENCE:1"));
}

#[tokio::test(start_paused = true)]
async fn windows_shorten_to_fit_the_memory_but_not_below_three_targets() {
    let origin = origin(20_000);
    let mut writers = [open(&origin, "a"), open(&origin, "b")];
    let big = |track, msn, index, bytes| Part {
        data: Bytes::from(vec![0; bytes]),
        ..part(track, msn, index)
    };
    let mut segment = |stream: usize, msn, bytes| {
        for index in 0..2 {
            writers[stream].part(big(VIDEO, msn, index, bytes));
            writers[stream].part(big(AUDIO, msn, index, 10));
        }
    };
    for msn in 1..=8 {
        segment(0, msn, 1000);
        segment(1, msn, 100);
        assert!(origin.usage().bytes <= 20_000, "{:?}", origin.usage());
    }
    let first = |stream: &'static str| {
        let origin = origin.clone();
        async move {
            let session = folder(&origin, stream).await;
            let playlist = origin
                .playlist(stream, &session, "360p", Packaging::Cmaf, Reload::default())
                .await
                .unwrap();
            let line = lines(&playlist)
                .into_iter()
                .find(|l| l.contains("MEDIA-SEQUENCE"))
                .unwrap();
            line.rsplit(':').next().unwrap().parse::<u64>().unwrap()
        }
    };
    assert_eq!(first("b").await, 1, "the small window stays whole");
    // Three target durations of `a` do not fit any more: it keeps them nevertheless.
    for msn in 9..=14 {
        segment(0, msn, 10_000);
    }
    assert_eq!(first("a").await, 12);
    assert!(origin.usage().bytes > 20_000);
    let (_, a_bytes) = origin.usage().streams[0].clone();
    assert_eq!(a_bytes, 20 + 3 * 20_020);
}

#[tokio::test(start_paused = true)]
async fn a_text_is_rendered_once_for_all_its_readers() {
    let mut show = Show::new(2).await;
    let first = show.playlist(None, None).await.unwrap();
    let second = show.playlist(Some(2), Some(0)).await.unwrap();
    assert_eq!(first.body.as_ptr(), second.body.as_ptr());
    assert_eq!(first.etag, second.etag);
    show.writer.part(part(AUDIO, 3, 0));
    let third = show.playlist(None, None).await.unwrap();
    assert_ne!(first.etag, third.etag, "the rendition report has changed");
}

#[tokio::test]
async fn thumbnails_are_replaced() {
    let origin = origin(u64::MAX);
    assert!(origin.thumbnail("s").is_none());
    let mut writer = open(&origin, "s");
    assert!(origin.thumbnail("s").is_none());
    for jpeg in ["one", "two"] {
        writer.thumbnail(Bytes::from(jpeg));
        let (bytes, _) = origin.thumbnail("s").unwrap();
        assert_eq!(bytes, jpeg);
    }
}

#[test]
fn base36_is_short_and_unique() {
    assert_eq!(base36(0), "0");
    assert_eq!(base36(35), "z");
    assert_eq!(base36(36 * 36 + 1), "101");
}
