//! nginx as an edge in front of a daemon, with `deploy/nginx-edge.conf`.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use super::daemon::{Daemon, free_port};
use super::edge_config::{edge_config, nginx};
use super::process::Owned;
use super::wait_until;
use crate::tls_client::certificate;

const START: Duration = Duration::from_secs(10);

/// A running nginx; ends when dropped.
pub struct Edge {
    nginx: Owned,
    /// Port without TLS.
    pub http: u16,
    /// Port with TLS.
    pub https: u16,
    dir: TempDir,
}

impl Edge {
    /// Starts nginx in front of `daemon` and waits until it listens.
    pub fn start(daemon: &Daemon) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (http, https) = (free_port(), free_port());
        let (chain, key) = certificate();
        fs::write(dir.path().join("fullchain.pem"), chain).expect("a certificate");
        fs::write(dir.path().join("privkey.pem"), key).expect("a key");
        let config = edge_config(dir.path(), daemon.http, http, https);
        let file = dir.path().join("nginx.conf");
        fs::write(&file, config).expect("a configuration");
        let edge = Self {
            nginx: Owned::spawn(&mut nginx(&file)),
            http,
            https,
            dir,
        };
        // Connections that end at once are no requests, so weir does not see these.
        wait_until("nginx", START, || {
            let listens = |port| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
            listens(http) && listens(https)
        });
        edge
    }

    /// Address of `path` at the edge.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    /// What nginx has reported.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- errors of nginx\n{}\n---", self.errors());
        }
        // The master process ends its workers before itself; killed, it would leave them behind.
        let master = super::process::Identity::of(self.nginx.pid());
        if let Some(master) = master.filter(|master| master.is_running()) {
            master.signal(rustix::process::Signal::TERM);
            let _ended = self.nginx.0.wait();
        }
    }
}
