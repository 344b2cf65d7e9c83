//! Viewers are sent to edges: multivariant playlists and steering manifests.

use std::time::{Duration, SystemTime};

use weir::base::cors::Cors;
use weir::daemon::access::Access;
use weir::daemon::http::{Limits, Steering};
use weir::model::steering::{Edge, SEATS};

use super::access::{guard, options, ticket};
use super::client::{ask, get};
use super::stub::Running;

const MASTER: &str = "/live/demo/master.m3u8";
const MANIFEST: &str = "/live/demo/steering.json";

fn edge(name: &str, weight: u32) -> Edge {
    Edge {
        name: name.to_owned(),
        address: format!("https://{name}.example.org"),
        weight,
    }
}

#[tokio::test]
async fn players_are_sent_to_edges() {
    let steering = Steering::default();
    let server = Running::steered(steering.clone());
    let plain = get(server.address, MASTER).await;
    get(server.address, MANIFEST).await.assert_problem(410);

    steering.set(&[edge("a", 1), edge("b", 1)]);
    let master = get(server.address, MASTER).await;
    assert_ne!(master.header("etag"), plain.header("etag"));
    let text = master.text();
    assert!(
        text.contains("#EXT-X-CONTENT-STEERING:SERVER-URI=\"steering.json\",PATHWAY-ID=\"a\"\n")
    );
    let uris: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(uris.len(), 2, "one rung on two edges: {text}");
    for (uri, name) in uris.iter().zip(["a", "b"]) {
        let path = uri
            .strip_prefix(&format!("https://{name}.example.org"))
            .unwrap();
        assert_eq!(path, server.path("index.m3u8"));
    }
    let ts = get(server.address, "/live/demo/ts.m3u8").await;
    assert!(
        ts.text().contains("\nhttps://b.example.org/live/demo/"),
        "{}",
        ts.text()
    );

    let first = get(
        server.address,
        &format!("{MANIFEST}?_HLS_pathway=%22a%22&_HLS_throughput=5"),
    )
    .await;
    assert_eq!(first.header("cache-control"), Some("no-store"));
    assert_eq!(first.header("access-control-allow-origin"), Some("*"));
    let manifest = first.json();
    assert_eq!(manifest["VERSION"], 1);
    assert!(
        manifest["TTL"]
            .as_u64()
            .is_some_and(|ttl| (1..=25).contains(&ttl))
    );
    let mut names: Vec<String> =
        serde_json::from_value(manifest["PATHWAY-PRIORITY"].clone()).unwrap();
    let reload = manifest["RELOAD-URI"].as_str().unwrap();
    let seat = get(server.address, &format!("/live/demo/{reload}")).await;
    assert_eq!(
        seat.header("cache-control"),
        Some("public, max-age=0, s-maxage=5")
    );
    assert_eq!(
        seat.json()["PATHWAY-PRIORITY"],
        manifest["PATHWAY-PRIORITY"]
    );
    assert_eq!(seat.json().get("RELOAD-URI"), None, "it stays where it is");
    names.sort_unstable();
    assert_eq!(names, ["a", "b"]);

    // An edge is taken out, and then the other one.
    steering.set(&[edge("b", 1)]);
    let seat = get(server.address, &format!("/live/demo/{reload}")).await;
    assert_eq!(seat.json()["PATHWAY-PRIORITY"], serde_json::json!(["b"]));
    assert!(
        !get(server.address, MASTER)
            .await
            .text()
            .contains("a.example.org")
    );
    steering.set(&[]);
    assert_eq!(get(server.address, MASTER).await.body, plain.body);
    get(server.address, &format!("/live/demo/{reload}"))
        .await
        .assert_problem(410);
    server.stop().await;
}

#[tokio::test]
async fn viewers_are_spread_and_stay_where_they_are() {
    let steering = Steering::default();
    steering.set(&[edge("a", 1), edge("b", 1)]);
    let server = Running::steered(steering);
    let mut firsts = [0, 0];
    for n in 0..40 {
        let id = format!("viewer-{n:08}");
        let mut answers = Vec::new();
        for _ in 0..2 {
            let reply = ask(
                server.address,
                "GET",
                MANIFEST,
                &[("Weir-Viewer", id.as_str())],
            )
            .await;
            answers.push(reply.json());
        }
        assert_eq!(answers[0], answers[1], "{id}");
        firsts[usize::from(answers[0]["PATHWAY-PRIORITY"][0] == "b")] += 1;
    }
    assert!(firsts.iter().all(|count| *count >= 8), "{firsts:?}");
    for seat in [0, SEATS - 1] {
        assert_eq!(
            get(server.address, &format!("/live/demo/steering/{seat}.json"))
                .await
                .status,
            200
        );
    }
    get(server.address, &format!("/live/demo/steering/{SEATS}.json"))
        .await
        .assert_problem(404);
    server.stop().await;
}

/// Weir's own pages may load from edges, and from nobody else.
#[tokio::test]
async fn pages_are_told_of_edges() {
    let steering = Steering::default();
    let server = Running::steered(steering.clone());
    let policy = async || {
        let page = get(server.address, "/watch/demo").await;
        page.header("content-security-policy").unwrap().to_owned()
    };
    let before = policy().await;
    steering.set(&[edge("a", 1)]);
    assert!(
        policy()
            .await
            .contains("connect-src 'self' https://a.example.org;")
    );
    steering.set(&[]);
    assert_eq!(policy().await, before);
    server.stop().await;
}

/// A pass in the address goes along to the edges. One in a header stays here, and so does its viewer.
#[tokio::test]
async fn a_pass_goes_along_in_addresses_alone() {
    let steering = Steering::default();
    steering.set(&[edge("a", 1), edge("b", 1)]);
    let guard = guard(Access::Token, &options());
    let server = Running::with_steering(guard, Limits::default(), Cors::Any, steering);
    let pass = ticket("demo", SystemTime::now() + Duration::from_secs(3600), None);
    get(server.address, MANIFEST).await.assert_problem(401);
    get(server.address, "/live/demo/steering/7.json")
        .await
        .assert_problem(401);
    let master = get(server.address, &format!("/s/{pass}{MASTER}")).await;
    let text = master.text();
    for name in ["a", "b"] {
        let address = format!(
            "https://{name}.example.org/s/{pass}{}",
            server.path("index.m3u8")
        );
        assert!(text.contains(&address), "{text}");
        assert!(
            !text.contains(&format!("{name}.example.org/live/")),
            "{text}"
        );
    }
    assert!(text.contains("SERVER-URI=\"steering.json\""), "{text}");
    let manifest = get(server.address, &format!("/s/{pass}{MANIFEST}")).await;
    assert_eq!(manifest.header("cache-control"), Some("no-store"));
    let reload = manifest.json()["RELOAD-URI"].as_str().unwrap().to_owned();
    let seat = get(server.address, &format!("/s/{pass}/live/demo/{reload}")).await;
    assert_eq!(seat.header("cache-control"), Some("private, max-age=0"));

    for header in [
        ("Authorization", format!("Bearer {pass}")),
        ("Cookie", format!("weir_demo={pass}")),
    ] {
        let headers = [(header.0, header.1.as_str())];
        let reply = ask(server.address, "GET", MASTER, &headers).await;
        assert_eq!(reply.status, 200);
        let text = reply.text();
        assert!(
            !text.contains("example.org") && !text.contains(&pass),
            "{text}"
        );
        assert!(!text.contains("#EXT-X-CONTENT-STEERING"), "{text}");
    }
    server.stop().await;
}
