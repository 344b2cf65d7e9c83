//! Who may watch: every address of a stream, with every kind of access and every kind of pass.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use weir::base::cors::{Cors, WebOrigin};
use weir::base::secret::Secret;
use weir::daemon::access::{
    Access, Guard, Jwt, Options, Password, Policy, PublicKey, Signer, Ticket,
};

use super::client::{self, PATIENCE, Reply, ask, get};
use super::stub::{Running, SEGMENT};

const HOUR: Duration = Duration::from_secs(3600);
/// How soon others are asked again.
const PERIOD: Duration = Duration::from_millis(50);
const PASSWORD: &str = "open sesame";
const JWT_SECRET: &str = "a secret that has more than 32 bytes";

fn secret() -> Secret {
    Secret::new("signing secret".to_owned())
}

pub fn options() -> Options {
    Options {
        remember: HOUR,
        ..Options::default()
    }
}

fn policy(access: Access) -> Policy {
    let password = Password::parse(PASSWORD).unwrap();
    Policy {
        access,
        password: (access == Access::Password).then_some(password),
    }
}

/// Rules with which `demo` asks for `access`, and so do all others.
pub fn guard(access: Access, options: &Options) -> Guard {
    let guard = Guard::default();
    apply(&guard, access, options, "signing secret");
    guard
}

fn apply(guard: &Guard, access: Access, options: &Options, secret: &str) {
    let names = ["demo", "starting", "studio"].map(str::to_owned);
    let policies = names.into_iter().map(|name| (name, policy(access)));
    let secret = Secret::new(secret.to_owned());
    guard
        .apply(policies, options, Some(&secret), PERIOD)
        .unwrap();
}

pub fn ticket(stream: &str, expires: SystemTime, password: Option<&str>) -> String {
    let password = password.map(|text| Password::parse(text).unwrap());
    let ticket = Ticket {
        expires,
        address: None,
    };
    let signer = Signer::new(&secret()).unwrap();
    signer.sign(stream, &ticket, password.as_ref())
}

fn jwt(stream: &str, expires: SystemTime, key: &str) -> String {
    let exp = expires.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = serde_json::json!({ "stream": stream, "exp": exp });
    let header = serde_json::json!({ "alg": "HS256" });
    let [header, claims] = [header, claims].map(|json| URL_SAFE_NO_PAD.encode(json.to_string()));
    let message = format!("{header}.{claims}");
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    let signed = mac.chain_update(&message).finalize().into_bytes();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))
}

/// What somebody may show, and whether it opens `demo`.
type Passes = Vec<(&'static str, Option<String>, bool)>;

/// Tickets, right ones and others.
fn tickets() -> Passes {
    let (later, before) = (SystemTime::now() + HOUR, SystemTime::now() - HOUR);
    let mut forged = ticket("demo", later, None).into_bytes();
    forged[0..4].copy_from_slice(b"AQAB");
    vec![
        ("none", None, false),
        ("wrong", Some("nonsense".to_owned()), false),
        ("forged", Some(String::from_utf8(forged).unwrap()), false),
        ("expired", Some(ticket("demo", before, None)), false),
        ("of another", Some(ticket("studio", later, None)), false),
        ("right", Some(ticket("demo", later, None)), true),
    ]
}

/// Tickets that browsers get for passwords.
fn tickets_of_passwords() -> Passes {
    let (later, before) = (SystemTime::now() + HOUR, SystemTime::now() - HOUR);
    let mut passes = tickets();
    let of = |stream, expires, password| Some(ticket(stream, expires, Some(password)));
    passes.extend([
        (
            "of an old password",
            of("demo", later, "old password"),
            false,
        ),
        (
            "expired, of the password",
            of("demo", before, PASSWORD),
            false,
        ),
        (
            "of another, of the password",
            of("studio", later, PASSWORD),
            false,
        ),
        ("right, of the password", of("demo", later, PASSWORD), true),
    ]);
    passes
}

fn jwts() -> Passes {
    let (later, before) = (SystemTime::now() + HOUR, SystemTime::now() - HOUR);
    let other = "another secret that has more than 32 bytes";
    let mut passes = tickets();
    passes.extend([
        ("wrong JWT", Some(jwt("demo", later, other)), false),
        ("expired JWT", Some(jwt("demo", before, JWT_SECRET)), false),
        (
            "JWT of another",
            Some(jwt("studio", later, JWT_SECRET)),
            false,
        ),
        ("right JWT", Some(jwt("demo", later, JWT_SECRET)), true),
    ]);
    passes
}

fn words() -> Passes {
    let mut passes = tickets();
    let word = |word: &str| Some(word.to_owned());
    passes.extend([
        ("token that the webhook refuses", word("refused"), false),
        ("token that the webhook knows", word("word-of-demo"), true),
        ("token of another stream", word("word-of-studio"), false),
    ]);
    passes
}

/// Every address of `demo`.
fn addresses(running: &Running) -> Vec<String> {
    let fixed = [
        "/watch/demo",
        "/embed/demo",
        "/live/demo/master.m3u8",
        "/live/demo/ts.m3u8",
        "/live/demo/manifest.mpd",
        "/live/demo/thumb.jpg",
        "/live/demo/steering.json",
        "/live/demo/steering/7.json",
        "/live/demo/storyboard.vtt",
        "/api/v1/streams/demo",
    ];
    let files = [
        "index.m3u8",
        "index.m3u8?_HLS_skip=YES",
        "index.m3u8?_HLS_msn=30",
        "ts.m3u8",
        "iframes.m3u8",
        "iframes.m3u8?_HLS_msn=30",
        "init-0.mp4",
        SEGMENT,
        "30.0.m4s",
        "30.ts",
        // Of what is not there nobody is told either.
        "1.m4s",
        "nothing.m4s",
    ];
    let files = files.iter().map(|file| running.path(file));
    let pictures = ["thumb-0.jpg", "thumb-9.jpg"].map(|file| running.session_path(file));
    let fixed = fixed.into_iter().map(str::to_owned);
    fixed.chain(files).chain(pictures).collect()
}

/// Every way to show a pass at an address: the address then, and the headers.
fn ways(address: &str, pass: Option<&str>) -> Vec<(String, Vec<(&'static str, String)>)> {
    let Some(pass) = pass else {
        return vec![(address.to_owned(), Vec::new())];
    };
    let sign = if address.contains('?') { '&' } else { '?' };
    vec![
        (format!("/s/{pass}{address}"), Vec::new()),
        (format!("{address}{sign}token={pass}"), Vec::new()),
        (
            address.to_owned(),
            vec![("Authorization", format!("Bearer {pass}"))],
        ),
        (
            address.to_owned(),
            vec![("Cookie", format!("a=b; weir_demo={pass}"))],
        ),
    ]
}

/// Asks, and goes where the answer leads, as players do.
async fn follow(server: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let reply = ask(server, method, path, headers).await;
    match (reply.status, reply.header("location")) {
        (307, Some(to)) => {
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
            ask(server, method, to, headers).await
        }
        _ => reply,
    }
}

/// Asks for every address with every pass in every way.
async fn table(access: Access, options: &Options, passes: Passes) {
    let guard = guard(access, options);
    let (public, running) = (Running::start(), Running::guarded(guard, Cors::Any));
    let expected = addresses(&public).into_iter().zip(addresses(&running));
    for (public_address, address) in expected {
        let open = get(public.address, &public_address).await;
        for (name, pass, opens) in &passes {
            for (path, headers) in ways(&address, pass.as_deref()) {
                let headers: Vec<(&str, &str)> = headers
                    .iter()
                    .map(|(key, value)| (*key, value.as_str()))
                    .collect();
                let what = format!("{access:?}, {name}: {path} {headers:?}");
                let reply = follow(running.address, "GET", &path, &headers).await;
                let kept = reply.header("cache-control").unwrap_or_default().to_owned();
                if *opens {
                    assert_eq!(reply.status, open.status, "{what}");
                    let kind = |reply: &Reply| reply.header("content-type").map(str::to_owned);
                    assert_eq!(kind(&reply), kind(&open), "{what}");
                    // These name their sessions, of which each server has another.
                    let names_session = [".m3u8", ".mpd", ".vtt"];
                    if !names_session.iter().any(|name| address.contains(name)) {
                        assert_eq!(reply.body, open.body, "{what}");
                    }
                    assert!(
                        kept == "no-store" || kept.starts_with("private, "),
                        "{what}: {kept}"
                    );
                } else {
                    // The webhook may not be asked for ever.
                    assert!(
                        matches!(reply.status, 401 | 429),
                        "{what}: {}",
                        reply.status
                    );
                    assert_eq!(kept, "no-store", "{what}");
                    assert_ne!(reply.body, open.body, "{what}");
                    let head = follow(running.address, "HEAD", &path, &headers).await;
                    assert!(matches!(head.status, 401 | 429), "{what}: {}", head.status);
                }
            }
        }
    }
    public.stop().await;
    running.stop().await;
}

#[tokio::test]
async fn every_address_asks_for_a_password() {
    table(Access::Password, &options(), tickets_of_passwords()).await;
}

#[tokio::test]
async fn every_address_asks_for_a_signature() {
    table(Access::Token, &options(), tickets()).await;
}

#[tokio::test]
async fn every_address_asks_for_a_json_web_token() {
    let jwt = Jwt {
        key: Some(PublicKey::parse(JWT_SECRET).unwrap()),
        jwks: None,
        issuer: None,
        audience: None,
    };
    let options = Options {
        jwt: Some(jwt),
        ..options()
    };
    table(Access::Token, &options, jwts()).await;
}

#[tokio::test]
async fn every_address_asks_the_webhook() {
    let webhook = Webhook::start().await;
    let options = Options {
        webhook: Some(webhook.url.parse().unwrap()),
        ..options()
    };
    table(Access::Token, &options, words()).await;
}

#[tokio::test]
async fn a_public_medium_has_one_address() {
    let running = Running::start();
    let pass = ticket("demo", SystemTime::now() + HOUR, None);
    for address in addresses(&running) {
        let reply = get(running.address, &format!("/s/{pass}{address}")).await;
        assert_eq!(reply.status, 307, "{address}");
        assert_eq!(reply.header("location"), Some(address.as_str()));
    }
    for path in [
        "/",
        "/api/v1/streams",
        "/healthz",
        "/metrics",
        "/assets/x.js",
        "/nothing",
    ] {
        let reply = get(running.address, &format!("/s/{pass}{path}")).await;
        assert_eq!(reply.status, 404, "{path}");
    }
    // Who reaches the admin port is asked for nothing, and gets nothing more for it.
    let reply = get(running.admin, &format!("/s/{pass}/api/v1/streams/demo")).await;
    assert_eq!(reply.status, 307);
    running.stop().await;
}

#[tokio::test]
async fn a_list_names_only_what_the_reader_may_watch() {
    let running = Running::guarded(guard(Access::Password, &options()), Cors::Any);
    let names = |reply: Reply| -> Vec<String> {
        let json = reply.json();
        let streams = json.as_array().unwrap().iter();
        streams
            .map(|stream| stream["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let list = "/api/v1/streams";
    assert_eq!(names(get(running.address, list).await), [""; 0]);
    let pass = ticket("demo", SystemTime::now() + HOUR, Some(PASSWORD));
    let cookie = format!("weir_demo={pass}; weir_studio={pass}");
    let reply = ask(running.address, "GET", list, &[("Cookie", &cookie)]).await;
    assert_eq!(names(reply), ["demo"]);
    let all = get(running.admin, list).await;
    assert_eq!(names(all), ["demo", "starting", "studio"]);
    running.stop().await;
}

/// Sends a form.
async fn post(server: SocketAddr, path: &str, form: &str) -> Reply {
    client::post(server, path, "application/x-www-form-urlencoded", form).await
}

#[tokio::test]
async fn the_form_takes_the_password() {
    let running = Running::guarded(guard(Access::Password, &options()), Cors::Any);
    let address = running.address;
    let page = get(address, "/watch/demo").await;
    assert_eq!(page.status, 401);
    assert!(page.text().contains("<form"), "{}", page.text());
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("form-action 'self'")
    );

    let wrong = post(address, "/watch/demo", "password=sesame").await;
    assert_eq!(
        (wrong.status, wrong.header("location")),
        (303, Some("/watch/demo#wrong"))
    );
    assert_eq!(wrong.header("set-cookie"), None);
    let right = post(address, "/watch/demo", "x=y&password=open+sesame").await;
    assert_eq!(
        (right.status, right.header("location")),
        (303, Some("/watch/demo"))
    );
    let cookie = right.header("set-cookie").unwrap();
    assert!(
        cookie.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let reply = ask(
        address,
        "GET",
        "/live/demo/master.m3u8",
        &[("Cookie", cookie)],
    )
    .await;
    assert_eq!(reply.status, 200);

    // A frame on another site gets no cookie, but an address.
    let framed = post(address, "/embed/demo", "password=open%20sesame").await;
    let to = framed.header("location").unwrap();
    assert!(to.starts_with("/s/") && to.ends_with("/embed/demo"), "{to}");
    assert_eq!(get(address, to).await.status, 200);

    for (path, form) in [
        ("/live/demo/master.m3u8", "password=open+sesame"),
        ("/watch/nothing", "password=open+sesame"),
        ("/", "password=open+sesame"),
    ] {
        assert_eq!(post(address, path, form).await.status, 405, "{path}");
    }
    let long = format!("password={}", "x".repeat(10_000));
    assert_eq!(post(address, "/watch/demo", &long).await.status, 303);
    running.stop().await;
}

#[tokio::test]
async fn nobody_guesses_passwords() {
    let running = Running::guarded(guard(Access::Password, &options()), Cors::Any);
    let fragment = |reply: Reply| {
        let to = reply.header("location").unwrap_or_default();
        to.split_once('#').map(|(_, fragment)| fragment.to_owned())
    };
    let mut attempts = 0;
    loop {
        let reply = post(running.address, "/watch/demo", "password=sesame").await;
        match fragment(reply).as_deref() {
            Some("wrong") => attempts += 1,
            other => break assert_eq!(other, Some("wait")),
        }
        assert!(attempts < 100);
    }
    let right = post(running.address, "/watch/demo", "password=open+sesame").await;
    assert_eq!(fragment(right).as_deref(), Some("wait"));
    running.stop().await;
}

#[tokio::test]
async fn what_a_stream_is_told_by_its_page_depends_on_its_access() {
    let running = Running::guarded(guard(Access::Token, &options()), Cors::Any);
    let page = get(running.address, "/watch/demo").await;
    assert_eq!(page.status, 401);
    assert_eq!(
        page.header("www-authenticate"),
        Some("Bearer realm=\"weir\"")
    );
    assert!(!page.text().contains("<form"), "{}", page.text());
    running.stop().await;
}

#[tokio::test]
async fn sites_that_may_embed_are_told_to_browsers() {
    let site = WebOrigin::parse("https://example.org").unwrap();
    let running = Running::guarded(Guard::default(), Cors::Only(vec![site]));
    let policy = |reply: Reply| reply.header("content-security-policy").unwrap().to_owned();
    let embed = policy(get(running.address, "/embed/demo").await);
    assert!(
        embed.ends_with("frame-ancestors 'self' https://example.org"),
        "{embed}"
    );
    let watch = policy(get(running.address, "/watch/demo").await);
    assert!(watch.ends_with("frame-ancestors 'self'"), "{watch}");
    running.stop().await;
}

/// Asks until the answer has `status`.
async fn until(server: SocketAddr, path: &str, status: u16) {
    let asking = async {
        while get(server, path).await.status != status {
            tokio::time::sleep(PERIOD / 10).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap();
}

#[tokio::test]
async fn whoever_may_not_watch_any_more_is_out() {
    let webhook = Webhook::start().await;
    let with_webhook = Options {
        webhook: Some(webhook.url.parse().unwrap()),
        ..options()
    };
    let guard = guard(Access::Token, &with_webhook);
    let running = Running::guarded(guard.clone(), Cors::Any);
    let media = running.path(SEGMENT);
    let known = format!("/s/word-of-demo{media}");
    assert_eq!(get(running.address, &known).await.status, 200);
    // A webhook that fails lets known viewers go on, and no others in.
    webhook.answer.send_replace(Answer::Broken);
    let stranger = format!("/s/word-of-demo-too{media}");
    until(running.address, &stranger, 503).await;
    assert_eq!(get(running.address, &known).await.status, 200);
    webhook.answer.send_replace(Answer::No);
    until(running.address, &known, 401).await;

    // Another secret ends every ticket.
    let signed = ticket("demo", SystemTime::now() + HOUR, None);
    let signed = format!("/s/{signed}{media}");
    assert_eq!(get(running.address, &signed).await.status, 200);
    apply(&guard, Access::Token, &options(), "another secret");
    assert_eq!(get(running.address, &signed).await.status, 401);
    running.stop().await;
}

/// What the webhook says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Yes to `word-of-STREAM`.
    Words,
    No,
    Broken,
}

struct Webhook {
    url: String,
    answer: watch::Sender<Answer>,
}

impl Webhook {
    /// A server that knows the words of streams.
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/may-watch", listener.local_addr().unwrap());
        let (answer, receiver) = watch::channel(Answer::Words);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = *receiver.borrow();
                tokio::spawn(async move {
                    let mut question = Vec::new();
                    while !question.ends_with(b"}") {
                        if stream.read_buf(&mut question).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let status = judge(answer, &question);
                    let reply = format!(
                        "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    );
                    let _sent = stream.write_all(reply.as_bytes()).await;
                });
            }
        });
        Self { url, answer }
    }
}

fn judge(answer: Answer, question: &[u8]) -> u16 {
    let text = std::str::from_utf8(question).unwrap();
    assert!(text.starts_with("POST /may-watch HTTP/1.1\r\n"), "{text}");
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(json["address"], "127.0.0.1");
    let expected = format!("word-of-{}", json["stream"].as_str().unwrap());
    match answer {
        Answer::Words if json["token"] == expected.as_str() => 204,
        Answer::Words | Answer::No => 403,
        Answer::Broken => 500,
    }
}
