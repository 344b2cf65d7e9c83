//! What the public port says, what only the admin port says, and to whose pages.

use weir::base::cors::{Cors, WebOrigin};

use super::client::{Reply, ask, get};
use super::stub::{LAST_ERROR, Running, SOURCE, WORKER};

fn keys(object: &serde_json::Value) -> Vec<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test]
async fn viewers_learn_of_a_stream_what_they_may_know() {
    let server = Running::start();
    let list = get(server.address, "/api/v1/streams").await;
    let one = get(server.address, "/api/v1/streams/demo").await;
    assert_eq!(list.json()[0], one.json());
    let shown = one.json();
    assert_eq!(keys(&shown), ["name", "rungs", "since", "state", "viewers"]);
    let rung = serde_json::json!({
        "name": "360p", "width": 640, "height": 360, "fps": 30.0, "bitrate": 800_000, "viewers": 0,
        "awake": true
    });
    assert_eq!(shown["rungs"], serde_json::json!([rung]));
    server.stop().await;
}

#[tokio::test]
async fn operators_learn_everything() {
    let server = Running::start();
    let list = get(server.admin, "/api/v1/streams").await.json();
    let one = get(server.admin, "/api/v1/streams/demo").await.json();
    assert_eq!(list[0], one);
    assert_eq!(one["source"], SOURCE);
    assert_eq!(one["worker_pid"], WORKER);
    assert_eq!(one["last_error"], LAST_ERROR);
    let rung = &one["rungs"][0];
    assert_eq!(rung["encoder"], "x264");
    assert_eq!(rung["filling"], "encoder x264");
    assert_eq!(rung["reason"], "watched");
    server.stop().await;
}

#[tokio::test]
async fn nothing_of_the_full_status_is_anywhere_on_the_public_port() {
    let server = Running::start();
    for path in [
        "/",
        "/watch/demo",
        "/embed/demo",
        "/api/v1/streams",
        "/api/v1/streams/demo",
        "/api/v1/streams/nobody",
        "/live/demo/master.m3u8",
        "/live/demo/manifest.mpd",
        "/live/studio/master.m3u8",
        "/healthz",
        "/readyz",
        "/metrics",
        "/nothing",
    ] {
        let reply = get(server.address, path).await;
        for secret in [SOURCE, LAST_ERROR, "x264", "4711"] {
            assert!(!reply.text().contains(secret), "{path} says {secret}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn metrics_and_readiness_are_on_the_admin_port_alone() {
    let server = Running::start();
    for path in ["/metrics", "/readyz"] {
        let reply = get(server.address, path).await;
        reply.assert_problem(404);
        let hint = reply.json()["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains("[server] admin"), "{hint}");
    }
    assert_eq!(get(server.admin, "/metrics").await.status, 200);
    assert_eq!(get(server.address, "/healthz").await.status, 200);
    assert_eq!(get(server.admin, "/healthz").await.status, 200);
    get(server.admin, "/readyz").await.assert_problem(503);
    let ready = &server.stub.ready;
    ready.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(get(server.admin, "/readyz").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn the_admin_port_has_neither_pages_nor_media() {
    let server = Running::start();
    for path in [
        "/",
        "/watch/demo",
        "/embed/demo",
        "/favicon.ico",
        "/assets/nothing.js",
        "/live/demo/master.m3u8",
        "/live/demo/manifest.mpd",
        "/live/demo/thumb.jpg",
        "/live/demo/storyboard.vtt",
        &server.session_path("thumb-0.jpg"),
        &server.path("index.m3u8"),
        &server.path("iframes.m3u8"),
        "/nothing",
    ] {
        get(server.admin, path).await.assert_problem(404);
    }
    assert!(
        server.stub.viewers.borrow().is_empty(),
        "a viewer was counted"
    );
    server.stop().await;
}

/// The headers with which a page of any site may use an answer.
fn sharing(reply: &Reply) -> Vec<&str> {
    let names = reply.headers.iter().map(|(name, _)| name.as_str());
    let shares =
        |name: &&str| name.starts_with("access-control-") || *name == "timing-allow-origin";
    names.filter(shares).collect()
}

#[tokio::test]
async fn no_page_may_read_the_admin_port() {
    let server = Running::start();
    let preflight = [
        ("Origin", "https://elsewhere.example"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Private-Network", "true"),
    ];
    for path in [
        "/api/v1/streams",
        "/api/v1/streams/demo",
        "/metrics",
        "/healthz",
        "/nothing",
    ] {
        for method in ["GET", "OPTIONS"] {
            let reply = ask(server.admin, method, path, &preflight).await;
            assert_eq!(sharing(&reply), [""; 0], "{method} {path}");
            let policy = reply.header("cross-origin-resource-policy");
            assert_eq!(policy, Some("same-origin"), "{method} {path}");
        }
    }
    server.stop().await;
}

/// A page whose own name has been made to resolve to this machine is of the same origin as the
/// admin port; only the name in its requests tells.
#[tokio::test]
async fn the_admin_port_answers_no_foreign_name() {
    let server = Running::start();
    let own = server.admin.to_string();
    for (host, status) in [
        (own.as_str(), 200),
        ("localhost:8081", 200),
        ("[::1]:8081", 200),
        ("WEIR.lan:8081", 200),
        ("rebound.example:8081", 421),
        ("rebound.example", 421),
        ("not a host", 421),
    ] {
        for path in ["/metrics", "/api/v1/streams", "/healthz"] {
            let reply = ask(server.admin, "GET", path, &[("Host", host)]).await;
            assert_eq!(reply.status, status, "{host} {path}");
            if status == 421 {
                reply.assert_problem(421);
            }
        }
    }
    // The public port has many names.
    let host = [("Host", "streams.example")];
    let reply = ask(server.address, "GET", "/api/v1/streams", &host).await;
    assert_eq!(reply.status, 200);
    server.stop().await;
}

const LISTED: &str = "https://listed.example";

fn shared_paths(server: &Running) -> [String; 6] {
    [
        "/api/v1/streams".to_owned(),
        "/live/demo/master.m3u8".to_owned(),
        "/live/nobody/master.m3u8".to_owned(),
        "/live/demo/manifest.mpd".to_owned(),
        server.path("index.m3u8"),
        server.path("init-1.mp4"),
    ]
}

#[tokio::test]
async fn listed_sites_may_use_media_and_api_and_others_may_not() {
    let site = WebOrigin::parse(LISTED).unwrap();
    let server = Running::for_sites(Cors::Only(vec![site]));
    for path in shared_paths(&server) {
        for (origin, allowed) in [
            (LISTED, Some(LISTED)),
            ("https://other.example", None),
            ("https://listed.example.evil", None),
            ("null", None),
        ] {
            let reply = ask(server.address, "GET", &path, &[("Origin", origin)]).await;
            let echoed = reply.header("access-control-allow-origin");
            assert_eq!(echoed, allowed, "{origin} {path}");
            assert_eq!(reply.header("timing-allow-origin"), allowed);
            let varies = reply.header("vary").unwrap();
            assert!(
                varies.split(", ").any(|name| name == "Origin"),
                "{varies} {path}"
            );
        }
        let reply = get(server.address, &path).await;
        assert_eq!(sharing(&reply), [""; 0], "{path} without an origin");
        assert!(reply.header("vary").unwrap().ends_with("Origin"), "{path}");
    }
    let page = ask(server.address, "GET", "/", &[("Origin", LISTED)]).await;
    assert_eq!(sharing(&page), [""; 0]);
    server.stop().await;
}

#[tokio::test]
async fn a_preflight_of_a_listed_site_may_use_ranges() {
    let site = WebOrigin::parse(LISTED).unwrap();
    let server = Running::for_sites(Cors::Only(vec![site]));
    for path in shared_paths(&server) {
        for (origin, allowed) in [(LISTED, true), ("https://other.example", false)] {
            let preflight = [
                ("Origin", origin),
                ("Access-Control-Request-Method", "GET"),
                ("Access-Control-Request-Headers", "range"),
            ];
            let reply = ask(server.address, "OPTIONS", &path, &preflight).await;
            assert_eq!(reply.status, 204, "{path}");
            let headers = reply.header("access-control-allow-headers");
            assert_eq!(headers.is_some_and(|list| list.contains("Range")), allowed);
            let echoed = reply.header("access-control-allow-origin");
            assert_eq!(echoed, allowed.then_some(LISTED));
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn an_empty_list_lets_no_site_in() {
    let server = Running::for_sites(Cors::Only(Vec::new()));
    for path in shared_paths(&server) {
        for method in ["GET", "OPTIONS"] {
            let reply = ask(server.address, method, &path, &[("Origin", LISTED)]).await;
            assert_eq!(sharing(&reply), [""; 0], "{method} {path}");
            assert_eq!(reply.header("cross-origin-resource-policy"), None);
        }
    }
    server.stop().await;
}
