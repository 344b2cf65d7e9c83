//! Pebble, a certificate authority for tests, on the loopback interface. It really asks whether a name is
//! of the server that wants a certificate for it, at the ports that a test says.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use super::daemon::free_port;
use super::process::Owned;
use super::wait_until;

/// Longest time until it listens.
const READY: Duration = Duration::from_secs(20);
/// Who does not ask for so long is left alone.
const QUESTION_MAX: Duration = Duration::from_secs(1);

/// A running authority; killed when dropped.
pub struct Pebble {
    _process: Owned,
    _names: Names,
    port: u16,
    folder: TempDir,
}

impl Pebble {
    /// An authority that asks at the ports `http` and `tls` of this machine, whatever the name, and
    /// whose certificates hold for `validity`.
    pub fn start(http: u16, tls: u16, validity: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (names, port) = (Names::start(), free_port());
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a pair");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a file");
            path
        };
        let certificate = write("ca.pem", &own.cert.pem());
        let key = write("ca.key", &own.signing_key.serialize_pem());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": "",
            "certificate": certificate,
            "privateKey": key,
            "httpPort": http,
            "tlsPort": tls,
            "keyAlgorithm": "ecdsa",
            "retryAfter": { "authz": 1, "order": 1 },
            "profiles": {
                "default": { "description": "the only one", "validityPeriod": validity.as_secs() }
            },
        }});
        let config = write("pebble.json", &config.to_string());
        let log = fs::File::create(folder.path().join("pebble.log")).expect("a log");
        let program = std::env::var_os("WEIR_PEBBLE").unwrap_or_else(|| OsString::from("pebble"));
        let process = Owned::spawn(
            Command::new(program)
                .arg("-config")
                .arg(config)
                .arg("-dnsserver")
                .arg(&names.address)
                // It asks at once, and each time anew.
                .env("PEBBLE_VA_NOSLEEP", "1")
                .env("PEBBLE_AUTHZREUSE", "0")
                .stdout(Stdio::from(log.try_clone().expect("a log")))
                .stderr(Stdio::from(log)),
        );
        wait_until("the authority", READY, || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self {
            _process: process,
            _names: names,
            port,
            folder,
        }
    }

    /// The address of its directory.
    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// The file with the root of its own TLS.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("pebble.log")).unwrap_or_default()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of pebble\n{}\n---", self.log());
        }
    }
}

/// A name server to which every name is this machine. It is asked over TCP, as Pebble asks.
struct Names {
    address: String,
    stop: Arc<AtomicBool>,
    answering: Option<JoinHandle<()>>,
}

impl Names {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let answering = std::thread::spawn(move || {
            for asking in listener.incoming() {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                // Who leaves early, or asks what cannot be read, gets no answer.
                let _ = asking.and_then(|stream| converse(&stream));
            }
        });
        Self {
            address,
            stop,
            answering: Some(answering),
        }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A connection wakes the thread.
        let _woken = TcpStream::connect(&self.address);
        if let Some(answering) = self.answering.take() {
            let _ended = answering.join();
        }
    }
}

/// Answers the questions of one connection, each with its length before it (RFC 1035 section 4.2.2).
fn converse(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(QUESTION_MAX))?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question)?;
        let answer = answer(&question).ok_or(io::ErrorKind::InvalidData)?;
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat())?;
    }
}

/// The answer to a question (RFC 1035 section 4): 127.0.0.1 for type A, nothing for any other.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    const HEADER_BYTES: usize = 12;
    const TYPE_A: [u8; 2] = [0, 1];
    let name_end = HEADER_BYTES + question.get(HEADER_BYTES..)?.iter().position(|&b| b == 0)? + 1;
    let question_end = name_end + 4;
    let asked = question.get(name_end..name_end + 2)?;
    let has_answer = asked == TYPE_A;
    // A response without error; one question, one answer or none.
    let flags = [0x81, 0x80, 0, 1, 0, u8::from(has_answer), 0, 0, 0, 0];
    let mut answer = question.get(..2)?.to_vec();
    answer.extend(flags);
    answer.extend(question.get(HEADER_BYTES..question_end)?);
    if has_answer {
        // The name of the question, type A, class IN, one second, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}
