//! What certificate authorities find when they ask, over HTTP and over TLS.

use weir::daemon::http::Limits;
use weir::daemon::net::Proxies;

use super::client::{ask, get};
use super::stub::Running;
use super::tls_client::{connect, fingerprint, protocol};

const TOKEN: &str = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";
/// The name that the test's client asks for.
const NAME: &str = "localhost";

#[tokio::test]
async fn an_open_question_is_answered_without_tls_although_pages_are_not() {
    let (server, secured) = Running::secured(Proxies::default(), Limits::default());
    let challenges = secured.certificates.challenges();
    let path = format!("/.well-known/acme-challenge/{TOKEN}");
    get(server.address, &path).await.assert_problem(404);
    let answered = challenges.over_http(TOKEN, "token.thumbprint").unwrap();
    let reply = get(server.address, &path).await;
    assert_eq!((reply.status, reply.text()), (200, "token.thumbprint"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(get(server.address, "/").await.status, 308);
    for other in ["x", "", "x/../y", &format!("{TOKEN}/")] {
        let path = format!("/.well-known/acme-challenge/{other}");
        get(server.address, &path).await.assert_problem(404);
    }
    assert_eq!(ask(server.address, "POST", &path, &[]).await.status, 405);
    get(server.admin, &path).await.assert_problem(404);
    drop(answered);
    get(server.address, &path).await.assert_problem(404);
    server.stop().await;
}

#[tokio::test]
async fn an_open_question_is_answered_over_tls_to_those_who_ask_it_alone() {
    let (server, secured) = Running::secured(Proxies::default(), Limits::default());
    let challenges = secured.certificates.challenges();
    let asks = async || connect(secured.address, &["acme-tls/1"]).await;
    assert!(asks().await.is_err(), "nothing is asked");
    let other = challenges.over_tls("other.test", &[7; 32]).unwrap();
    assert!(asks().await.is_err(), "another name is asked for");
    let answered = challenges.over_tls(NAME, &[7; 32]).unwrap();
    let stream = asks().await.unwrap();
    assert_eq!(protocol(&stream).as_deref(), Some("acme-tls/1"));
    let in_force = secured.certificates.in_force();
    assert_ne!(fingerprint(&stream), in_force.about().fingerprint);
    // Whoever wants anything else gets the certificate in force.
    for offered in [&["h2"][..], &[], &["http/1.1", "acme-tls/1"]] {
        let stream = connect(secured.address, offered).await.unwrap();
        assert_eq!(fingerprint(&stream), in_force.about().fingerprint);
        assert_ne!(protocol(&stream).as_deref(), Some("acme-tls/1"));
    }
    drop(answered);
    assert!(asks().await.is_err(), "the question is closed");
    drop(other);
    server.stop().await;
}
