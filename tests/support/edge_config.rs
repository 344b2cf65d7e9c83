//! `deploy/nginx-edge.conf` with the addresses and folders of a test or a bench.

use std::fs;
use std::path::Path;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");

/// The file for an edge in front of the origin at port `origin`, with everything that nginx writes below
/// `dir`. Nothing but the lines marked there as such is changed, and the folders for uploads that an
/// ordinary user may not write to.
pub fn edge_config(dir: &Path, origin: u16, http: u16, https: u16) -> String {
    let dir = dir.display();
    let root = rustix::process::geteuid().is_root();
    let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {dir}/{name};\n"))
        .concat();
    let text = fs::read_to_string(format!("{DEPLOY}/nginx-edge.conf")).expect("the file");
    let changes = [
        // nginx that is not root keeps its user, and warns of this line.
        (
            "user www-data;",
            if root { "user root;" } else { "" }.to_owned(),
        ),
        ("/run/nginx.pid", format!("{dir}/nginx.pid")),
        ("/var/log/nginx/", format!("{dir}/")),
        ("\nhttp {\n", format!("\nhttp {{\n{folders}")),
        ("192.0.2.10:8080", format!("127.0.0.1:{origin}")),
        ("/dev/shm/weir-edge ", format!("{dir}/cache ")),
        ("/etc/nginx/?.lua", format!("{DEPLOY}/?.lua")),
        ("unix:/run/weir-edge.sock", format!("unix:{dir}/edge.sock")),
        ("listen 80;", format!("listen 127.0.0.1:{http};")),
        ("listen 443 ", format!("listen 127.0.0.1:{https} ")),
        ("/etc/ssl/weir-edge/", format!("{dir}/")),
    ];
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "deploy/nginx-edge.conf lacks {from:?}");
        text.replace(from, to)
    })
}

/// The command that starts nginx with `file`, in the foreground.
pub fn nginx(file: &Path) -> std::process::Command {
    // The folder is not in the path of ordinary users.
    let installed = Path::new("/usr/sbin/nginx");
    let program = if installed.exists() {
        installed
    } else {
        Path::new("nginx")
    };
    let mut command = std::process::Command::new(program);
    command.arg("-c").arg(file).args(["-g", "daemon off;"]);
    command
}
