//! An HTTP camera that sends Motion JPEG as `multipart/x-mixed-replace`, with the authentication
//! schemes and the loose framing of real cameras.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};

use super::clips::barcode;

/// User name that a protected camera expects.
pub const USER: &str = "viewer";
/// Password that a protected camera expects.
pub const PASSWORD: &str = "a camera's pass:word";

const REALM: &str = "camera";
const NONCE: &str = "dcd98b7102dd2f0e8b11d0f600bfb0c0";

/// Authentication that the camera requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// None.
    Open,
    /// Basic authentication (RFC 7617).
    Basic,
    /// Digest authentication (RFC 7616) with MD5 and `qop="auth"`, as most cameras use it.
    Digest,
}

/// How the camera writes `multipart/x-mixed-replace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As RFC 2046 section 5.1 says.
    Standard,
    /// Parts have the type `image/jpg`.
    Jpg,
    /// The boundary in the head has the dashes that stand before it in the body.
    DashesInHead,
    /// The boundary in the body has no dashes.
    DashesMissing,
    /// The boundary in the head is quoted.
    Quoted,
    /// Text stands before the first boundary.
    Preamble,
    /// Bytes stand between the parts.
    Between,
    /// No line end stands behind a picture.
    NoLineEnd,
    /// `Content-Length` is the length of another picture.
    WrongLength,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Standard,
        Self::Jpg,
        Self::DashesInHead,
        Self::DashesMissing,
        Self::Quoted,
        Self::Preamble,
        Self::Between,
        Self::NoLineEnd,
        Self::WrongLength,
    ];

    fn boundary_in_head(self) -> &'static str {
        match self {
            Self::DashesInHead => "--frame",
            Self::Quoted => "\"frame\"",
            _ => "frame",
        }
    }

    fn before_all(self) -> &'static str {
        match self {
            Self::Preamble => "This camera sends pictures.\r\nPlease be patient.\r\n\r\n",
            _ => "",
        }
    }

    /// The head of a part with a picture of `bytes` bytes.
    fn head(self, bytes: usize, content_length: bool) -> String {
        let dashes = if self == Self::DashesMissing {
            ""
        } else {
            "--"
        };
        let kind = if self == Self::Jpg { "jpg" } else { "jpeg" };
        let bytes = match self {
            Self::WrongLength if bytes.is_multiple_of(2) => bytes / 2,
            Self::WrongLength => bytes * 2,
            _ => bytes,
        };
        let length = match content_length {
            true => format!("Content-Length: {bytes}\r\n"),
            false => String::new(),
        };
        format!("{dashes}frame\r\nContent-Type: image/{kind}\r\n{length}\r\n")
    }

    fn after_picture(self) -> &'static str {
        match self {
            Self::NoLineEnd => "",
            Self::Between => "\r\n\r\n\0\0\0\0padding\r\n",
            _ => "\r\n",
        }
    }
}

/// Properties of a camera.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Required authentication.
    pub auth: Auth,
    /// Every picture has a `Content-Length` header.
    pub content_length: bool,
    /// Pictures per second.
    pub fps: u32,
    /// How the pictures are wrapped.
    pub dialect: Dialect,
    /// Longest time that a picture is late.
    pub jitter: Duration,
}

impl Default for Options {
    /// Ten pictures per second, as RFC 2046 says, without jitter, for everybody.
    fn default() -> Self {
        Self {
            auth: Auth::Open,
            content_length: true,
            fps: 10,
            dialect: Dialect::Standard,
            jitter: Duration::ZERO,
        }
    }
}

/// A running camera; stops when dropped.
pub struct Camera {
    port: u16,
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    accepting: Option<JoinHandle<()>>,
}

impl Camera {
    /// Starts a camera on a free port.
    pub fn start(options: Options) -> Self {
        Self::start_at(0, options)
    }

    /// Starts a camera on the port of one that has stopped.
    pub fn start_at(port: u16, options: Options) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (stop, served) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let pictures: Arc<[Vec<u8>]> = pictures(options.fps).into();
        let (stopping, counting) = (Arc::clone(&stop), Arc::clone(&served));
        let accepting = thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                let (pictures, stop) = (Arc::clone(&pictures), Arc::clone(&stopping));
                let served = Arc::clone(&counting);
                // The thread ends with its client, or at the next picture after the camera stops.
                thread::spawn(move || {
                    let _ended = serve(connection, options, &pictures, &stop, &served);
                });
            }
        });
        Self {
            port,
            stop,
            served,
            accepting: Some(accepting),
        }
    }

    /// Port of the camera.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Address of the stream, without credentials.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/video.mjpg", self.port)
    }

    /// Number of clients admitted so far.
    pub fn clients(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A connection wakes the listener, which then sees `stop`.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// Seconds of pictures that a camera repeats.
pub const SECONDS: u32 = 8;

/// [`SECONDS`] of JPEG pictures, with their numbers as in [`barcode`].
fn pictures(fps: u32) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let strip = barcode::source_filter(&fps.to_string(), 640, 360);
    let picture = format!(
        "testsrc2=size=640x360:rate={fps}:duration={SECONDS}[picture];\
         {strip}[strip];[picture][strip]overlay=0:0:shortest=1[out0]"
    );
    let done = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error"])
        .args(["-f", "lavfi", "-i", &picture])
        .args(["-q:v", "6", "-pix_fmt", "yuvj420p"])
        .arg(dir.path().join("%04d.jpg"))
        .status();
    assert!(done.expect("ffmpeg is installed").success());
    let read = |n: u32| std::fs::read(dir.path().join(format!("{n:04}.jpg"))).expect("a picture");
    (1..=fps * SECONDS).map(read).collect()
}

/// When picture `n` is sent: evenly, and late by a random part of the jitter.
fn due(n: u64, options: Options) -> Duration {
    let made = Duration::from_secs(n) / options.fps;
    // A multiplicative hash, so that each run is alike.
    let random = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    made + options.jitter.mul_f64(random as f64 / f64::from(u32::MAX))
}

fn serve(
    mut connection: TcpStream,
    options: Options,
    pictures: &[Vec<u8>],
    stop: &AtomicBool,
    served: &AtomicUsize,
) -> io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(connection.try_clone()?);
    // A refused client tries again on the same connection.
    loop {
        let request = Request::read(&mut reader)?;
        if request.is_allowed(options.auth) {
            break;
        }
        connection.write_all(refusal(options.auth).as_bytes())?;
    }
    served.fetch_add(1, Ordering::Relaxed);
    let dialect = options.dialect;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary={}\r\n\
         Connection: close\r\n\r\n{}",
        dialect.boundary_in_head(),
        dialect.before_all()
    );
    connection.write_all(head.as_bytes())?;
    let start = Instant::now();
    for (n, picture) in (0..).zip(pictures.iter().cycle()) {
        // Real time is what is simulated here: a camera sends at its own rate.
        thread::sleep(due(n, options).saturating_sub(start.elapsed()));
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let head = dialect.head(picture.len(), options.content_length);
        let part = [head.as_bytes(), picture, dialect.after_picture().as_bytes()].concat();
        connection.write_all(&part)?;
    }
    Ok(())
}

fn refusal(auth: Auth) -> String {
    let challenge = match auth {
        Auth::Open => String::new(),
        Auth::Basic => format!("WWW-Authenticate: Basic realm=\"{REALM}\"\r\n"),
        Auth::Digest => format!(
            "WWW-Authenticate: Digest realm=\"{REALM}\", qop=\"auth\", nonce=\"{NONCE}\", \
             algorithm=MD5\r\n"
        ),
    };
    format!("HTTP/1.1 401 Unauthorized\r\n{challenge}Content-Length: 0\r\n\r\n")
}

struct Request {
    method: String,
    authorization: Option<String>,
}

impl Request {
    fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let method = lines
            .first()
            .and_then(|line| line.split(' ').next())
            .unwrap_or_default();
        let header = |line: &String| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("authorization")
                .then(|| value.trim().to_owned())
        };
        Ok(Self {
            method: method.to_owned(),
            authorization: lines.iter().find_map(header),
        })
    }

    fn is_allowed(&self, auth: Auth) -> bool {
        let given = self.authorization.as_deref().unwrap_or_default();
        match auth {
            Auth::Open => true,
            // Base64 of `USER:PASSWORD`.
            Auth::Basic => given == "Basic dmlld2VyOmEgY2FtZXJhJ3MgcGFzczp3b3Jk",
            Auth::Digest => self.answers_digest(given),
        }
    }

    /// Checks the response of RFC 7616 section 3.4.1.
    fn answers_digest(&self, given: &str) -> bool {
        let Some(list) = given.strip_prefix("Digest ") else {
            return false;
        };
        let list = super::playlist::attributes(&list.replace(", ", ","));
        let get = |name: &str| list.get(name).map(String::as_str).unwrap_or_default();
        let a1 = md5_hex(&format!("{USER}:{REALM}:{PASSWORD}"));
        let a2 = md5_hex(&format!("{}:{}", self.method, get("uri")));
        let (nc, cnonce, qop) = (get("nc"), get("cnonce"), get("qop"));
        let expected = md5_hex(&format!("{a1}:{NONCE}:{nc}:{cnonce}:{qop}:{a2}"));
        get("username") == USER && get("response") == expected
    }
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
