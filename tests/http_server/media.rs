//! Segments, parts and init sections: ranges, validators.

use super::client::{ask, get};
use super::stub::{OBJECT, OLD_SEGMENT, Running, SEGMENT};

#[tokio::test]
async fn a_segment_is_whole_and_immutable() {
    let server = Running::start();
    let reply = get(server.address, &server.path(SEGMENT)).await;
    assert_eq!((reply.status, &*reply.body), (200, OBJECT));
    for (name, value) in [
        ("content-type", "video/mp4"),
        ("content-length", "10"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("accept-ranges", "bytes"),
        ("etag", &server.tag(SEGMENT)),
        ("access-control-allow-origin", "*"),
        ("timing-allow-origin", "*"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    let exposed = reply.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("Content-Range") && exposed.contains("ETag"));
    for (file, status) in [
        ("31.m4s", 404),
        (OLD_SEGMENT, 410),
        ("..%2f30.m4s", 404),
        (".m4s", 404),
        ("30.m4s/", 404),
        ("/30.m4s", 404),
        ("x/30.m4s", 404),
        ("../30.m4s", 404),
    ] {
        let path = server.path(file);
        get(server.address, &path).await.assert_problem(status);
    }
    server.stop().await;
}

#[tokio::test]
async fn ranges() {
    let server = Running::start();
    let path = server.path(SEGMENT);
    for (range, status, place, body) in [
        ("bytes=0-0", 206, Some("bytes 0-0/10"), "0"),
        ("bytes=2-4", 206, Some("bytes 2-4/10"), "234"),
        ("bytes=-5", 206, Some("bytes 5-9/10"), "56789"),
        ("bytes=5-", 206, Some("bytes 5-9/10"), "56789"),
        ("bytes=0-99", 206, Some("bytes 0-9/10"), "0123456789"),
        ("bytes=10-", 416, Some("bytes */10"), ""),
        ("bytes=-0", 416, Some("bytes */10"), ""),
        ("bytes=0-1,3-4", 200, None, "0123456789"),
        ("bytes=4-2", 200, None, "0123456789"),
        ("bytes=zero", 200, None, "0123456789"),
        ("lines=0-1", 200, None, "0123456789"),
    ] {
        let reply = ask(server.address, "GET", &path, &[("Range", range)]).await;
        assert_eq!(reply.status, status, "{range}");
        assert_eq!(reply.header("content-range"), place, "{range}");
        if status == 416 {
            reply.assert_problem(416);
            assert_eq!(reply.header("cache-control"), Some("no-store"));
        } else {
            assert_eq!(reply.text(), body, "{range}");
            let length = body.len().to_string();
            assert_eq!(reply.header("content-length"), Some(length.as_str()));
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_range_holds_only_while_the_tag_does() {
    let server = Running::start();
    let (path, own) = (server.path(SEGMENT), server.tag(SEGMENT));
    for (tag, status) in [
        (own.as_str(), 206),
        ("\"other\"", 200),
        (format!("W/{own}").as_str(), 200),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 200),
        ("", 200),
        ("\"\u{e4}\"", 200),
    ] {
        let headers = [("Range", "bytes=0-3"), ("If-Range", tag)];
        let reply = ask(server.address, "GET", &path, &headers).await;
        assert_eq!(reply.status, status, "{tag}");
    }
    let tag = ("If-Range", own.as_str());
    let twice = [("Range", "bytes=0-3"), tag, tag];
    let reply = ask(server.address, "GET", &path, &twice).await;
    assert_eq!(reply.status, 200);
    let headers = [("If-None-Match", own.as_str()), ("Range", "bytes=0-3")];
    let reply = ask(server.address, "GET", &path, &headers).await;
    assert_eq!((reply.status, reply.body.len()), (304, 0));
    server.stop().await;
}

#[tokio::test]
async fn a_large_segment_arrives_whole() {
    let server = Running::start();
    let (path, length) = server.write_large();
    let reply = get(server.address, &path).await;
    assert_eq!(reply.body.len(), length);
    assert!(reply.body.iter().all(|byte| *byte == 7));
    let metrics = get(server.admin, "/metrics").await;
    let line = format!("weir_http_sent_bytes_total{{route=\"media\"}} {length}");
    assert!(metrics.text().contains(&line), "{}", metrics.text());
    server.stop().await;
}

#[tokio::test]
async fn no_cache_keeps_what_is_missing_now() {
    let server = Running::start();
    for file in ["99.m4s", "99.0.m4s", "init-9.mp4"] {
        let reply = get(server.address, &server.path(file)).await;
        reply.assert_problem(404);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{file}");
    }
    server.stop().await;
}
