//! What a crowd behind nginx costs the origin, and how much later it gets a part.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::JoinSet;

use super::client::Connection;
use super::crowd::{CONNECT_AT_ONCE, Log, SETTLE, read_playlist};
use super::nginx;
use super::process::{READERS_CORE, Running, own_cpu, stay_on};

#[derive(Debug, Clone, Args)]
pub struct Show {
    /// Readers behind the edge.
    #[arg(long, default_value_t = 2000)]
    readers: usize,
    /// Readers at the origin itself, with which they are compared.
    #[arg(long, default_value_t = 20)]
    few: usize,
    /// Readers whose delay is measured, behind the edge and at the origin itself: as many as these two
    /// cores carry beside nginx and the origin.
    #[arg(long, default_value_t = 200)]
    timed: usize,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Each measurement is made so often, in turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Readers that follow the picture alone, so that more of them find room.
    #[arg(long)]
    picture: bool,
}

impl Default for Show {
    fn default() -> Self {
        Self {
            readers: 2000,
            few: 20,
            timed: 200,
            seconds: 10,
            rounds: 3,
            picture: false,
        }
    }
}

/// What a crowd has cost and got.
struct Seen {
    asked: u64,
    /// Requests that reached the origin.
    origin_asked: u64,
    origin_cpu: Duration,
    readers_busy: f64,
    /// How much later than one reader at the origin itself each reader got each part.
    late: Vec<Duration>,
    errors: u64,
    first_error: Option<String>,
}

pub fn run(show: &Show) {
    println!("\nnginx as an edge");
    let origin = Running::weir(&[]);
    let Some(edge) = nginx::edge(origin.address) else {
        println!("  nginx with its Lua module is not installed");
        return;
    };
    stay_on(READERS_CORE);
    for _ in 0..show.rounds {
        for (what, readers, address) in [
            ("at the origin", show.few, origin.address),
            ("behind the edge", show.readers, edge.address),
            ("at the origin", show.timed, origin.address),
            ("behind the edge", show.timed, edge.address),
        ] {
            let seen = crowd(show, readers, &origin, address);
            report(show, what, readers, seen);
        }
    }
}

fn crowd(show: &Show, readers: usize, origin: &Running, address: SocketAddr) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (log, first) = (Log::default(), Log::default());
        let mut tasks = JoinSet::new();
        let of = |name: &str| format!("{}/{name}/index.m3u8", origin.path);
        let renditions = ["360p", "audio-128k"];
        let renditions = &renditions[..if show.picture { 1 } else { 2 }];
        for name in renditions {
            tasks.spawn(read_playlist(origin.address, of(name), first.clone(), true));
        }
        for n in 0..readers {
            for name in renditions {
                tasks.spawn(read_playlist(address, of(name), log.clone(), true));
            }
            if n % CONNECT_AT_ONCE == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        tokio::time::sleep(SETTLE).await;
        let before = asked(origin.admin).await;
        for log in [&log, &first] {
            *log.lock().unwrap() = Default::default();
        }
        let (cpu, mine, begun) = (origin.used().cpu, own_cpu(), Instant::now());
        tokio::time::sleep(Duration::from_secs(show.seconds)).await;
        let took = begun.elapsed();
        let (cpu, mine) = (origin.used().cpu - cpu, own_cpu() - mine);
        let (got, first) = [&log, &first]
            .map(|log| std::mem::take(&mut *log.lock().unwrap()))
            .into();
        let origin_asked = asked(origin.admin).await - before;
        Seen {
            asked: got.answers,
            origin_asked: origin_asked.saturating_sub(first.answers),
            origin_cpu: cpu,
            readers_busy: mine.as_secs_f64() / took.as_secs_f64(),
            late: late(&got.by_address, &first.by_address),
            errors: got.errors + first.errors,
            first_error: got.first_error.or(first.first_error),
        }
    })
}

/// Requests for playlists and media that the origin has answered.
async fn asked(admin: SocketAddr) -> u64 {
    let mut connection = Connection::open(admin).await.unwrap();
    connection.get("/metrics", true).await.unwrap();
    let counted = |line: &&str| {
        ["playlist", "media"]
            .iter()
            .any(|route| line.starts_with(&format!("weir_http_requests_total{{route=\"{route}\"")))
    };
    let lines = connection.body().lines().filter(counted);
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

type Times = HashMap<String, Vec<Instant>>;

fn late(got: &Times, first: &Times) -> Vec<Duration> {
    let mut late: Vec<Duration> = Vec::new();
    for (address, times) in got.iter().filter(|(address, _)| address.ends_with(".m4s")) {
        let Some(first) = first.get(address).and_then(|times| times.first()) else {
            continue;
        };
        late.extend(
            times
                .iter()
                .map(|time| time.saturating_duration_since(*first)),
        );
    }
    late.sort_unstable();
    late
}

fn report(show: &Show, what: &str, readers: usize, seen: Seen) {
    let seconds = show.seconds as f64;
    let at = |share: f64| {
        let place = (seen.late.len() as f64 * share) as usize;
        let time = seen.late.get(place).copied().unwrap_or_default();
        time.as_secs_f64() * 1000.0
    };
    println!(
        "  {readers:>4} readers {what:<15}  {:>6.0} requests/s, of which the origin got {:>5.0}; its CPU {:>5.1} ms/s; \
         parts later by p50 {:.1} ms, p99 {:.1} ms; readers busy {:.0} %; errors {}",
        seen.asked as f64 / seconds,
        seen.origin_asked as f64 / seconds,
        seen.origin_cpu.as_secs_f64() * 1000.0 / seconds,
        at(0.5),
        at(0.99),
        seen.readers_busy * 100.0,
        seen.errors,
    );
    if let Some(error) = &seen.first_error {
        println!("  the first error: {error}");
    }
}
