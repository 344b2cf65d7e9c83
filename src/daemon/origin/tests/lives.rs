//! How long sessions, segments and thumbnails stay.

use super::*;

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
    // The multivariant playlist waits for the new session; the old addresses stay valid.
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
    // It is off the playlist, but must stay available for a while (section 6.2.2).
    assert_eq!(show.file("32.m4s").await.unwrap(), "32.0;32.1;");
    assert_eq!(show.file("1.m4s").await.unwrap_err(), Missing::Gone);
    assert_eq!(show.file("1.0.m4s").await.unwrap_err(), Missing::Gone);
    assert_eq!(show.file("1.ts").await.unwrap_err(), Missing::Gone);
    assert_eq!(show.file("0.m4s").await.unwrap_err(), Missing::NotFound);
    let old = show.playlist(Some(1), Some(0)).await.unwrap();
    assert_eq!(old.text.body, playlist.text.body);
}

#[tokio::test(start_paused = true)]
async fn init_sections_go_with_their_segments() {
    let mut show = Show::new(2).await;
    let next = show.writer.interrupt();
    let another = Bytes::from_static(b"another init");
    show.writer.init(VIDEO, "avc1.64001e", another);
    segment(&mut show.writer, next);
    assert_eq!(show.file("init-1.mp4").await.unwrap(), "video init");
    assert_eq!(show.file("init-2.mp4").await.unwrap(), "another init");
    for msn in next + 1..next + 30 {
        segment(&mut show.writer, msn);
    }
    assert_eq!(show.file("init-1.mp4").await.unwrap_err(), Missing::Gone);
    assert_eq!(show.file("init-2.mp4").await.unwrap(), "another init");
    let playlist = show.playlist(None, None).await.unwrap();
    assert!(has(&playlist, "#EXT-X-DISCONTINUITY-SEQUENCE:1"));
}

#[tokio::test(start_paused = true)]
async fn windows_shorten_to_fit_the_memory_but_not_below_three_targets() {
    let origin = origin(200_000);
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
        segment(0, msn, 10_000);
        segment(1, msn, 1000);
        assert!(origin.usage().bytes <= 200_000, "{:?}", origin.usage());
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
    // Three target durations of `a` no longer fit. The window keeps them nevertheless.
    for msn in 9..=14 {
        segment(0, msn, 100_000);
    }
    assert_eq!(first("a").await, 12);
    assert!(origin.usage().bytes > 200_000);
    let (_, a_bytes) = origin.usage().streams[0].clone();
    let media = 3 * 200_020;
    let held = media..media + 10_000;
    assert!(held.contains(&a_bytes), "{a_bytes}");
}

/// Bytes that the origin holds.
fn held(origin: &Origin) -> u64 {
    origin.usage().bytes
}

#[tokio::test(start_paused = true)]
async fn parts_without_media_take_memory_too() {
    let origin = origin(u64::MAX);
    let mut writer = open(&origin, "a");
    let before = held(&origin);
    for index in 0..1000 {
        let part = Part {
            last: false,
            data: Bytes::new(),
            ..part(VIDEO, 1, index)
        };
        assert!(writer.part(part));
    }
    assert!(held(&origin) - before >= 1000 * 50, "{}", held(&origin));
}

/// Workers that are lost one after the other leave segments of one short part each.
#[tokio::test(start_paused = true)]
async fn short_segments_do_not_stay_for_their_duration_when_memory_is_short() {
    let origin = origin(500_000);
    let mut writer = open(&origin, "a");
    for msn in 1..=100 {
        let part = Part {
            duration: Duration::from_millis(1),
            last: false,
            data: Bytes::from(vec![0; 50_000]),
            ..part(VIDEO, msn, 0)
        };
        assert!(writer.part(part));
        assert_eq!(writer.interrupt(), msn + 1);
        inits(&mut writer);
    }
    assert!(held(&origin) <= 500_000, "{}", held(&origin));
}

#[tokio::test(start_paused = true)]
async fn sessions_that_have_ended_go_before_memory_is_exceeded() {
    let origin = origin(100_000);
    for _ in 0..10 {
        let mut writer = open(&origin, "a");
        for msn in 1..=3 {
            for (index, last) in [(0, false), (1, true)] {
                let part = Part {
                    last,
                    data: Bytes::from(vec![0; 10_000]),
                    ..part(VIDEO, msn, index)
                };
                assert!(writer.part(part));
                assert!(held(&origin) <= 100_000, "{}", held(&origin));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_is_rendered_once_for_all_its_readers() {
    let mut show = Show::new(2).await;
    let first = show.playlist(None, None).await.unwrap();
    let second = show.playlist(Some(2), Some(0)).await.unwrap();
    assert_eq!(first.text.body.as_ptr(), second.text.body.as_ptr());
    assert_eq!(first.text.etag, second.text.etag);
    show.writer.part(part(AUDIO, 3, 0));
    let third = show.playlist(None, None).await.unwrap();
    assert_ne!(
        first.text.etag, third.text.etag,
        "the rendition report has changed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_text_is_compressed_once_for_all_its_readers() {
    let mut show = Show::new(2).await;
    let first = show.playlist(None, None).await.unwrap();
    let second = show.playlist(None, None).await.unwrap();
    let compressed = first.text.gzip().unwrap();
    assert_eq!(compressed.as_ptr(), second.text.gzip().unwrap().as_ptr());
    assert!(compressed.len() < first.text.body.len());
    show.writer.part(part(VIDEO, 3, 0));
    let third = show.playlist(None, None).await.unwrap();
    assert_ne!(third.text.gzip().unwrap(), compressed);
}

#[tokio::test]
async fn thumbnails_are_replaced() {
    let origin = origin(u64::MAX);
    assert!(origin.thumbnail("s").is_none());
    let mut writer = open(&origin, "s");
    assert!(origin.thumbnail("s").is_none());
    for jpeg in ["one", "two"] {
        writer.thumbnail(0, Bytes::from(jpeg));
        let (bytes, _) = origin.thumbnail("s").unwrap();
        assert_eq!(bytes, jpeg);
    }
}
