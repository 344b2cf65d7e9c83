//! Multivariant and media playlists, thumbnails and storyboards.

use std::io::Read;

use tokio::time::Instant;

use super::client::{ask, get};
use super::stub::{Running, WINDOW};

#[tokio::test]
async fn masters_by_what_the_stream_is_doing() {
    let server = Running::start();
    for (path, status) in [
        ("/live/demo/master.m3u8", 200),
        ("/live/demo/ts.m3u8", 200),
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
            assert!(reply.text().contains("#EXT-X-STREAM-INF"));
            assert_eq!(
                reply.header("content-type"),
                Some("application/vnd.apple.mpegurl")
            );
            assert_eq!(reply.header("cache-control"), Some("public, max-age=1"));
            assert_eq!(reply.header("vary"), Some("Accept-Encoding"));
        } else {
            reply.assert_problem(status);
            // Who asks again, because the stream has begun, must not hear this from his own browser.
            let kept = Some("public, max-age=0, s-maxage=1");
            assert_eq!(reply.header("cache-control"), kept, "{path}");
        }
        assert_eq!(reply.header("retry-after"), None, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_master_of_a_stream_that_never_starts_is_awaited_for_ten_seconds() {
    let server = Running::start();
    let asked = Instant::now();
    let reply = get(server.address, "/live/starting/master.m3u8").await;
    reply.assert_problem(503);
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(asked.elapsed().as_secs(), 10);
    server.stop().await;
}

#[tokio::test]
async fn playlist_requests_count_as_viewers() {
    let server = Running::start();
    let agent = [("User-Agent", "a player")];
    let media = server.path("index.m3u8");
    ask(server.address, "GET", "/live/demo/master.m3u8", &agent).await;
    ask(server.address, "GET", &media, &agent).await;
    ask(server.address, "GET", &server.path("7.m4s"), &agent).await;
    ask(server.address, "GET", "/live/demo/thumb.jpg", &agent).await;
    ask(server.address, "GET", "/live/demo/storyboard.vtt", &agent).await;
    let viewer = (
        "demo".to_owned(),
        server.address.ip(),
        "a player".to_owned(),
    );
    assert_eq!(*server.stub.viewers.borrow(), [viewer.clone(), viewer]);
    server.stop().await;
}

#[tokio::test]
async fn a_player_counts_by_the_name_that_it_gives_itself() {
    let server = Running::start();
    let ids = |server: &Running| -> Vec<String> {
        let viewers = server.stub.viewers.borrow();
        viewers.iter().map(|(_, _, id)| id.clone()).collect()
    };
    let named = [
        ("User-Agent", "a player"),
        ("Weir-Viewer", "0123456789abcdef"),
    ];
    let media = server.path("index.m3u8");
    for path in ["/live/demo/master.m3u8", &media] {
        assert_eq!(ask(server.address, "GET", path, &named).await.status, 200);
    }
    let status = "/api/v1/streams/demo";
    // A page that only looks at the status does not watch.
    assert_eq!(get(server.address, status).await.status, 200);
    assert_eq!(ids(&server), ["0123456789abcdef"; 2]);
    // One that plays does, also where a cache answers for the playlists.
    let plays = [("Weir-Viewer", "0123456789abcdef; rung=360p")];
    assert_eq!(ask(server.address, "GET", status, &plays).await.status, 200);
    assert_eq!(ids(&server), ["0123456789abcdef"; 3]);
    let rung = server.path("").split('/').nth(4).unwrap().to_owned();
    assert_eq!(
        *server.stub.rungs.lock().unwrap(),
        [rung, "360p".to_owned()]
    );
    // What is no name is ignored; so is one at the admin port.
    let short = [("User-Agent", "a player"), ("Weir-Viewer", "x")];
    ask(server.address, "GET", &media, &short).await;
    assert_eq!(ids(&server).last().unwrap(), "a player");
    ask(server.admin, "GET", status, &plays).await;
    assert_eq!(ids(&server).len(), 4);
    server.stop().await;
}

#[tokio::test]
async fn only_a_multivariant_playlist_starts_a_stream() {
    let server = Running::start();
    for path in [
        "/live/demo/nosuchsession/360p/index.m3u8",
        "/live/demo/nosuchsession/360p/ts.m3u8",
        "/live/demo/nosuchsession/360p/1.m4s",
        "/live/studio/nosuchsession/360p/index.m3u8?_HLS_msn=1",
        "/live/demo/nosuchsession/manifest.mpd",
        "/live/nobody/nosuchsession/360p/index.m3u8",
        "/live/studio/thumb.jpg",
        "/live/studio/storyboard.vtt",
        "/live/demo/nosuchsession/thumb-0.jpg",
    ] {
        get(server.address, path).await.assert_problem(404);
    }
    assert!(
        server.stub.viewers.borrow().is_empty(),
        "a viewer was counted"
    );
    for path in [
        server.path("index.m3u8").as_str(),
        "/live/demo/thumb.jpg",
        "/live/demo/storyboard.vtt",
        server.session_path("thumb-0.jpg").as_str(),
    ] {
        assert_eq!(get(server.address, path).await.status, 200, "{path}");
    }
    assert!(server.stub.demands.lock().unwrap().is_empty());
    get(server.address, "/live/demo/master.m3u8").await;
    assert_eq!(*server.stub.demands.lock().unwrap(), ["demo"]);
    server.stop().await;
}

#[tokio::test]
async fn delivery_directives_are_obeyed() {
    let server = Running::start();
    for (file, expected) in [
        ("index.m3u8", "#EXT-X-PART:"),
        ("index.m3u8?_HLS_msn=30&_HLS_part=1", "30.m4s"),
        ("index.m3u8?_HLS_skip=YES", "#EXT-X-SKIP:"),
        ("ts.m3u8", "30.ts"),
    ] {
        let reply = get(server.address, &server.path(file)).await;
        assert_eq!(reply.status, 200, "{file}");
        let kind = reply.header("content-type");
        assert_eq!(kind, Some("application/vnd.apple.mpegurl"), "{file}");
        assert!(reply.text().contains(expected), "{}", reply.text());
    }
    server.stop().await;
}

#[tokio::test]
async fn directives_that_make_no_sense_are_refused_with_a_way_out() {
    let server = Running::start();
    for (query, error) in [
        ("?_HLS_part=1", "_HLS_part without _HLS_msn"),
        ("?_HLS_msn=33", "_HLS_msn is too far ahead"),
        ("?_HLS_msn=31&_HLS_part=99", "_HLS_part is too far ahead"),
        ("?_HLS_msn=x", "_HLS_msn is not one number"),
        ("?_HLS_msn=-1", "_HLS_msn is not one number"),
        ("?_HLS_msn=1&_HLS_msn=2", "_HLS_msn is not one number"),
        (
            "?_HLS_msn=99999999999999999999",
            "_HLS_msn is not one number",
        ),
    ] {
        let path = server.path(&format!("index.m3u8{query}"));
        let reply = get(server.address, &path).await;
        reply.assert_problem(400);
        let json = reply.json();
        assert_eq!(json["error"], error);
        let hint = json["hint"].as_str().unwrap();
        assert!(hint.contains("only with it _HLS_part=NUMBER"), "{hint}");
    }
    // "A Server MUST ignore _HLS_msn and _HLS_part if the Playlist contains an EXT-X-ENDLIST tag"
    // (RFC 8216bis section 6.2.5.2).
    server.restart_session();
    let ended = server.path("index.m3u8?_HLS_part=1");
    assert_eq!(get(server.address, &ended).await.status, 200);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_or_never_was() {
    let server = Running::start();
    server.restart_session();
    tokio::time::advance(WINDOW).await;
    for (path, status) in [
        (server.path("index.m3u8").as_str(), 410),
        ("/live/demo/s9/360p/index.m3u8", 404),
        ("/live/nobody/s1/360p/index.m3u8", 404),
        ("/live/studio/thumb.jpg", 404),
        ("/live/demo/thumb.jpg/", 404),
        (server.path("index.m3u8/").as_str(), 404),
    ] {
        let reply = get(server.address, path).await;
        reply.assert_problem(status);
        let kept = Some("public, max-age=0, s-maxage=1");
        assert_eq!(reply.header("cache-control"), kept, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_blocking_reload_answers_when_the_part_is_there_and_is_measured() {
    let server = Running::start();
    let address = server.address;
    let path = server.blocking();
    let older = format!("{path}&_HLS_part=0");
    let asked = tokio::spawn(async move { get(address, &path).await });
    server.asked(1).await;
    server.release();
    let reply = asked.await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=12"));
    // What this one asks for was there already, and there is more by now.
    let reply = get(address, &older).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    let metrics = get(server.admin, "/metrics").await;
    let line = "weir_http_blocking_reload_wait_seconds_count 2";
    assert!(metrics.text().contains(line), "{}", metrics.text());
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn only_what_waited_is_measured() {
    let server = Running::start();
    let asked = Instant::now();
    for (path, status) in [
        (server.path("index.m3u8").as_str(), 200),
        (server.path("index.m3u8?_HLS_msn=x").as_str(), 400),
        (server.path("index.m3u8?_HLS_msn=100").as_str(), 400),
        ("/live/demo/s9/360p/index.m3u8?_HLS_msn=8", 404),
        ("/live/nobody/s1/360p/index.m3u8?_HLS_msn=8", 404),
        // Nothing is written for three target durations.
        (server.blocking().as_str(), 503),
    ] {
        assert_eq!(get(server.address, path).await.status, status, "{path}");
    }
    assert_eq!(asked.elapsed().as_secs(), 6);
    let metrics = get(server.admin, "/metrics").await;
    let line = "weir_http_blocking_reload_wait_seconds_count 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());
    server.stop().await;
}

#[tokio::test]
async fn who_has_the_playlist_gets_304() {
    let server = Running::start();
    let path = server.path("index.m3u8");
    let own = get(server.address, &path).await;
    let own = own.header("etag").unwrap();
    let compressed = format!("\"x\", {}-gz\"", own.strip_suffix('"').unwrap());
    for (tag, status) in [
        (own, 304),
        (&format!("W/{own}"), 304),
        (&compressed, 304),
        ("*", 304),
        ("\"other\"", 200),
    ] {
        let reply = ask(server.address, "GET", &path, &[("If-None-Match", tag)]).await;
        assert_eq!(reply.status, status, "{tag}");
        assert_eq!(reply.header("etag"), Some(own));
        assert_eq!(reply.header("cache-control"), Some("public, max-age=1"));
        assert_eq!(reply.body.is_empty(), status == 304);
    }
    server.stop().await;
}

#[tokio::test]
async fn gzip_for_those_who_take_it() {
    let server = Running::start();
    let path = server.path("index.m3u8");
    let refused = [("Accept-Encoding", "gzip;q=0")];
    let plain = ask(server.address, "GET", &path, &refused).await;
    assert_eq!(plain.header("content-encoding"), None);
    let gzip = [("Accept-Encoding", "br, gzip;q=0.9")];
    for _ in 0..2 {
        let reply = ask(server.address, "GET", &path, &gzip).await;
        assert_eq!(reply.header("content-encoding"), Some("gzip"));
        assert!(reply.header("etag").unwrap().ends_with("-gz\""));
        let length = reply.header("content-length").unwrap().parse::<usize>();
        assert_eq!(length.unwrap(), reply.body.len());
        let mut text = String::new();
        let mut decoder = flate2::read::GzDecoder::new(&*reply.body);
        decoder.read_to_string(&mut text).unwrap();
        assert_eq!(text, plain.text());
    }
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

#[tokio::test]
async fn a_storyboard_lists_pictures_that_never_change() {
    let server = Running::start();
    let path = "/live/demo/storyboard.vtt";
    let reply = get(server.address, path).await;
    let picture = server.session_path("thumb-0.jpg");
    // The window begins with the segment at 42 s; the picture is that of the one at 60 s.
    let address = picture.strip_prefix("/live/demo/").unwrap();
    let expected = format!(
        "WEBVTT\n\nNOTE PROGRAM-DATE-TIME=1970-01-01T00:00:42.000Z\n\n\
         00:00:18.000 --> 00:00:20.000\n{address}\n"
    );
    assert_eq!((reply.status, reply.text()), (200, expected.as_str()));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=2"));
    assert_eq!(reply.header("vary"), Some("Accept-Encoding"));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    let tag = reply.header("etag").unwrap().to_owned();
    let again = ask(server.address, "GET", path, &[("If-None-Match", &tag)]).await;
    assert_eq!(again.status, 304);

    let reply = get(server.address, &picture).await;
    assert_eq!((reply.status, reply.text()), (200, "jpeg"));
    let immutable = "public, max-age=31536000, immutable";
    assert_eq!(reply.header("cache-control"), Some(immutable));
    for file in ["thumb-1.jpg", "thumb-00.jpg", "thumb.jpg", "x.jpg"] {
        let reply = get(server.address, &server.session_path(file)).await;
        reply.assert_problem(404);
    }
    // Of an ended session the pictures stay as long as its playlists; the list is that of the newest.
    server.restart_session();
    assert_eq!(get(server.address, &picture).await.status, 200);
    let reply = get(server.address, path).await;
    assert!(!reply.text().contains(address), "{}", reply.text());
    server.stop().await;
}
