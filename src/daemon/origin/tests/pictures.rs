//! The storyboard of a stream, and what it costs.

use super::*;

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
