//! Storyboards and I-frame playlists, and what they cost.

use super::*;
use crate::model::ladder::RungSet;

/// A second, in nanoseconds.
const SECOND_NS: u64 = 1_000_000_000;

fn text(document: &Document) -> &str {
    std::str::from_utf8(&document.text.body).unwrap()
}

#[tokio::test]
async fn a_storyboard_is_rendered_once_for_each_picture() {
    let mut show = Show::new(3).await;
    let origin = show.origin.clone();
    assert_eq!(origin.storyboard("s").unwrap_err(), Missing::NotFound);
    assert_eq!(origin.storyboard("none").unwrap_err(), Missing::NotFound);
    show.writer.thumbnail(SECOND_NS, Bytes::from("one"));
    let first = origin.storyboard("s").unwrap();
    let session = &show.session;
    let expected = format!(
        "WEBVTT\n\nNOTE PROGRAM-DATE-TIME=1970-01-01T00:00:01.000Z\n\n\
         00:00:00.000 --> 00:00:02.000\n{session}/thumb-0.jpg\n"
    );
    assert_eq!(text(&first), expected);
    assert_eq!(first.max_age, Age::everywhere(Duration::from_secs(2)));
    // Neither media nor a picture that is not due changes it.
    segment(&mut show.writer, 4);
    show.writer.thumbnail(2 * SECOND_NS, Bytes::from("two"));
    let second = origin.storyboard("s").unwrap();
    assert_eq!(first.text.body.as_ptr(), second.text.body.as_ptr());
    show.writer.thumbnail(3 * SECOND_NS, Bytes::from("three"));
    let third = origin.storyboard("s").unwrap();
    assert_ne!(first.text.etag, third.text.etag);
    assert!(text(&third).ends_with(&format!("{session}/thumb-1.jpg\n")));
    let picture = |file| origin.picture("s", session, file);
    assert_eq!(picture("thumb-1.jpg").unwrap().chunks, ["three"]);
    for absent in ["thumb-2.jpg", "thumb-01.jpg", "1.m4s"] {
        assert_eq!(picture(absent).unwrap_err(), Missing::NotFound, "{absent}");
    }
}

#[tokio::test]
async fn pictures_count_as_memory_and_leave_with_the_window() {
    let mut show = Show::new(3).await;
    let origin = show.origin.clone();
    let before = origin.usage().bytes;
    let jpeg = Bytes::from(vec![0; 10_000]);
    show.writer.thumbnail(SECOND_NS, jpeg.clone());
    let with_one = origin.usage().bytes;
    assert!((10_000..10_200).contains(&(with_one - before)));
    for msn in 4..40 {
        segment(&mut show.writer, msn);
        show.writer.thumbnail(msn * SECOND_NS, jpeg.clone());
    }
    let text = text(&origin.storyboard("s").unwrap()).to_owned();
    // A window of eight seconds, and a picture every two.
    assert!((4..=6).contains(&text.matches(" --> ").count()), "{text}");
    let gone = origin.picture("s", &show.session, "thumb-0.jpg");
    assert_eq!(gone.unwrap_err(), Missing::Gone);
}

#[tokio::test]
async fn pictures_leave_where_memory_is_short() {
    let origin = origin(120_000);
    let mut writer = open(&origin, "s");
    for msn in 1..=8 {
        segment(&mut writer, msn);
        let jpeg = Bytes::from(vec![0; 30_000]);
        writer.thumbnail(msn * SECOND_NS, jpeg);
        assert!(origin.usage().bytes <= 120_000, "{:?}", origin.usage());
    }
    let text = text(&origin.storyboard("s").unwrap()).to_owned();
    assert!((2..=3).contains(&text.matches(" --> ").count()), "{text}");
    drop(writer);
    assert!(
        origin.storyboard("s").is_ok(),
        "it stays with its playlists"
    );
}

#[tokio::test(start_paused = true)]
async fn an_iframe_playlist_is_rendered_once_for_each_segment_and_wakes_no_rung() {
    let mut show = Show::new(2).await;
    let (origin, session) = (show.origin.clone(), show.session.clone());
    let reload = |msn| Reload {
        msn,
        ..Reload::default()
    };
    let ask = |rendition, msn| origin.iframes("s", &session, rendition, reload(msn));
    let first = ask("360p", None).await.unwrap();
    assert!(has(&first, "#EXT-X-I-FRAMES-ONLY"));
    assert_eq!(first.max_age, Age::everywhere(HALF));
    // A part changes nothing; the segment that it closes does.
    show.writer.part(part(VIDEO, 3, 0));
    let second = ask("360p", None).await.unwrap();
    assert_eq!(first.text.body.as_ptr(), second.text.body.as_ptr());
    let waits = ask("360p", Some(3));
    let make = async {
        sleep(HALF).await;
        show.writer.part(part(VIDEO, 3, 1));
    };
    let started = Instant::now();
    let (third, ()) = tokio::join!(waits, make);
    let third = third.unwrap();
    assert_eq!(started.elapsed(), HALF);
    assert_ne!(first.text.etag, third.text.etag);
    assert_eq!(third.max_age, Age::everywhere(Duration::from_secs(6)));
    assert_eq!(ask("audio-96k", None).await.unwrap_err(), Missing::NotFound);
    let refused = ask("360p", Some(9)).await.unwrap_err();
    assert!(matches!(refused, Missing::BadRequest(_)));
    let demand = show.writer.demand();
    assert_eq!(demand.watched().0, RungSet::EMPTY);
    // These segments have no picture, so a piece of one is a piece of the media.
    let place = ("s", session.as_str(), "360p");
    let piece = origin.object_for(place, "3.m4s", Some(0..2)).await;
    assert!(piece.is_ok());
    assert_eq!(demand.watched().0, RungSet::first(1));
}
