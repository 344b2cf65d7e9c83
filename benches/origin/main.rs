//! What a crowd costs the origin: readers that wait for playlists and load parts as hls.js does, beside
//! nginx where it is installed. The server and the readers are two processes, each on a core of its own.
//!
//! `cargo bench --bench origin -- --help` says what can be measured; without arguments it is everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a bench ends with an error by panicking"
)]

mod certificate;
mod client;
mod crowd;
mod edge;
#[path = "../../tests/support/edge_config.rs"]
mod edge_config;
mod flood;
mod nginx;
mod process;
mod server;
#[path = "../../tests/support/tls_client.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod tls_client;

use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// `cargo bench` says this.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Readers of one playlist, each of which waits for the next part.
    Blocked {
        #[arg(long, default_value_t = 1000)]
        readers: usize,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Readers that follow playlist and parts of picture and sound.
    Follow {
        #[arg(long, default_value_t = 1000)]
        readers: usize,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Playlists and segments as often as they can be had, beside nginx.
    Flood {
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Many readers behind nginx as an edge, beside few at the origin itself.
    Edge(edge::Show),
    /// What a part costs with many streams and with long windows.
    Parts,
    /// What a part costs in one window.
    #[command(hide = true)]
    Window {
        #[arg(long)]
        hours: u32,
    },
    /// Serves fake streams until its input ends.
    #[command(hide = true)]
    Serve(server::Show),
}

fn main() {
    match Arguments::parse().what {
        Some(what) => run(what),
        None => {
            for readers in [1000, 6000] {
                run(What::Blocked {
                    readers,
                    seconds: 10,
                });
            }
            run(What::Follow {
                readers: 1000,
                seconds: 10,
            });
            run(What::Flood { seconds: 5 });
            run(What::Edge(edge::Show::default()));
            run(What::Parts);
        }
    }
}

fn run(what: What) {
    match what {
        What::Blocked { readers, seconds } => crowd::blocked(readers, Duration::from_secs(seconds)),
        What::Follow { readers, seconds } => crowd::follow(readers, Duration::from_secs(seconds)),
        What::Flood { seconds } => flood::run(Duration::from_secs(seconds)),
        What::Edge(show) => edge::run(&show),
        What::Parts => server::parts(),
        What::Window { hours } => server::window(hours),
        What::Serve(show) => server::serve(&show),
    }
}
