//! How many ladders this machine sustains: workers really make them from the test signal, for some
//! seconds.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::time::timeout_at;

use super::link::Link;
use super::spawner::Launch;
use crate::base::procfs;
use crate::model::ladder::Plan;
use crate::wire::protocol::{FromWorker, Start, Stats};

/// How long the workers of a trial run before they are measured. Their first second is full of work
/// that does not come again.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long they are measured.
const PERIOD: Duration = Duration::from_secs(5);
/// Trials at most: with their workers' starts, they take less than 30 s.
const TRIALS_MAX: usize = 3;
/// Ladders that are made at once at most.
const LADDERS_MAX: usize = 8;
/// Speed of a rung that is made in real time. The workers count in whole frames.
const SPEED_MIN: f32 = 0.95;

/// What this machine was seen to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Capacity {
    /// Ladders that it sustains.
    pub ladders: usize,
    /// So many were really made at once. Otherwise their number follows from the CPU time of one.
    pub is_proven: bool,
    /// CPU seconds per second of one ladder alone.
    pub cores_per_ladder: f64,
    /// Cores of the machine.
    pub cores: usize,
    /// The renditions of the ladder.
    pub plan: Plan,
}

/// One trial.
#[derive(Debug)]
struct Trial {
    plan: Plan,
    /// CPU seconds per second of one ladder.
    cores: f64,
    /// Nothing was left out.
    is_whole: bool,
}

/// Makes the ladder of `start` once, and then as often at once as its CPU time lets hope for. Takes up
/// to 30 s.
///
/// # Errors
/// Why a worker made nothing.
pub async fn measure(launch: &dyn Launch, start: &Start) -> Result<Capacity, String> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut one = trial(launch, start, 1).await?;
    if !one.is_whole {
        // Another program may have been busy for a moment.
        one = trial(launch, start, 1).await?;
    }
    let mut capacity = Capacity {
        ladders: usize::from(one.is_whole),
        is_proven: true,
        cores_per_ladder: one.cores,
        cores,
        plan: one.plan,
    };
    if !one.is_whole {
        return Ok(capacity);
    }
    let hoped = hoped(cores, one.cores);
    let mut tried = (2..=hoped.min(LADDERS_MAX)).rev();
    for ladders in tried.by_ref().take(TRIALS_MAX - 1) {
        if trial(launch, start, ladders).await?.is_whole {
            capacity.ladders = if ladders == LADDERS_MAX {
                hoped
            } else {
                ladders
            };
            capacity.is_proven = capacity.ladders == ladders;
            return Ok(capacity);
        }
    }
    if let Some(next) = tried.next() {
        // More were too many. For this number there was no time.
        (capacity.ladders, capacity.is_proven) = (next, false);
    }
    Ok(capacity)
}

/// Ladders for which the CPU time of one leaves room.
fn hoped(cores: usize, cores_per_ladder: f64) -> usize {
    (cores as f64 / cores_per_ladder.max(0.001)) as usize
}

/// Makes so many ladders at once.
async fn trial(launch: &dyn Launch, start: &Start, ladders: usize) -> Result<Trial, String> {
    let mut links = Vec::new();
    for _ in 0..ladders {
        let launched = launch.launch().await.map_err(|error| error.to_string())?;
        links.push(
            Link::open(launched)
                .await
                .map_err(|gone| gone.to_string())?,
        );
    }
    let made = try_join_all(links.into_iter().map(|link| make(link, start))).await?;
    let cores = made.iter().map(|trial| trial.cores).sum::<f64>() / ladders.max(1) as f64;
    let is_whole = made.iter().all(|trial| trial.is_whole);
    let plan = made.into_iter().next().map(|trial| trial.plan);
    let plan = plan.ok_or("no ladder was made")?;
    Ok(Trial {
        plan,
        cores,
        is_whole,
    })
}

/// Makes one ladder.
async fn make(mut link: Link, start: &Start) -> Result<Trial, String> {
    link.start(start.clone());
    let mut heard = Heard::default();
    heard.listen(&mut link, WARM_UP).await?;
    let plan = heard.plan.take().ok_or("a worker made no plan")?;
    let (began, before) = (Instant::now(), cpu_time(link.pid()).await?);
    let dropped = heard.dropped;
    heard.speeds.clear();
    heard.listen(&mut link, PERIOD).await?;
    let used = cpu_time(link.pid()).await?.saturating_sub(before);
    let seconds = heard.speeds.len().max(1) as f32;
    let rungs = (0..plan.video.len()).map(|rung| {
        let speeds = heard.speeds.iter().filter_map(|speeds| speeds.get(rung));
        speeds.sum::<f32>() / seconds
    });
    let is_whole = heard.dropped == dropped && rungs.fold(f32::MAX, f32::min) >= SPEED_MIN;
    Ok(Trial {
        plan,
        cores: used.as_secs_f64() / began.elapsed().as_secs_f64(),
        is_whole,
    })
}

/// What a worker has said.
#[derive(Debug, Default)]
struct Heard {
    plan: Option<Plan>,
    /// Pictures left out since its start.
    dropped: u64,
    /// Speeds of all rungs, by second.
    speeds: Vec<Vec<f32>>,
}

impl Heard {
    /// Listens for so long.
    async fn listen(&mut self, link: &mut Link, period: Duration) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + period;
        while let Ok(said) = timeout_at(deadline, link.next()).await {
            match said.map_err(|gone| gone.to_string())? {
                FromWorker::Planned { plan, .. } => self.plan = Some(plan),
                FromWorker::Stats(Stats { video, .. }) => {
                    let dropped = video.iter().map(|rung| rung.dropped).max();
                    self.dropped = dropped.unwrap_or_default();
                    self.speeds
                        .push(video.iter().map(|rung| rung.speed).collect());
                }
                FromWorker::EncoderFailed {
                    encoder, reason, ..
                } => return Err(format!("encoder {encoder} failed: {reason}")),
                FromWorker::Failed(reason) => return Err(reason),
                _ => {}
            }
        }
        Ok(())
    }
}

async fn cpu_time(pid: u32) -> Result<Duration, String> {
    let stat = tokio::fs::read_to_string(format!("/proc/{pid}/stat")).await;
    let stat = stat.map_err(|error| format!("a worker has gone: {error}"))?;
    procfs::cpu_time(&stat).ok_or_else(|| "its CPU time cannot be read".to_owned())
}
