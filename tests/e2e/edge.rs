//! Viewers behind nginx with `deploy/nginx-edge.conf`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::chromium::Chromium;
use crate::support::clips::Clip;
use crate::support::daemon::Daemon;
use crate::support::http::{Answer, Client};
use crate::support::nginx::Edge;
use crate::support::publisher::Publisher;
use crate::support::viewer::Viewer;
use crate::support::{KEY, small_ladder, turn, wait_for, wait_until};
use crate::tls::OneConnection;

const READERS: usize = 200;
/// Parts that each reader follows.
const PARTS: usize = 15;
/// `worker_processes` of the configuration. Each worker asks for itself.
const WORKERS: u64 = 2;
const LIMIT: Duration = Duration::from_secs(60);

/// A stream behind an edge.
struct Show {
    edge: Edge,
    /// Folder of the media of one rung, such as `/live/s/SESSION/240p/`.
    folder: String,
    _publisher: Publisher,
    daemon: Daemon,
}

impl Show {
    fn start() -> Self {
        let ladder = small_ladder(&["s"]);
        // With the usual segments of 2 s, also a playlist that nobody waits for is kept for a second.
        let config = format!("trusted_proxies = [\"127.0.0.1\"]\n{ladder}");
        let daemon = Daemon::start(&config);
        let clip = Clip::new(426, 240, 30).gop(1);
        let publisher = Publisher::ffmpeg(clip, &daemon.publish_url("s", KEY));
        let viewer = Viewer::open(&daemon, "s");
        let uri = &viewer.master.variants[0].uri;
        Self {
            edge: Edge::start(&daemon),
            folder: format!("/live/s/{}", uri.trim_end_matches("index.m3u8")),
            _publisher: publisher,
            daemon,
        }
    }

    fn path(&self, file: &str) -> String {
        format!("{}{file}", self.folder)
    }

    /// The part that comes next, as the origin says.
    fn hinted(&self) -> (u64, u64) {
        hint(&self.daemon.get(&self.path("index.m3u8")).text())
    }

    /// Requests for playlists and media that weir has answered.
    fn requests(&self) -> u64 {
        let metrics = self.daemon.admin_get("/metrics").text();
        let counted = |line: &&str| {
            line.starts_with("weir_http_requests_total{route=\"playlist\"")
                || line.starts_with("weir_http_requests_total{route=\"media\"")
        };
        let lines = metrics.lines().filter(counted);
        let count = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
        lines.filter_map(count).sum()
    }
}

/// Segment and part of `EXT-X-PRELOAD-HINT`.
fn hint(playlist: &str) -> (u64, u64) {
    let line = playlist
        .lines()
        .rfind(|l| l.starts_with("#EXT-X-PRELOAD-HINT"));
    let file = line.and_then(|line| line.split('"').nth(1));
    let mut numbers = file
        .unwrap_or_else(|| panic!("no hint:\n{playlist}"))
        .split('.');
    let mut number = || numbers.next().and_then(|n| n.parse().ok());
    number().zip(number()).expect("SEGMENT.PART.m4s")
}

/// What one reader got: the body of each part by its file, and how often it asked.
type Got = (BTreeMap<String, Vec<u8>>, u64);

/// Follows playlist and parts as low-latency players do, on a connection that stays open.
fn follow(base: &str) -> Got {
    let client = Client::new();
    let get = |file: &str| {
        let answer = client.get(&format!("{base}{file}")).expect("an answer");
        assert_eq!(answer.status, 200, "{file}: {}", answer.text());
        answer
    };
    let (mut parts, mut asked) = (BTreeMap::new(), 1);
    let mut next = hint(&get("index.m3u8").text());
    while parts.len() < PARTS {
        let (msn, part) = next;
        let directives = format!("_HLS_msn={msn}&_HLS_part={part}&_HLS_skip=YES");
        let playlist = get(&format!("index.m3u8?{directives}")).text();
        let file = format!("{msn}.{part}.m4s");
        assert!(playlist.contains(&file) || playlist.contains(&format!("{msn}.m4s")));
        parts.insert(file.clone(), get(&file).body);
        asked += 2;
        next = hint(&playlist);
    }
    (parts, asked)
}

#[test]
fn a_crowd_behind_an_edge_costs_the_origin_as_much_as_one_viewer_per_worker() {
    let _turn = turn();
    let show = Show::start();
    let before = show.requests();
    let base = show.edge.url(&show.folder);
    let all: Vec<Got> = thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|_| scope.spawn(|| follow(&base)))
            .collect();
        readers
            .into_iter()
            .map(|reader| reader.join().expect("a reader"))
            .collect()
    });
    let cost = show.requests() - before;

    let asked: u64 = all.iter().map(|(_, asked)| asked).sum();
    let different: BTreeSet<&String> = all.iter().flat_map(|(parts, _)| parts.keys()).collect();
    // Each of these, and the playlist that ends with it; the playlist without directives; and the first
    // reader's again where it is asked for after its time in the cache.
    let one = 2 * different.len() as u64 + 10;
    println!("{READERS} readers asked {asked} times for {one} things; weir was asked {cost} times");
    assert!(asked >= (READERS * PARTS * 2) as u64);
    assert!(cost <= WORKERS * one, "{cost} requests for {one} things");
    assert!(cost < asked / 20, "{cost} of {asked} requests");

    let mut direct = HashMap::new();
    for (parts, _) in &all {
        for (file, body) in parts {
            let own = direct
                .entry(file.clone())
                .or_insert_with(|| show.daemon.get(&show.path(file)).body);
            assert!(own == body, "{file} has other bytes at the edge");
        }
    }
}

#[test]
fn a_part_that_is_not_there_yet_is_awaited_once_for_all() {
    let _turn = turn();
    let show = Show::start();
    let (msn, part) = show.hinted();
    let file = show.path(&format!("{msn}.{part}.m4s"));
    let url = show.edge.url(&file);
    let before = show.requests();
    let all: Vec<Answer> = thread::scope(|scope| {
        let ask = || Client::new().get(&url).expect("an answer");
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(ask)).collect();
        readers
            .into_iter()
            .map(|reader| reader.join().expect("a reader"))
            .collect()
    });
    let cost = show.requests() - before;
    assert!(
        (1..=WORKERS).contains(&cost),
        "{cost} requests for one part"
    );
    let direct = show.daemon.get(&file).body;
    for answer in all {
        assert_eq!(answer.status, 200);
        assert!(answer.body == direct, "other bytes at the edge");
    }
}

#[test]
fn what_is_missing_now_is_there_as_soon_as_at_the_origin() {
    let _turn = turn();
    let show = Show::start();
    let client = Client::new();
    let edge = |path: &str| client.get(&show.edge.url(path)).expect("an answer");
    for _ in 0..5 {
        let (msn, _) = show.hinted();
        // The first part of the next segment is not hinted yet, or only just now.
        let early = show.path(&format!("{}.0.m4s", msn + 1));
        let refused = edge(&early);
        wait_until("the part", LIMIT, || show.daemon.get(&early).status == 200);
        assert_eq!(edge(&early).status, 200, "after {}", refused.status);
    }
    let nothing = edge("/live/nobody/master.m3u8");
    assert_eq!(nothing.status, 404);
    assert_eq!(nothing.header("access-control-allow-origin"), Some("*"));
    let far = edge(&show.path("index.m3u8?_HLS_msn=999999"));
    assert_eq!(far.status, 400, "{}", far.text());
}

#[test]
fn directives_are_the_key_of_the_cache_and_nothing_else_is() {
    let _turn = turn();
    let show = Show::start();
    let client = Client::new();
    let edge = |file: &str| {
        let answer = client.get(&show.edge.url(&show.path(file)));
        answer.expect("an answer")
    };
    // A delta update leaves out what is older than six target durations.
    wait_until("segments to skip", LIMIT, || {
        let (msn, part) = show.hinted();
        let delta = edge(&format!(
            "index.m3u8?_HLS_msn={msn}&_HLS_part={part}&_HLS_skip=YES"
        ));
        delta.text().contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=")
    });
    // What ends with the part that was asked for is kept for six target durations.
    let (msn, part, delta) = wait_for("an answer that is kept", LIMIT, || {
        let (msn, part) = show.hinted();
        let delta = edge(&format!(
            "index.m3u8?_HLS_msn={msn}&_HLS_part={part}&_HLS_skip=YES"
        ));
        let kept = delta.header("cache-control") == Some("public, max-age=12");
        kept.then_some((msn, part, delta))
    });
    assert!(delta.text().contains("#EXT-X-SKIP"), "{}", delta.text());
    let before = show.requests();
    let again = edge(&format!(
        "index.m3u8?x=1&_HLS_skip=YES&_HLS_part={part}&_HLS_msn={msn}&token=abc"
    ));
    assert_eq!(again.header("x-cache"), Some("HIT"));
    assert_eq!(again.text(), delta.text());
    // The other worker may look into the cache, but none asks the origin.
    assert_eq!(show.requests(), before);
    let whole = edge(&format!("index.m3u8?_HLS_msn={msn}&_HLS_part={part}"));
    assert!(!whole.text().contains("#EXT-X-SKIP"));
    assert!(whole.text().contains(&format!("{msn}.{part}.m4s")));
}

/// Sends a request with `headers` from an address of the loopback interface; returns the head of the
/// answer in lower case, and the body.
fn ask(show: &Show, source: u8, path: &str, headers: &str) -> (String, Vec<u8>) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, source], 0).into())?;
        socket
            .connect(([127, 0, 0, 1], show.edge.http).into())
            .await?
            .into_std()
    });
    let mut stream: TcpStream = stream.expect("a connection");
    stream.set_nonblocking(false).expect("blocking");
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let body = answer.split_off(end.expect("a head") + 4);
    (String::from_utf8_lossy(&answer).to_lowercase(), body)
}

#[test]
fn an_edge_passes_on_what_viewers_send_and_keeps_what_is_for_one_alone() {
    let _turn = turn();
    let show = Show::start();
    let (msn, _) = show.hinted();
    let segment = show.path(&format!("{}.m4s", msn - 1));
    let whole = show.daemon.get(&segment).body;
    let (_, body) = ask(&show, 1, &segment, "");
    assert!(body == whole, "other bytes at the edge");
    for own in ["Cookie: a=b\r\n", "Authorization: Basic eDp5\r\n"] {
        let (head, body) = ask(&show, 1, &segment, own);
        assert!(head.contains("x-cache: bypass"), "{own}{head}");
        assert!(body == whole, "other bytes at the edge");
    }
    let (head, body) = ask(&show, 1, &segment, "Range: bytes=10-29\r\n");
    assert!(head.starts_with("http/1.1 206"), "{head}");
    let place = format!("content-range: bytes 10-29/{}", whole.len());
    assert!(head.contains(&place), "{head}");
    assert_eq!(body, whole[10..30]);

    // Those who take gzip and those who do not share one copy.
    let playlist = show.path("index.m3u8");
    let (packed, body) = ask(&show, 1, &playlist, "Accept-Encoding: br, gzip\r\n");
    assert!(packed.contains("\ncontent-encoding: gzip"), "{packed}");
    assert_eq!(body[..2], [0x1f, 0x8b]);
    let (plain, _) = ask(&show, 1, &playlist, "");
    assert!(!plain.contains("\ncontent-encoding:"), "{plain}");

    let viewers = || {
        show.daemon.status("s")["viewers"]
            .as_u64()
            .expect("a number")
    };
    for source in 2..=6 {
        // Each asks for something that is not in the cache yet.
        let path = show.path(&format!("index.m3u8?_HLS_msn=1&_HLS_part={}", source - 2));
        let (head, _) = ask(&show, source, &path, "X-Forwarded-For: 203.0.113.9\r\n");
        assert!(head.starts_with("http/1.1 200"), "{head}");
    }
    // Were they one, there would be three at most: this test, its requests through the edge, and they.
    assert!(viewers() >= 5, "viewers by their own addresses");

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let over_http2 = runtime.block_on(async {
        let viewer = OneConnection::open(([127, 0, 0, 1], show.edge.https).into()).await;
        viewer.get(&segment).await
    });
    assert!(over_http2 == whole, "other bytes at the edge");
}

/// What is not public reaches nobody from the cache, whoever has fetched it before.
#[test]
fn the_cache_has_nothing_for_those_who_may_not_watch() {
    let _turn = turn();
    let ladder = small_ladder(&["s"]);
    let access = "access = \"password\"\nviewer_password = \"open sesame\"\n";
    let config = format!("trusted_proxies = [\"127.0.0.1\"]\n{ladder}{access}");
    let daemon = Daemon::start(&config);
    let _publisher = Publisher::ffmpeg(Clip::new(426, 240, 30), &daemon.publish_url("s", KEY));
    daemon.wait_state("s", "live", LIMIT);
    let edge = Edge::start(&daemon);
    let client = Client::new();
    let get = |path: &str, cookie: &str| {
        let answer = client.get_with(&edge.url(path), "Cookie", cookie);
        answer.expect("an answer")
    };
    let cookie = logged_in(&edge);
    let master = wait_for("a playlist", LIMIT, || {
        let answer = get("/live/s/master.m3u8", &cookie);
        (answer.status == 200).then(|| answer.text())
    });
    let variant = master.lines().last().expect("a variant").to_owned();
    let folder = format!("/live/s/{}", variant.trim_end_matches("index.m3u8"));
    let playlist = get(&format!("{folder}index.m3u8"), &cookie).text();
    let media = playlist.lines().filter(|line| !line.starts_with('#'));
    let mut paths: Vec<String> = media.map(|file| format!("{folder}{file}")).collect();
    paths.extend(["/live/s/master.m3u8", "/live/s/thumb.jpg", "/watch/s"].map(str::to_owned));
    let init = playlist
        .lines()
        .rfind(|line| line.starts_with("#EXT-X-MAP"));
    let init = init
        .and_then(|line| line.split('"').nth(1))
        .expect("an init section");
    paths.extend(["index.m3u8", init].map(|file| format!("{folder}{file}")));
    paths.push("/api/v1/streams/s".to_owned());
    assert!(paths.len() > 6, "{playlist}");
    for path in &paths {
        for _ in 0..2 {
            assert_eq!(get(path, &cookie).status, 200, "{path}");
        }
        for stranger in ["x=y", "weir_s=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(get(path, stranger).status, 401, "{path} with {stranger}");
        }
        let bare = client.get(&edge.url(path)).expect("an answer");
        assert_eq!(bare.status, 401, "{path}");
        // A refusal is not kept for those who may.
        assert_eq!(get(path, &cookie).status, 200, "{path}");
    }
}

/// The cookie of a browser that has given the password through the edge.
fn logged_in(edge: &Edge) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", edge.http)).expect("nginx");
    let form = "password=open+sesame";
    let length = form.len();
    let request = format!(
        "POST /watch/s HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let mut headers = answer.lines();
    let cookie = headers.find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.unwrap_or_else(|| panic!("no cookie:\n{answer}"));
    cookie.split(';').next().expect("a value").to_owned()
}

/// A stream on two edges, which players are told of.
struct Steered {
    edges: BTreeMap<String, Edge>,
    ladder: String,
    _publisher: Publisher,
    daemon: Daemon,
}

impl Steered {
    fn start() -> Self {
        let ladder = format!(
            "trusted_proxies = [\"127.0.0.1\"]\n{}",
            small_ladder(&["s"])
        );
        let daemon = Daemon::start(&ladder);
        let clip = Clip::new(426, 240, 30).gop(1);
        let publisher = Publisher::ffmpeg(clip, &daemon.publish_url("s", KEY));
        Viewer::open(&daemon, "s");
        let edges = ["a", "b"].map(|name| (name.to_owned(), Edge::start(&daemon)));
        let show = Self {
            edges: edges.into(),
            ladder,
            _publisher: publisher,
            daemon,
        };
        show.configure(&["a", "b"]);
        show
    }

    /// Has weir send viewers to these edges from now on.
    fn configure(&self, names: &[&str]) {
        let tables = names.iter().map(|name| {
            let address = self.edges[*name].url("");
            format!("\n[[edge]]\nname = \"{name}\"\naddress = \"{address}\"\n")
        });
        let config = format!("{}{}", self.ladder, tables.collect::<String>());
        self.daemon.write_config(&config);
        self.daemon.signal(rustix::process::Signal::HUP);
        wait_until("the edges", LIMIT, || {
            let answer = self.daemon.get("/live/s/steering/0.json");
            let priority = serde_json::from_str::<serde_json::Value>(&answer.text())
                .ok()
                .and_then(|manifest| Some(manifest["PATHWAY-PRIORITY"].as_array()?.len()));
            priority == Some(names.len())
        });
    }

    /// A browser that plays, and the edge that it has been sent to.
    fn watched(&self) -> (Chromium, String) {
        let mut browser = Chromium::open();
        browser.play_bare(&self.daemon.url("/live/s/master.m3u8"));
        let name = wait_sent(&mut browser);
        (browser, name)
    }
}

/// The edge that a player has been sent to, once it plays from there.
fn wait_sent(browser: &mut Chromium) -> String {
    browser.wait_played(2.0, LIMIT);
    // The first pathway is that of the playlist; then the steering manifest says which one it is.
    let priority = "window.weir.hls.pathwayPriority";
    let told = format!("({priority})?.length === 2 && ({priority})[0] === ({PATHWAY})");
    browser.wait_until(&told, LIMIT);
    let name = browser.eval(PATHWAY);
    name.as_str().expect("a pathway").to_owned()
}

/// The edge that a player loads from.
const PATHWAY: &str = "window.weir.hls.levels[0]?.attrs['PATHWAY-ID']";

fn other(name: &str) -> &'static str {
    if name == "a" { "b" } else { "a" }
}

#[test]
fn players_go_on_with_another_edge_when_theirs_has_stopped() {
    let _turn = turn();
    let mut show = Steered::start();
    let (mut browser, name) = show.watched();
    drop(show.edges.remove(&name));
    let next = other(&name);
    browser.wait_until(&format!("{PATHWAY} === '{next}'"), LIMIT);
    browser.wait_played(5.0, LIMIT);
    browser.assert_scripts_healthy();
}

#[test]
fn an_edge_that_is_taken_out_has_no_viewers_after_half_a_minute() {
    let _turn = turn();
    let show = Steered::start();
    let (mut browser, name) = show.watched();
    let next = other(&name);
    show.configure(&[next]);
    browser.wait_until(&format!("{PATHWAY} === '{next}'"), LIMIT);
    // Nothing is asked for at the edge that is out, although it works.
    browser.eval("performance.clearResourceTimings()");
    browser.wait_played(5.0, LIMIT);
    let asked = |name: &str| {
        let address = show.edges[name].url("/");
        format!(
            "performance.getEntriesByType('resource').filter((it) => it.name.startsWith('{address}')).length"
        )
    };
    assert_eq!(browser.eval(&asked(&name)), 0);
    assert_ne!(browser.eval(&asked(next)), 0);
    browser.assert_scripts_healthy();
}

/// weir's own page, whose policy must let it load from other sites.
#[test]
fn the_page_plays_from_an_edge() {
    let _turn = turn();
    let show = Steered::start();
    let mut browser = Chromium::open();
    browser.goto(&show.daemon.url("/watch/s"));
    browser.wait_played(4.0, LIMIT);
    let media = "performance.getEntriesByType('resource').filter((it) => /m4s/.test(it.name))";
    let elsewhere = format!("{media}.every((it) => !it.name.startsWith(location.origin))");
    assert_eq!(browser.eval(&elsewhere), true);
    assert_ne!(browser.eval(&format!("{media}.length")), 0);
    browser.assert_healthy();
}

/// hls.js has appended while the browser was busy. That is no fault of the edge.
#[test]
fn the_page_stays_with_an_edge_when_an_append_is_refused() {
    let _turn = turn();
    let show = Steered::start();
    let mut browser = Chromium::open();
    browser.goto(&show.daemon.url("/watch/s"));
    let name = wait_sent(&mut browser);
    browser.eval(REFUSE_ONCE);
    browser.wait_until("window.refused.size === 2", LIMIT);
    browser.wait_played(4.0, LIMIT);
    assert_eq!(browser.eval(PATHWAY), name);
    assert_eq!(
        browser.eval("window.seen.errors.filter((it) => it === 'bufferAppendError').length"),
        2
    );
    browser.assert_healthy();
}

/// Each `SourceBuffer` refuses the next append, as a busy one does.
const REFUSE_ONCE: &str = "(() => {
    const append = SourceBuffer.prototype.appendBuffer;
    window.refused = new Set();
    SourceBuffer.prototype.appendBuffer = function (bytes) {
        if (window.refused.has(this)) return append.call(this, bytes);
        window.refused.add(this);
        throw new DOMException('still processing', 'InvalidStateError');
    };
})()";
