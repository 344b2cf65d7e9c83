//! DASH manifests.

use std::io::Read;

use tokio::time::Instant;

use super::client::{ask, get};
use super::stub::{OBJECT, Running, WINDOW};

const MANIFEST: &str = "/live/demo/manifest.mpd";

/// The first value of an attribute.
fn attribute<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!(" {name}=\"")).expect(name);
    rest.split('"').next().unwrap()
}

#[tokio::test]
async fn manifests_by_what_the_stream_is_doing() {
    let server = Running::start();
    for (path, status) in [
        (MANIFEST, 200),
        ("/live/studio/manifest.mpd", 404),
        ("/live/nobody/manifest.mpd", 404),
        ("/live/demo/other.mpd", 404),
        ("/live/demo/manifest.mpd/", 404),
        ("/live//manifest.mpd", 404),
    ] {
        let reply = get(server.address, path).await;
        if status == 200 {
            assert_eq!(reply.status, 200, "{path}");
            assert!(reply.text().contains("type=\"dynamic\""));
            let kind = reply.header("content-type");
            assert_eq!(kind, Some("application/dash+xml"));
            assert_eq!(reply.header("cache-control"), Some("public, max-age=1"));
            assert_eq!(reply.header("vary"), Some("Accept-Encoding"));
        } else {
            reply.assert_problem(status);
        }
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    }
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn that_of_a_stream_that_never_starts_is_awaited_for_ten_seconds() {
    let server = Running::start();
    let asked = Instant::now();
    let reply = get(server.address, "/live/starting/manifest.mpd").await;
    reply.assert_problem(503);
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(asked.elapsed().as_secs(), 10);
    server.stop().await;
}

#[tokio::test]
async fn it_starts_a_stream_and_counts_a_viewer() {
    let server = Running::start();
    get(server.address, MANIFEST).await;
    assert_eq!(*server.stub.demands.lock().unwrap(), ["demo"]);
    assert_eq!(server.stub.viewers.borrow().len(), 1);
    server.stop().await;
}

/// What the templates in it name can be fetched, relative to it.
#[tokio::test]
async fn its_addresses_lead_to_the_media() {
    let server = Running::start();
    let reply = get(server.address, MANIFEST).await;
    let text = reply.text();
    let media = format!("/live/demo/{}", attribute(text, "media"));
    let last = media.replace("$Number$", "30");
    assert_eq!(last, server.path("30.m4s"));
    assert_eq!(get(server.address, &last).await.body, OBJECT);
    let init = format!("/live/demo/{}", attribute(text, "initialization"));
    assert_eq!(get(server.address, &init).await.status, 200);
    // The server's date, by which players set their clocks.
    let head = ask(server.address, "HEAD", MANIFEST, &[]).await;
    assert!(head.header("date").is_some());
    let exposed = head.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("Date"), "{exposed}");
    server.stop().await;
}

#[tokio::test]
async fn it_changes_with_each_segment_and_ends() {
    let server = Running::start();
    let before = get(server.address, MANIFEST).await;
    let tag = before.header("etag").unwrap();
    let known = [("If-None-Match", tag)];
    let same = ask(server.address, "GET", MANIFEST, &known).await;
    assert_eq!((same.status, same.header("etag")), (304, Some(tag)));
    assert_eq!(get(server.address, MANIFEST).await.body, before.body);

    server.release();
    let after = ask(server.address, "GET", MANIFEST, &known).await;
    assert_eq!(after.status, 200);
    assert_ne!(after.header("etag"), Some(tag));

    server.end_session();
    let ended = get(server.address, MANIFEST).await;
    assert!(ended.text().contains("type=\"static\""), "{}", ended.text());
    assert!(!ended.text().contains("minimumUpdatePeriod"));
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn that_of_an_ended_session_stays_for_the_window() {
    let server = Running::start();
    server.end_session();
    assert_eq!(get(server.address, MANIFEST).await.status, 200);
    tokio::time::advance(WINDOW).await;
    get(server.address, MANIFEST).await.assert_problem(404);
    server.stop().await;
}

#[tokio::test]
async fn gzip_for_those_who_take_it() {
    let server = Running::start();
    let plain = get(server.address, MANIFEST).await;
    let gzip = [("Accept-Encoding", "gzip")];
    let reply = ask(server.address, "GET", MANIFEST, &gzip).await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&*reply.body);
    decoder.read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.text());
    server.stop().await;
}
