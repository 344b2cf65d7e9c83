//! nginx with files, on the core of the server.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::certificate::{Certificate, files as files_in};
use super::edge_config::{self, edge_config};
use super::process::{Running, SERVER_CORE};

/// Starts nginx with these files, over TLS where there is a certificate; `None` where it is not installed.
pub fn start(files: &[(&str, &[u8])], certificate: Option<&Certificate>) -> Option<Running> {
    let folder = std::env::temp_dir().join(format!("weir-bench-nginx-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in files {
        std::fs::File::create(folder.join(name))
            .unwrap()
            .write_all(bytes)
            .unwrap();
    }
    let port = free_port();
    let root = folder.display();
    let (ssl, pair) = match certificate {
        Some(certificate) => {
            let files = files_in(certificate.folder());
            let (certificate, key) = (files.certificate.display(), files.key.display());
            let pair = format!("ssl_certificate {certificate}; ssl_certificate_key {key};\n");
            (" ssl", pair)
        }
        None => ("", String::new()),
    };
    let config = format!(
        "daemon off; worker_processes 1; worker_cpu_affinity {:b}; pid {root}/pid; error_log {root}/error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;\n\
         open_file_cache max=100; types {{ application/vnd.apple.mpegurl m3u8; video/mp4 m4s; }}\n\
         server {{ listen 127.0.0.1:{port}{ssl}; {pair} root {root}; }} }}\n",
        1 << SERVER_CORE
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&file).arg("-p").arg(&folder);
    let child = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait(address);
    let mut running = Running::other(child, address);
    running.is_secured = certificate.is_some();
    Some(running)
}

/// Starts nginx as an edge in front of `origin`, with `deploy/nginx-edge.conf`, on both cores; `None` where
/// nginx or its Lua module is not installed.
pub fn edge(origin: SocketAddr) -> Option<Running> {
    let folder = std::env::temp_dir().join(format!("weir-bench-edge-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let [http, https] = [free_port(), free_port()];
    let config = edge_config(&folder, origin.port(), http, https);
    // Readers here speak no TLS.
    let plain: Vec<&str> = config
        .lines()
        .filter(|line| !line.contains("ssl"))
        .collect();
    let file = folder.join("nginx.conf");
    std::fs::write(&file, plain.join("\n")).unwrap();
    let tried = edge_config::nginx(&file).arg("-t").output().ok()?;
    if !tried.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&tried.stderr));
        return None;
    }
    let child = edge_config::nginx(&file)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let address = SocketAddr::from(([127, 0, 0, 1], http));
    wait(address);
    Some(Running::other(child, address))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn wait(address: SocketAddr) {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "nginx does not listen"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
