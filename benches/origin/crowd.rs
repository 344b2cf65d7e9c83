//! Readers that wait for what comes next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::client::{Connection, hint};
use super::process::{READERS_CORE, Running, Used, stay_on};

/// Readers connect in groups of this size, so that the queue of new connections does not overflow.
pub const CONNECT_AT_ONCE: usize = 64;
/// Time until every reader waits.
pub const SETTLE: Duration = Duration::from_secs(3);

/// When each thing that was asked for came to each reader.
#[derive(Debug, Default)]
pub struct Arrivals {
    pub by_address: HashMap<String, Vec<Instant>>,
    pub answers: u64,
    pub errors: u64,
    pub first_error: Option<String>,
}

pub type Log = Arc<Mutex<Arrivals>>;

/// Every reader waits for each part of one playlist.
pub fn blocked(readers: usize, time: Duration) {
    println!("\n{readers} readers of one playlist");
    measure(readers, time, 1, |server, log| {
        let playlist = format!("{}/360p/index.m3u8", server.path);
        vec![Box::pin(read_playlist(
            server.address,
            playlist,
            log,
            false,
        ))]
    });
}

/// Every reader follows picture and sound, playlist and parts, on a connection for each.
pub fn follow(readers: usize, time: Duration) {
    println!("\n{readers} readers that follow playlist and parts of picture and sound");
    measure(readers, time, 4, |server, log| {
        let of = |name: &str| format!("{}/{name}/index.m3u8", server.path);
        vec![
            Box::pin(read_playlist(server.address, of("360p"), log.clone(), true)),
            Box::pin(read_playlist(server.address, of("audio-128k"), log, true)),
        ]
    });
}

type Reading = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn measure(
    readers: usize,
    time: Duration,
    connections: usize,
    reading: impl Fn(&Running, Log) -> Vec<Reading>,
) {
    let server = Running::weir(&[]);
    stay_on(READERS_CORE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let log = Log::default();
        let before = server.used();
        let mut tasks = JoinSet::new();
        for n in 0..readers {
            for task in reading(&server, log.clone()) {
                tasks.spawn(task);
            }
            if n % CONNECT_AT_ONCE == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        tokio::time::sleep(SETTLE).await;
        let mine = super::process::own_cpu();
        *log.lock().unwrap() = Arrivals::default();
        let (start, begun) = (server.used(), Instant::now());
        tokio::time::sleep(time).await;
        let (end, took) = (server.used(), begun.elapsed());
        let readers_busy = (super::process::own_cpu() - mine).as_secs_f64() / took.as_secs_f64();
        let arrivals = std::mem::take(&mut *log.lock().unwrap());
        report(
            readers * connections,
            &arrivals,
            (before, start, end),
            took,
            readers_busy,
        );
    });
}

fn report(
    connections: usize,
    arrivals: &Arrivals,
    (before, start, end): (Used, Used, Used),
    took: Duration,
    readers_busy: f64,
) {
    let cpu = end.cpu - start.cpu;
    let memory = end.resident_bytes.saturating_sub(before.resident_bytes) / connections as u64;
    let answers = arrivals.answers.max(1);
    println!(
        "  answers            {:.0} per second",
        answers as f64 / took.as_secs_f64()
    );
    println!(
        "  CPU of an answer   {:.1} us",
        cpu.as_secs_f64() * 1e6 / answers as f64
    );
    println!(
        "  memory             {:.1} KiB per connection",
        memory as f64 / 1024.0
    );
    println!(
        "  server busy        {:.0} %",
        cpu.as_secs_f64() / took.as_secs_f64() * 100.0
    );
    println!("  readers busy       {:.0} %", readers_busy * 100.0);
    let mut late: Vec<Duration> = Vec::new();
    for times in arrivals.by_address.values() {
        let first = times.iter().min().unwrap();
        late.extend(times.iter().map(|time| time.duration_since(*first)));
    }
    late.sort_unstable();
    let at = |share: f64| {
        late.get((late.len() as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "  after the first    p50 {:.1} ms, p99 {:.1} ms, last {:.1} ms",
        ms(at(0.5)),
        ms(at(0.99)),
        late.last().copied().map(ms).unwrap_or_default()
    );
    println!("  errors             {}", arrivals.errors);
    if let Some(error) = &arrivals.first_error {
        println!("  the first error    {error}");
    }
}

/// Waits for one part of a playlist after the other; with `parts`, loads each as it comes.
pub async fn read_playlist(server: std::net::SocketAddr, playlist: String, log: Log, parts: bool) {
    let follow = async {
        let mut connection = Connection::open_as_browser(server).await?;
        let mut media = if parts {
            Some(Connection::open(server).await?)
        } else {
            None
        };
        let folder = playlist.trim_end_matches("index.m3u8").to_owned();
        ask(&mut connection, &playlist, &log).await?;
        let mut next = hint(connection.bytes());
        while let Some((msn, part)) = next {
            let path = format!("{playlist}?_HLS_msn={msn}&_HLS_part={part}&_HLS_skip=YES");
            ask(&mut connection, &path, &log).await?;
            if let Some(media) = &mut media {
                ask(media, &format!("{folder}{msn}.{part}.m4s"), &log).await?;
            }
            next = hint(connection.bytes());
        }
        Ok::<_, std::io::Error>(())
    };
    let ended = follow.await;
    let mut log = log.lock().unwrap();
    log.errors += 1;
    log.first_error.get_or_insert_with(|| format!("{ended:?}"));
}

async fn ask(connection: &mut Connection, path: &str, log: &Log) -> std::io::Result<()> {
    let keeps = path.contains("m3u8");
    let answer = connection.get(path, keeps).await?;
    let mut log = log.lock().unwrap();
    log.answers += 1;
    if answer.status != 200 {
        log.errors += 1;
        log.first_error
            .get_or_insert_with(|| format!("{path}: {}", answer.status));
    }
    log.by_address
        .entry(path.to_owned())
        .or_default()
        .push(answer.came);
    Ok(())
}
