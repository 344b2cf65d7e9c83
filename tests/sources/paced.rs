//! An HTTP server that sends one body in real time to each client.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Bytes, and when they are sent after the start of the response.
pub type Chunk = (Duration, Vec<u8>);

/// A running server; stops when dropped.
pub struct Paced {
    port: u16,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Paced {
    /// Starts a server of `chunks`, in the order of their times.
    pub fn start(content_type: String, chunks: Vec<Chunk>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, body) = (Arc::clone(&stop), Arc::new((content_type, chunks)));
        let accepting = thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                let (body, stop) = (Arc::clone(&body), Arc::clone(&stopping));
                // The thread ends with its client, or at the next chunk after the server stops.
                thread::spawn(move || {
                    let _ended = serve(connection, &body.0, &body.1, &stop);
                });
            }
        });
        Self {
            port,
            stop,
            accepting: Some(accepting),
        }
    }

    /// Address of the body.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/live", self.port)
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A connection wakes the listener, which then sees `stop`.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn serve(
    mut connection: TcpStream,
    content_type: &str,
    chunks: &[Chunk],
    stop: &AtomicBool,
) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let request = BufReader::new(connection.try_clone()?);
    for line in request.lines() {
        if line?.is_empty() {
            break;
        }
    }
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n"
    )?;
    let start = Instant::now();
    for (at, bytes) in chunks {
        // Real time is what is simulated here: a live source sends at its own rate.
        thread::sleep((start + *at).saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            break;
        }
        connection.write_all(bytes)?;
    }
    Ok(())
}
