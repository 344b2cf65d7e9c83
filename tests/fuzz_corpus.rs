//! Runs every fuzz target on its committed corpus, `fuzz/corpus/TARGET`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::Path;

mod support {
    #[allow(dead_code, reason = "other tests read more of a playlist")]
    pub mod playlist;
    pub mod targets {
        pub mod config;
        pub mod flv_amf;
        pub mod multipart;
        pub mod rtmp_connection;
        pub mod worker_protocol;
    }
    pub mod words;
}

use support::{targets, words};

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for file in std::fs::read_dir(&folder).expect("a corpus") {
        run(&std::fs::read(file.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs >= 10, "{inputs} inputs in {}", folder.display());
}

#[test]
fn rtmp_connection() {
    replay("rtmp_connection", targets::rtmp_connection::run);
}

#[test]
fn flv_amf() {
    replay("flv_amf", targets::flv_amf::run);
}

#[test]
fn worker_words() {
    replay("worker_words", words::run);
}

#[test]
fn worker_protocol() {
    replay("worker_protocol", targets::worker_protocol::run);
}

#[test]
fn config() {
    replay("config", targets::config::run);
}

#[test]
fn multipart() {
    replay("multipart", targets::multipart::run);
}
