//! Certificates that an authority makes: Pebble, which really asks at the ports.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::runtime::Runtime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::support::daemon::{Daemon, command, free_port};
use crate::support::pebble::Pebble;
use crate::support::{turn, wait_for, wait_until};
use crate::tls::OneConnection;
use crate::tls_client::{Secure, connect, fingerprint};

/// An order takes some seconds.
const LIMIT: Duration = Duration::from_secs(60);
/// After the first order that failed, weir waits for a minute.
const SECOND_ORDER: Duration = Duration::from_secs(60 + 60);
const LONG: Duration = Duration::from_secs(90 * 24 * 3600);
const NAMES: [&str; 2] = ["live.weir.test", "www.weir.test"];
const ORDERED: &str = "a certificate is ordered";
const MADE: &str = "certificate made by the authority";

/// The ports of a daemon, chosen before it starts.
struct Ports {
    http: u16,
    https: u16,
}

impl Ports {
    fn choose() -> Self {
        Self {
            http: free_port(),
            https: free_port(),
        }
    }

    /// A daemon whose certificate comes from the authority at `directory`. `http` is its address without
    /// TLS.
    fn start(&self, http: &str, directory: &str, ca: &Path) -> Served {
        let config = format!(
            "https = \"127.0.0.1:{https}\"\nhttp_redirect = true\nacme = {{ domains = {NAMES:?}, email = \
             \"ops@weir.test\", directory = {directory:?}, ca = {ca:?} }}\n",
            https = self.https
        );
        let environment = vec![("WEIR__SERVER__HTTP", OsString::from(http))];
        let folder = tempfile::tempdir().expect("a folder");
        Served {
            daemon: Daemon::start_in(folder, environment, &config),
            https: ([127, 0, 0, 1], self.https).into(),
            runtime: Runtime::new().expect("a runtime"),
        }
    }

    fn plain(&self) -> String {
        format!("127.0.0.1:{}", self.http)
    }
}

struct Served {
    daemon: Daemon,
    https: SocketAddr,
    runtime: Runtime,
}

impl Served {
    fn shown(&self) -> Secure {
        let connected = self.runtime.block_on(connect(self.https, &[]));
        connected.expect("TLS")
    }

    fn fingerprint(&self) -> String {
        fingerprint(&self.shown())
    }

    /// Waits until the port shows a certificate for [`NAMES`], and returns its fingerprint.
    fn wait_certified(&self, limit: Duration) -> String {
        wait_for("a certificate of the authority", limit, || {
            let shown = self.shown();
            (names(&shown) == NAMES).then(|| fingerprint(&shown))
        })
    }

    fn count(&self, line: &str) -> usize {
        self.daemon.log().matches(line).count()
    }
}

/// The names in the certificate that a server showed.
fn names(stream: &Secure) -> Vec<String> {
    let certificates = stream.get_ref().1.peer_certificates().expect("some");
    let (_, parsed) = X509Certificate::from_der(&certificates[0]).expect("a certificate");
    let names = parsed.subject_alternative_name().expect("readable");
    let names = names.expect("names").value.general_names.iter();
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_certificate_comes_by_way_of_http_and_is_still_there_after_a_restart() {
    let _turn = turn();
    let ports = Ports::choose();
    // Nobody listens where it would ask over TLS.
    let pebble = Pebble::start(ports.http, free_port(), LONG);
    let mut served = ports.start(&ports.plain(), &pebble.directory(), &pebble.ca());
    let certified = served.wait_certified(LIMIT);
    let log = served.daemon.log();
    assert!(log.contains("challenge=\"http-01\""), "{log}");
    assert!(log.contains("made by weir itself"), "{log}");

    let folder = served.daemon.dir().join("data/acme");
    let inner = std::fs::read_dir(&folder).expect("a folder").next();
    let inner = inner.expect("one directory").expect("its name").path();
    for (path, mode) in [
        (folder, 0o700),
        (inner.join("account.json"), 0o600),
        (inner.join("certificate.pem"), 0o600),
    ] {
        let metadata = std::fs::metadata(&path).expect("kept");
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path:?}");
    }
    let doctor = command()
        .args(["doctor", "--config"])
        .arg(served.daemon.dir().join("config.toml"))
        .output()
        .expect("doctor runs");
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    for said in [pebble.directory().as_str(), "live.weir.test", "renewed  by"] {
        assert!(doctor.contains(said), "{said}: {doctor}");
    }
    let metrics = served.daemon.admin_get("/metrics").text();
    assert!(
        metrics.contains("weir_certificate_expiry_timestamp_seconds 1"),
        "{metrics}"
    );

    served.daemon.signal(Signal::TERM);
    served.daemon.wait_exit(LIMIT);
    served.daemon.start_again();
    assert_eq!(served.fingerprint(), certified);
    assert_eq!(served.count(ORDERED), 1, "{}", served.daemon.log());
}

#[test]
fn a_certificate_comes_by_way_of_tls_where_there_is_no_port_for_http() {
    let _turn = turn();
    let ports = Ports::choose();
    let pebble = Pebble::start(ports.http, ports.https, LONG);
    let served = ports.start("", &pebble.directory(), &pebble.ca());
    served.wait_certified(LIMIT);
    let log = served.daemon.log();
    assert!(log.contains("challenge=\"tls-alpn-01\""), "{log}");
    assert!(!log.contains("challenge=\"http-01\""), "{log}");
    // The way is closed again.
    let asked = served
        .runtime
        .block_on(connect(served.https, &["acme-tls/1"]));
    assert!(asked.is_err(), "no question is open");
}

#[test]
fn when_one_way_fails_the_other_is_taken() {
    let _turn = turn();
    let ports = Ports::choose();
    // It asks over HTTP where nobody listens.
    let pebble = Pebble::start(free_port(), ports.https, LONG);
    let served = ports.start(&ports.plain(), &pebble.directory(), &pebble.ca());
    wait_until("a failure", LIMIT, || {
        served.count("no certificate was made") == 1
    });
    let log = served.daemon.log();
    for said in ["by http-01", "port 80 of every domain", "again_in_s=60"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    served.wait_certified(SECOND_ORDER);
    assert_eq!(served.count(ORDERED), 2, "{}", served.daemon.log());
}

#[test]
fn a_certificate_is_renewed_while_a_connection_goes_on() {
    let _turn = turn();
    let ports = Ports::choose();
    let pebble = Pebble::start(ports.http, ports.https, Duration::from_secs(30));
    let served = ports.start(&ports.plain(), &pebble.directory(), &pebble.ca());
    let first = served.wait_certified(LIMIT);
    let viewer = served.runtime.block_on(OneConnection::open(served.https));
    assert_eq!(served.runtime.block_on(viewer.get("/healthz")), b"ok\n");
    wait_until("the next certificate", LIMIT, || {
        served.fingerprint() != first
    });
    assert_eq!(served.runtime.block_on(viewer.get("/healthz")), b"ok\n");
    assert!(served.count(MADE) >= 2, "{}", served.daemon.log());
    assert_eq!(served.count("no certificate was made"), 0);
}

#[test]
fn without_an_authority_the_certificate_that_weir_made_stays() {
    let _turn = turn();
    let ports = Ports::choose();
    let pebble = Pebble::start(ports.http, ports.https, LONG);
    let nobody = format!("https://127.0.0.1:{}/dir", free_port());
    let served = ports.start(&ports.plain(), &nobody, &pebble.ca());
    let first = served.fingerprint();
    wait_until("a failure", LIMIT, || {
        served.count("no certificate was made") == 1
    });
    let log = served.daemon.log();
    for said in ["127.0.0.1 cannot be asked", "Connection refused", "next="] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert_eq!(served.fingerprint(), first);
}
