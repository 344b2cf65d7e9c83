//! Pages, API, health, and every route with every method.

use super::client::{ask, get};
use super::stub::{Running, SEGMENT};

/// An address of every route, and the content type of its answer.
fn routes(server: &Running) -> [(String, &'static str); 15] {
    let html = "text/html; charset=utf-8";
    let playlist = "application/vnd.apple.mpegurl";
    let (json, text) = ("application/json", "text/plain; charset=utf-8");
    [
        ("/".to_owned(), html),
        ("/watch/demo".to_owned(), html),
        ("/embed/demo".to_owned(), html),
        ("/live/demo/master.m3u8".to_owned(), playlist),
        ("/live/demo/ts.m3u8".to_owned(), playlist),
        ("/live/demo/manifest.mpd".to_owned(), "application/dash+xml"),
        (server.path("index.m3u8"), playlist),
        (server.path("iframes.m3u8"), playlist),
        (server.path(SEGMENT), "video/mp4"),
        ("/live/demo/thumb.jpg".to_owned(), "image/jpeg"),
        (
            "/live/demo/storyboard.vtt".to_owned(),
            "text/vtt; charset=utf-8",
        ),
        (server.session_path("thumb-0.jpg"), "image/jpeg"),
        ("/api/v1/streams".to_owned(), json),
        ("/api/v1/streams/demo".to_owned(), json),
        ("/healthz".to_owned(), text),
    ]
}

fn ready() -> Running {
    let server = Running::start();
    let ready = &server.stub.ready;
    ready.store(true, std::sync::atomic::Ordering::SeqCst);
    server
}

#[tokio::test]
async fn head_says_what_get_would() {
    let server = ready();
    for (path, content_type) in routes(&server) {
        let got = get(server.address, &path).await;
        assert_eq!(got.status, 200, "{path}");
        assert_eq!(got.header("content-type"), Some(content_type), "{path}");
        assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
        let length = got.body.len().to_string();
        assert_eq!(
            got.header("content-length"),
            Some(length.as_str()),
            "{path}"
        );

        let range = [("Range", "bytes=0-0")];
        let head = ask(server.address, "HEAD", &path, &range).await;
        assert!(head.body.is_empty(), "{path}");
        let lasting = |headers: &[(String, String)]| {
            let mut kept: Vec<_> = headers.iter().filter(|(name, _)| name != "date").collect();
            kept.sort();
            format!("{kept:?}")
        };
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(lasting(&head.headers), lasting(&got.headers), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn other_methods_are_refused() {
    let server = ready();
    for (path, _) in routes(&server) {
        for method in ["POST", "PUT", "DELETE", "PATCH", "PROPFIND", "TRACE"] {
            let reply = ask(server.address, method, &path, &[]).await;
            reply.assert_problem(405);
            assert_eq!(reply.header("allow"), Some("GET, HEAD, OPTIONS"));
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn other_sites_may_use_media_and_api_only() {
    let server = ready();
    let preflight = [
        ("Origin", "https://elsewhere.example"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "range"),
    ];
    for (path, _) in routes(&server) {
        let shared = path.starts_with("/live/") || path.starts_with("/api/");
        let reply = ask(server.address, "OPTIONS", &path, &preflight).await;
        assert_eq!((reply.status, reply.body.len()), (204, 0), "{path}");
        assert_eq!(reply.header("allow"), Some("GET, HEAD, OPTIONS"));
        let origin = shared.then_some("*");
        let policy = reply.header("cross-origin-resource-policy");
        assert_eq!(policy, shared.then_some("cross-origin"), "{path}");
        assert_eq!(
            reply.header("access-control-allow-origin"),
            origin,
            "{path}"
        );
        let allowed = reply.header("access-control-allow-headers");
        assert_eq!(allowed.is_some_and(|list| list.contains("Range")), shared);
        let methods = shared.then_some("GET, HEAD, OPTIONS");
        assert_eq!(reply.header("access-control-allow-methods"), methods);
    }
    server.stop().await;
}

#[tokio::test]
async fn pages_are_protected_and_revalidated() {
    let server = ready();
    for path in ["/", "/watch/demo", "/watch/demo/", "/embed/demo"] {
        let reply = get(server.address, path).await;
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'; script-src 'self' 'sha256-"));
        let framed = policy.ends_with("frame-ancestors *");
        assert_eq!(framed, path == "/embed/demo");
        assert_eq!(reply.header("cache-control"), Some("no-cache"));
        let tag = reply.header("etag").unwrap().to_owned();
        let again = ask(server.address, "GET", path, &[("If-None-Match", &tag)]).await;
        assert_eq!(again.status, 304, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn nothing_there_is_a_page_for_people_and_json_for_programs() {
    let server = ready();
    for path in [
        "/nothing",
        "/watch/nobody",
        "/watch/UPPER",
        "/embed/a/b",
        "/index.html",
    ] {
        let reply = get(server.address, path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(
            reply.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(reply.text().contains("Nothing flows here"), "{path}");
        assert!(reply.header("content-security-policy").is_some());
        let known = [("If-None-Match", "*")];
        let again = ask(server.address, "HEAD", path, &known).await;
        assert_eq!(again.status, 404, "{path}");
        assert_eq!(
            again.header("content-length"),
            reply.header("content-length")
        );
    }
    for path in [
        "/api/v1/streams/nobody",
        "/api/v2",
        "/live/",
        "/assets/nothing.js",
        "/assets/..%2f..%2fCargo.toml",
        "/assets/../../Cargo.toml",
        "/metrics/x",
    ] {
        get(server.address, path).await.assert_problem(404);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_api_lists_streams_in_order() {
    let server = ready();
    let list = get(server.address, "/api/v1/streams").await;
    let crowds = Some("public, max-age=0, s-maxage=1");
    assert_eq!(list.header("cache-control"), crowds);
    let own = get(server.admin, "/api/v1/streams").await;
    assert_eq!(own.header("cache-control"), Some("no-store"));
    let json = list.json();
    let names = json
        .as_array()
        .unwrap()
        .iter()
        .map(|stream| &stream["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["demo", "starting", "studio"]);
    let one = get(server.address, "/api/v1/streams/starting").await.json();
    assert_eq!(one["state"], "starting");
    server.stop().await;
}

#[tokio::test]
async fn metrics_count_what_was_asked() {
    let server = ready();
    get(server.address, "/live/demo/master.m3u8").await;
    get(server.address, "/live/nobody/master.m3u8").await;
    get(server.address, "/live/demo/manifest.mpd").await;
    let reply = get(server.admin, "/metrics").await;
    let content_type = reply.header("content-type").unwrap();
    assert!(content_type.starts_with("application/openmetrics-text"));
    for line in [
        "weir_http_requests_total{route=\"master\",code=\"200\"} 1",
        "weir_http_requests_total{route=\"master\",code=\"404\"} 1",
        "weir_http_requests_total{route=\"manifest\",code=\"200\"} 1",
        "weir_stream_state{stream=\"demo\",state=\"live\"} 1",
        &format!("weir_origin_bytes {}", server.origin.usage().bytes),
        "weir_origin_limit_bytes 1048576",
    ] {
        let text = reply.text();
        assert!(text.lines().any(|l| l == line), "no `{line}` in\n{text}");
    }
    // A name that is not configured must not become a metric label.
    assert!(!reply.text().contains("nobody"));
    server.stop().await;
}
