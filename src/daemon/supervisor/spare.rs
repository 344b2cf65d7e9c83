//! One worker in reserve that has loaded GStreamer and said hello. A stream that takes it starts in
//! a fraction of a second; the next spare is then started in the background.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::link::{Gone, Link};
use super::spawner::Launch;
use crate::base::backoff::Backoff;

/// Streams that may ask at the same time; further streams wait.
const ASKING_MAX: usize = 64;
/// Wait after the first failure to start a spare; doubled after each further failure.
const DELAY_FIRST: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(60);

/// Workers that start in turn at the same time: one for each two cores. A start keeps a core busy for
/// a tenth of a second; if all streams of a large configuration started at once, streams that play
/// would stutter, and workers would say hello too late.
const CORES_PER_START: usize = 2;

type Ask = oneshot::Sender<Link>;

/// Hands out workers.
pub struct Spares {
    launch: Arc<dyn Launch>,
    asks: mpsc::Sender<Ask>,
    turns: Semaphore,
    stop: CancellationToken,
    keeper: TaskTracker,
}

impl Spares {
    /// Starts the first spare. Must be called in a tokio runtime.
    pub fn new(launch: Arc<dyn Launch>) -> Self {
        let (asks, receiver) = mpsc::channel(ASKING_MAX);
        let stop = CancellationToken::new();
        let keeper = TaskTracker::new();
        keeper.spawn(keep(launch.clone(), receiver, stop.clone()));
        keeper.close();
        Self {
            launch,
            asks,
            turns: Semaphore::new((cores() / CORES_PER_START).max(1)),
            stop,
            keeper,
        }
    }

    /// Like [`hire`](Self::hire), but waits until earlier callers of this method have their workers:
    /// for streams that nobody has asked for just now, of which a configuration may have many.
    ///
    /// # Errors
    /// [`Gone`] when no worker can be started.
    pub async fn hire_in_turn(&self) -> Result<Link, Gone> {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await.ok();
        self.hire().await
    }

    /// The spare if it is ready, otherwise a worker started for this caller, so that streams that
    /// start together do not wait for each other.
    ///
    /// # Errors
    /// [`Gone`] when no worker can be started.
    pub async fn hire(&self) -> Result<Link, Gone> {
        let (ask, answer) = oneshot::channel();
        if self.asks.send(ask).await.is_ok()
            && let Ok(link) = answer.await
        {
            return Ok(link);
        }
        open(&*self.launch).await
    }

    /// Discards the spare and starts no more.
    pub async fn close(&self) {
        self.stop.cancel();
        self.keeper.wait().await;
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

async fn open(launch: &dyn Launch) -> Result<Link, Gone> {
    Link::open(launch.launch().await.map_err(Gone::Launch)?).await
}

/// Keeps one spare ready until `stop` is cancelled. An [`Ask`] that comes while there is no spare
/// is dropped at once, which tells the caller to start a worker of its own.
async fn keep(launch: Arc<dyn Launch>, mut asks: mpsc::Receiver<Ask>, stop: CancellationToken) {
    let mut delay = Duration::ZERO;
    let mut backoff = Backoff::new(DELAY_FIRST, DELAY_MAX);
    loop {
        let made = tokio::select! {
            made = make(&*launch, delay) => made,
            () = refuse(&mut asks) => return,
            () = stop.cancelled() => return,
        };
        let lost = match made {
            Ok(spare) => tokio::select! {
                lost = hold(spare, &mut asks) => lost,
                () = stop.cancelled() => return,
            },
            Err(gone) => Some(gone),
        };
        delay = match lost {
            Some(gone) => {
                let next = backoff.wait();
                tracing::warn!(cause = %gone, "spare worker lost or not started; trying again in {next:?}");
                next
            }
            None => {
                backoff.reset();
                Duration::ZERO
            }
        };
    }
}

async fn make(launch: &dyn Launch, delay: Duration) -> Result<Link, Gone> {
    sleep(delay).await;
    open(launch).await
}

/// Drops every ask; returns when no caller is left.
async fn refuse(asks: &mut mpsc::Receiver<Ask>) {
    while asks.recv().await.is_some() {}
}

/// Holds the spare until a caller takes it (`None`) or it is lost.
async fn hold(mut spare: Link, asks: &mut mpsc::Receiver<Ask>) -> Option<Gone> {
    loop {
        tokio::select! {
            said = spare.next() => match said {
                Ok(_) => return Some(Gone::Rude),
                Err(gone) => return Some(gone),
            },
            ask = asks.recv() => match ask {
                Some(ask) => match ask.send(spare) {
                    Ok(()) => return None,
                    // The caller has stopped waiting.
                    Err(back) => spare = back,
                },
                None => pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use tokio::sync::watch;

    use super::*;
    use crate::daemon::supervisor::process::{Exit, Process};
    use crate::daemon::supervisor::spawner::Launched;
    use crate::wire::codec::write_message;
    use crate::wire::protocol::{FromWorker, VERSION};

    struct Kept {
        socket: UnixStream,
        orders: crate::daemon::supervisor::process::Orders,
        _report: watch::Sender<Option<Exit>>,
    }

    /// A launcher whose processes say hello; the first `failures` starts fail.
    struct Scripted {
        failures: u32,
        count: AtomicU32,
        kept: mpsc::UnboundedSender<Kept>,
    }

    impl Launch for Scripted {
        fn launch(&self) -> BoxFuture<'_, io::Result<Launched>> {
            let pid = self.count.fetch_add(1, Ordering::SeqCst) + 1;
            let result = if pid <= self.failures {
                Err(io::Error::other("scripted"))
            } else {
                let (socket, mut theirs) = UnixStream::pair().unwrap();
                socket.set_nonblocking(true).unwrap();
                write_message(&mut theirs, &FromWorker::Hello { version: VERSION }).unwrap();
                let (process, report) = Process::new(pid);
                let orders = process.orders();
                let _ = self.kept.send(Kept {
                    socket: theirs,
                    orders,
                    _report: report,
                });
                Ok(Launched { socket, process })
            };
            async move { result }.boxed()
        }
    }

    fn spares(failures: u32) -> (Spares, mpsc::UnboundedReceiver<Kept>) {
        let (kept, made) = mpsc::unbounded_channel();
        let count = AtomicU32::new(0);
        (
            Spares::new(Arc::new(Scripted {
                failures,
                count,
                kept,
            })),
            made,
        )
    }

    #[tokio::test]
    async fn a_spare_is_made_unasked_and_again_after_it_was_hired() {
        let (spares, mut made) = spares(0);
        let _first = made.recv().await.unwrap();
        let link = spares.hire().await.unwrap();
        let _second = made.recv().await.unwrap();
        assert!(link.pid() >= 1);
    }

    #[tokio::test]
    async fn a_spare_that_dies_is_replaced() {
        let (spares, mut made) = spares(0);
        let first = made.recv().await.unwrap();
        drop(first.socket);
        let _second = made.recv().await.unwrap();
        assert!(first.orders.kill.is_cancelled());
        assert!(spares.hire().await.unwrap().pid() >= 2);
    }

    #[tokio::test]
    async fn a_failed_start_is_tried_again_and_nobody_waits_for_it() {
        let (spares, mut made) = spares(1);
        // The first start fails, which is the keeper's; while it waits, a stream starts its own
        // worker.
        let link = loop {
            if let Ok(link) = spares.hire().await {
                break link;
            }
        };
        assert!(link.pid() >= 2);
        let _own = made.recv().await.unwrap();
        let _spare = made.recv().await.unwrap();
    }

    #[tokio::test]
    async fn closing_discards_the_spare() {
        let (spares, mut made) = spares(0);
        let first = made.recv().await.unwrap();
        spares.close().await;
        first.orders.kill.cancelled().await;
    }

    /// A launcher whose processes start when they are told to.
    struct Slow {
        scripted: Scripted,
        starting: AtomicU32,
        go: Semaphore,
    }

    impl Launch for Arc<Slow> {
        fn launch(&self) -> BoxFuture<'_, io::Result<Launched>> {
            async move {
                self.starting.fetch_add(1, Ordering::SeqCst);
                self.go.acquire().await.unwrap().forget();
                self.starting.fetch_sub(1, Ordering::SeqCst);
                self.scripted.launch().await
            }
            .boxed()
        }
    }

    #[tokio::test]
    async fn workers_that_nobody_waits_for_start_in_turn() {
        let (kept, _made) = mpsc::unbounded_channel();
        let slow = Arc::new(Slow {
            scripted: Scripted {
                failures: 0,
                count: AtomicU32::new(0),
                kept,
            },
            starting: AtomicU32::new(0),
            go: Semaphore::new(0),
        });
        let spares = Arc::new(Spares::new(Arc::new(slow.clone())));
        let many = 40;
        let hires: Vec<_> = (0..many)
            .map(|_| {
                let spares = spares.clone();
                tokio::spawn(async move { spares.hire_in_turn().await.map(|link| link.pid()) })
            })
            .collect();
        // The runtime has one thread, so each task that can go on does so while this one yields.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let turns = u32::try_from((cores() / CORES_PER_START).max(1)).unwrap();
        let starting = slow.starting.load(Ordering::SeqCst);
        assert!(
            starting <= turns + 1,
            "{starting} at once, the spare included"
        );
        // One that somebody waits for does not wait for the others.
        let urgent = tokio::spawn({
            let spares = spares.clone();
            async move { spares.hire().await.map(|link| link.pid()) }
        });
        while slow.starting.load(Ordering::SeqCst) == starting {
            tokio::task::yield_now().await;
        }
        slow.go.add_permits(200);
        urgent.await.unwrap().unwrap();
        for hire in hires {
            hire.await.unwrap().unwrap();
        }
    }
}
