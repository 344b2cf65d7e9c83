//! Multivariant and media playlists, and thumbnails.

use std::io::Read;

use weir::daemon::origin::{Packaging, Reload};

use super::client::{ask, get};
use super::stub::{Running, playlist};

const MEDIA: &str = "/live/demo/s1/720p/index.m3u8";

#[tokio::test]
async fn masters_by_what_the_stream_is_doing() {
    let server = Running::start();
    for (path, status) in [
        ("/live/demo/master.m3u8", 200),
        ("/live/demo/ts.m3u8", 200),
        ("/live/starting/master.m3u8", 503),
        ("/live/studio/master.m3u8", 404),
        ("/live/nobody/master.m3u8", 404),
        ("/live/Demo/master.m3u8", 404),
        ("/live/d%65mo/master.m3u8", 404),
        ("/live/../master.m3u8", 404),
        ("/live//master.m3u8", 404),
        ("/live/demo/other.m3u8", 404),
        ("/live/demo/master.m3u8/", 404),
        ("/live/demo//master.m3u8", 404),
        ("/live/demo/ts.m3u8/", 404),
    ] {
        let reply = get(server.address, path).await;
        if status == 200 {
            assert_eq!(reply.status, 200, "{path}");
            assert_eq!(reply.text(), playlist());
            assert_eq!(
                reply.header("content-type"),
                Some("application/vnd.apple.mpegurl")
            );
            assert_eq!(reply.header("cache-control"), Some("public, max-age=1"));
            assert_eq!(reply.header("vary"), Some("Accept-Encoding"));
        } else {
            reply.assert_problem(status);
        }
        let retry = (status == 503).then_some("1");
        assert_eq!(reply.header("retry-after"), retry, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    server.stop().await;
}

#[tokio::test]
async fn playlist_requests_count_as_viewers() {
    let server = Running::start();
    let agent = [("User-Agent", "a player")];
    ask(server.address, "GET", "/live/demo/master.m3u8", &agent).await;
    ask(server.address, "GET", MEDIA, &agent).await;
    ask(server.address, "GET", "/live/demo/s1/720p/7.m4s", &agent).await;
    ask(server.address, "GET", "/live/demo/thumb.jpg", &agent).await;
    let viewer = (
        "demo".to_owned(),
        server.address.ip(),
        "a player".to_owned(),
    );
    let viewers = server.stub.viewers.lock().unwrap().clone();
    assert_eq!(viewers, [viewer.clone(), viewer]);
    server.stop().await;
}

#[tokio::test]
async fn delivery_directives_reach_the_origin_and_mistakes_do_not() {
    let server = Running::start();
    let path = |query: &str| format!("{MEDIA}{query}");
    assert_eq!(
        get(server.address, &path("?_HLS_skip=YES")).await.status,
        200
    );
    assert_eq!(
        get(server.address, "/live/demo/s1/720p/ts.m3u8")
            .await
            .status,
        200
    );
    for query in [
        "?_HLS_msn=x",
        "?_HLS_msn=-1",
        "?_HLS_msn=1&_HLS_msn=2",
        "?_HLS_msn=99999999999999999999",
    ] {
        get(server.address, &path(query)).await.assert_problem(400);
    }
    let seen = server.stub.reloads.lock().unwrap().clone();
    let skip = Reload {
        skip: true,
        ..Reload::default()
    };
    let expected = [(Packaging::Cmaf, skip), (Packaging::Ts, Reload::default())];
    assert_eq!(seen, expected);
    get(server.address, &path("?_HLS_msn=100"))
        .await
        .assert_problem(400);
    server.stop().await;
}

#[tokio::test]
async fn what_is_gone_or_never_was() {
    let server = Running::start();
    for (path, status) in [
        ("/live/demo/old/720p/index.m3u8", 410),
        ("/live/demo/s9/720p/index.m3u8", 404),
        ("/live/nobody/s1/720p/index.m3u8", 404),
        ("/live/studio/thumb.jpg", 404),
        ("/live/demo/thumb.jpg/", 404),
        ("/live/demo/s1/720p/index.m3u8/", 404),
    ] {
        let reply = get(server.address, path).await;
        reply.assert_problem(status);
        assert_eq!(reply.header("cache-control"), Some("public, max-age=1"));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_blocking_reload_answers_when_the_part_is_there_and_is_measured() {
    let server = Running::start();
    let address = server.address;
    let path = format!("{MEDIA}?_HLS_msn=8&_HLS_part=1");
    let asked = tokio::spawn(async move { get(address, &path).await });
    server.blocked(1).await;
    server.stub.released.send_replace(true);
    let reply = asked.await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=12"));
    let metrics = get(address, "/metrics").await;
    let line = "weir_http_blocking_reload_wait_seconds_count 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());
    server.stop().await;
}

#[tokio::test]
async fn only_what_waited_is_measured() {
    let server = Running::start();
    for (path, status) in [
        ("/live/demo/s1/720p/index.m3u8", 200),
        ("/live/demo/s1/720p/index.m3u8?_HLS_msn=x", 400),
        ("/live/demo/s1/720p/index.m3u8?_HLS_msn=100", 400),
        ("/live/demo/old/720p/index.m3u8?_HLS_msn=8", 410),
        ("/live/demo/s9/720p/index.m3u8?_HLS_msn=8", 404),
        ("/live/nobody/s1/720p/index.m3u8?_HLS_msn=8", 404),
        ("/live/demo/slow/720p/index.m3u8", 503),
        ("/live/demo/slow/720p/index.m3u8?_HLS_msn=8", 503),
    ] {
        assert_eq!(get(server.address, path).await.status, status, "{path}");
    }
    let metrics = get(server.address, "/metrics").await;
    let line = "weir_http_blocking_reload_wait_seconds_count 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());
    server.stop().await;
}

#[tokio::test]
async fn who_has_the_playlist_gets_304() {
    let server = Running::start();
    let tagged = |tag| [("If-None-Match", tag)];
    for (tag, status) in [
        ("\"plain\"", 304),
        ("W/\"plain\"", 304),
        ("\"x\", \"plain-gz\"", 304),
        ("*", 304),
        ("\"other\"", 200),
    ] {
        let reply = ask(server.address, "GET", MEDIA, &tagged(tag)).await;
        assert_eq!(reply.status, status, "{tag}");
        assert_eq!(reply.header("etag"), Some("\"plain\""));
        assert_eq!(reply.header("cache-control"), Some("no-cache"));
        assert_eq!(reply.body.is_empty(), status == 304);
    }
    server.stop().await;
}

#[tokio::test]
async fn gzip_for_those_who_take_it() {
    let server = Running::start();
    let gzip = [("Accept-Encoding", "br, gzip;q=0.9")];
    for _ in 0..2 {
        let reply = ask(server.address, "GET", MEDIA, &gzip).await;
        assert_eq!(reply.header("content-encoding"), Some("gzip"));
        assert_eq!(reply.header("etag"), Some("\"plain-gz\""));
        let length = reply.header("content-length").unwrap().parse::<usize>();
        assert_eq!(length.unwrap(), reply.body.len());
        let mut text = String::new();
        let mut decoder = flate2::read::GzDecoder::new(&*reply.body);
        decoder.read_to_string(&mut text).unwrap();
        assert_eq!(text, playlist());
    }
    let refused = [("Accept-Encoding", "gzip;q=0")];
    let reply = ask(server.address, "GET", MEDIA, &refused).await;
    assert_eq!(reply.header("content-encoding"), None);
    assert_eq!(reply.text(), playlist());
    server.stop().await;
}

#[tokio::test]
async fn thumbnails_have_a_tag_and_a_short_life() {
    let server = Running::start();
    let path = "/live/demo/thumb.jpg";
    let reply = get(server.address, path).await;
    assert_eq!((reply.status, reply.text()), (200, "jpeg"));
    assert_eq!(reply.header("content-type"), Some("image/jpeg"));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=2"));
    let tag = reply.header("etag").unwrap().to_owned();
    let again = ask(server.address, "GET", path, &[("If-None-Match", &tag)]).await;
    assert_eq!(again.status, 304);
    server.stop().await;
}
