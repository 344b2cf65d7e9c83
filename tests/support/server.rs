//! An HTTP server whose answers a test writes byte by byte, and which remembers what it was asked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A request, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Path and query.
    pub target: String,
    /// Value of `Authorization`.
    pub authorization: Option<String>,
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Sends these bytes and ends the connection.
    Bytes(Vec<u8>),
    /// Sends nothing until the client ends the connection.
    Silence,
}

impl Reply {
    /// A response with a body. `headers` are lines that end in CR LF.
    pub fn new(status: &str, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n");
        Self::Bytes([head.as_bytes(), body].concat())
    }

    /// A response of a content type.
    pub fn ok(content_type: &str, body: &[u8]) -> Self {
        Self::new("200 OK", &format!("Content-Type: {content_type}\r\n"), body)
    }

    /// A redirect.
    pub fn redirect(location: &str) -> Self {
        Self::new("302 Found", &format!("Location: {location}\r\n"), b"")
    }
}

/// A running server; stops when dropped.
pub struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on every interface of this machine, at a free port.
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (stopping, noting, answer) = (Arc::clone(&stop), Arc::clone(&asked), Arc::new(answer));
        let accepting = thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                let (noting, answer) = (Arc::clone(&noting), Arc::clone(&answer));
                // The thread ends with its client.
                thread::spawn(move || {
                    let _ended = serve(&connection, &noting, &*answer);
                });
            }
        });
        Self {
            port,
            stop,
            asked,
            accepting: Some(accepting),
        }
    }

    /// Address of `path` on the loopback interface.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Address of `path` on another interface than loopback; packets to it stay on this machine.
    pub fn outer_url(&self, path: &str) -> String {
        format!("http://{}{path}", SocketAddr::new(own_address(), self.port))
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A connection wakes the listener, which then sees `stop`.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// The address that this machine would send from to the internet. Connecting a UDP socket chooses
/// it without sending anything.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    let route = socket.connect((Ipv4Addr::new(198, 51, 100, 1), 9));
    route.expect("the machine has another interface than loopback");
    socket.local_addr().expect("its address").ip()
}

fn serve(
    mut connection: &TcpStream,
    asked: &Mutex<Vec<Asked>>,
    answer: &(dyn Fn(&Asked) -> Reply + Send + Sync),
) -> io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut request = Asked {
        target: line.split(' ').nth(1).unwrap_or_default().to_owned(),
        authorization: None,
    };
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
        {
            request.authorization = Some(value.trim().to_owned());
        }
    }
    let reply = answer(&request);
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    match reply {
        Reply::Bytes(bytes) => connection.write_all(&bytes),
        Reply::Silence => reader.read_to_end(&mut Vec::new()).map(drop),
    }
}
