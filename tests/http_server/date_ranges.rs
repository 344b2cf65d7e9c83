//! Date ranges through the admin port, and in the playlists.

use super::client::{self, Reply, ask, get};
use super::stub::Running;

const ALL: &str = "/api/v1/streams/demo/dateranges";
const JSON: &str = "application/json";

async fn set(server: &Running, json: &str) -> Reply {
    client::post(server.admin, ALL, JSON, json).await
}

/// The date ranges in the playlists of the video, CMAF and MPEG-TS.
async fn shown(server: &Running) -> [Vec<String>; 2] {
    let mut shown = [Vec::new(), Vec::new()];
    for (shown, file) in shown.iter_mut().zip(["index.m3u8", "ts.m3u8"]) {
        let playlist = get(server.address, &server.path(file)).await;
        let lines = playlist.text().lines();
        let ranges = lines.filter_map(|line| line.strip_prefix("#EXT-X-DATERANGE:"));
        shown.extend(ranges.map(str::to_owned));
    }
    shown
}

#[tokio::test]
async fn a_range_is_added_extended_listed_and_ended() {
    let server = Running::start();
    let first = set(
        &server,
        r#"{"id": "break-1", "class": "ad", "planned_duration": 30}"#,
    )
    .await;
    assert_eq!(first.status, 201);
    assert_eq!(
        first.header("location"),
        Some(format!("{ALL}/break-1").as_str())
    );
    let start = first.json()["start"].as_str().unwrap().to_owned();
    // Each of 30 segments lasts 2 s, and the first is at 2 s.
    assert_eq!(start, "1970-01-01T00:01:02.000Z");
    let tag = format!("ID=\"break-1\",START-DATE=\"{start}\",CLASS=\"ad\",PLANNED-DURATION=30.0");
    assert_eq!(shown(&server).await, [[tag.as_str()], [tag.as_str()]]);

    let more = set(&server, r#"{"id": "break-1", "scte35_out": "0xfc30"}"#).await;
    assert_eq!((more.status, more.header("location")), (200, None));
    assert_eq!(more.json()["planned_duration"], 30.0);
    assert_eq!(more.json()["scte35_out"], "0xfc30");
    let more = format!("ID=\"break-1\",START-DATE=\"{start}\",SCTE35-OUT=0xFC30");
    assert_eq!(shown(&server).await[0], [tag.as_str(), more.as_str()]);
    let other = set(&server, r#"{"id": "break-1", "class": "title"}"#).await;
    other.assert_problem(409);
    assert!(
        other.json()["error"].as_str().unwrap().contains("CLASS"),
        "{other:?}"
    );

    let one = format!("{ALL}/break-1");
    assert_eq!(get(server.admin, &one).await.json()["class"], "ad");
    assert_eq!(
        get(server.admin, ALL).await.json()[0],
        get(server.admin, &one).await.json()
    );
    let ended = ask(server.admin, "DELETE", &one, &[]).await;
    assert_eq!(ended.json()["end"], start);
    ask(server.admin, "DELETE", &one, &[])
        .await
        .assert_problem(409);
    let nothing = ask(server.admin, "DELETE", &format!("{ALL}/nothing"), &[]).await;
    nothing.assert_problem(404);

    let without_id = set(
        &server,
        r#"{"start": "2030-01-01T00:00:00+01:00", "duration": 5}"#,
    )
    .await;
    assert_eq!(without_id.json()["start"], "2029-12-31T23:00:00.000Z");
    let id = without_id.json()["id"].as_str().unwrap().to_owned();
    let removed = ask(server.admin, "DELETE", &format!("{ALL}/{id}"), &[]).await;
    assert_eq!((removed.status, removed.text()), (200, "null"));
    server.stop().await;
}

/// It is in the answer to a request that waits, but does not end the wait.
#[tokio::test]
async fn a_reader_who_waits_gets_it_with_the_next_part() {
    let server = Running::start();
    let (address, path) = (server.address, server.blocking());
    let waiting = tokio::spawn(async move { get(address, &path).await });
    server.asked(1).await;
    assert_eq!(set(&server, r#"{"id": "a"}"#).await.status, 201);
    assert!(!waiting.is_finished());
    server.release();
    let playlist = waiting.await.unwrap();
    assert!(playlist.text().contains("#EXT-X-DATERANGE:ID=\"a\""));
    server.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = Running::start();
    let long = format!(r#"{{"id": "{}"}}"#, "x".repeat(20_000));
    for (kind, body, status) in [
        (JSON, "", 400),
        (JSON, "{", 400),
        (JSON, "[]", 400),
        (JSON, r#"{"ID": "a"}"#, 400),
        (JSON, r#"{"id": "a b"}"#, 400),
        (JSON, r#"{"start": "now"}"#, 400),
        (JSON, long.as_str(), 400),
        ("text/plain", "{}", 415),
        ("application/x-www-form-urlencoded", "{}", 415),
        ("application/json; charset=utf-8", "{}", 201),
    ] {
        let reply = client::post(server.admin, ALL, kind, body).await;
        assert_eq!(reply.status, status, "{kind} {body:.40}: {reply:?}");
        if status != 201 {
            reply.assert_problem(status);
        }
    }
    for (stream, status) in [("nobody", 404), ("studio", 404)] {
        let path = format!("/api/v1/streams/{stream}/dateranges");
        client::post(server.admin, &path, JSON, "{}")
            .await
            .assert_problem(status);
        get(server.admin, &path).await.assert_problem(status);
    }
    server.stop().await;
}

#[tokio::test]
async fn only_operators_set_ranges_and_no_page_can() {
    let server = Running::start();
    for path in [ALL.to_owned(), format!("{ALL}/a")] {
        get(server.address, &path).await.assert_problem(404);
        client::post(server.address, &path, JSON, "{}")
            .await
            .assert_problem(405);
        ask(server.address, "DELETE", &path, &[])
            .await
            .assert_problem(405);
    }
    // A page under a name of its own that leads to this machine.
    let rebound = [("Host", "rebound.example")];
    ask(server.admin, "DELETE", &format!("{ALL}/a"), &rebound)
        .await
        .assert_problem(421);
    // A page of another site may not send JSON: the browser asks before, and gets no leave.
    let asked = [
        ("Origin", "https://a.example"),
        ("Access-Control-Request-Method", "POST"),
    ];
    let preflight = ask(server.admin, "OPTIONS", ALL, &asked).await;
    assert_eq!(preflight.status, 204);
    let allows = |name: &(String, String)| name.0.starts_with("access-control-");
    assert!(!preflight.headers.iter().any(allows), "{preflight:?}");

    let (all, one) = ("GET, HEAD, OPTIONS, POST", "GET, HEAD, OPTIONS, DELETE");
    for (method, path, allow) in [
        ("PUT", ALL.to_owned(), all),
        ("DELETE", ALL.to_owned(), all),
        ("POST", format!("{ALL}/a"), one),
        (
            "POST",
            "/api/v1/streams/demo".to_owned(),
            "GET, HEAD, OPTIONS",
        ),
    ] {
        let reply = ask(server.admin, method, &path, &[]).await;
        reply.assert_problem(405);
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
    server.stop().await;
}
