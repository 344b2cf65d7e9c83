//! Which rungs of a session are watched.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::ladder::RungSet;

/// A rung counts as watched for this long after the last request.
const LINGER: Duration = Duration::from_secs(30);

/// The requests for the rungs of a session: for media, or for a playlist that does not have it yet.
/// Somebody who loads a playlist once watches nothing: ffmpeg loads those of all rungs.
///
/// A request writes down its time and takes no lock.
#[derive(Debug)]
pub struct RungDemand {
    begun: Instant,
    rungs: Vec<Asked>,
    /// A rung was asked for that the stream's task takes for one that nobody watches.
    news: Notify,
}

#[derive(Debug)]
struct Asked {
    /// Milliseconds from the session's begin to the last request, and one more; 0 before the first.
    last_ms: AtomicU64,
    /// The stream's task takes it for watched.
    known: AtomicBool,
}

impl RungDemand {
    /// Nothing was asked for yet; until [`watched`](Self::watched) is called, no request is news.
    pub(super) fn new(rungs: usize) -> Self {
        let asked = || Asked {
            last_ms: AtomicU64::new(0),
            known: AtomicBool::new(true),
        };
        Self {
            begun: Instant::now(),
            rungs: std::iter::repeat_with(asked).take(rungs).collect(),
            news: Notify::new(),
        }
    }

    /// Somebody asks for a rung.
    pub(super) fn ask(&self, rung: usize) {
        let Some(asked) = self.rungs.get(rung) else {
            return;
        };
        let since_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last_ms = since_ms.saturating_add(1);
        // Written before `known` is read, and `watched` reads it after `known` is written: one of the
        // two sees what the other did.
        asked.last_ms.store(last_ms, Ordering::SeqCst);
        if !asked.known.load(Ordering::SeqCst) {
            self.news.notify_one();
        }
    }

    /// The rungs that are watched, and when the first of them is not any more unless it is asked for
    /// again before. From then on, a request for another rung is [news](Self::news).
    pub fn watched(&self) -> (RungSet, Option<Instant>) {
        let now = Instant::now();
        let (mut watched, mut lapses) = (RungSet::EMPTY, None::<Instant>);
        for (rung, asked) in self.rungs.iter().enumerate() {
            asked.known.store(false, Ordering::SeqCst);
            let until = self.until(asked).filter(|until| *until > now);
            if let Some(until) = until {
                asked.known.store(true, Ordering::SeqCst);
                watched = watched.with(rung);
                lapses = Some(lapses.map_or(until, |lapses| lapses.min(until)));
            }
        }
        (watched, lapses)
    }

    fn until(&self, asked: &Asked) -> Option<Instant> {
        let last_ms = asked.last_ms.load(Ordering::SeqCst).checked_sub(1)?;
        self.begun
            .checked_add(Duration::from_millis(last_ms))?
            .checked_add(LINGER)
    }

    /// Completes when a rung was asked for that was not watched. Cancel-safe.
    pub async fn news(&self) {
        self.news.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_rung_is_watched_for_a_while_after_each_request() {
        let demand = RungDemand::new(2);
        assert_eq!(demand.watched(), (RungSet::EMPTY, None));
        demand.ask(0);
        assert_eq!(demand.watched().0, RungSet::first(1));
        advance(LINGER - SECOND).await;
        demand.ask(0);
        let (watched, lapses) = demand.watched();
        assert_eq!(
            (watched, lapses),
            (RungSet::first(1), Some(Instant::now() + LINGER))
        );
        advance(SECOND).await;
        demand.ask(1);
        demand.ask(7);
        let (watched, lapses) = demand.watched();
        assert_eq!(watched, RungSet::first(2));
        assert_eq!(
            lapses,
            Some(Instant::now() + LINGER - SECOND),
            "of the first"
        );
        advance(LINGER - SECOND).await;
        assert_eq!(demand.watched().0, RungSet::EMPTY.with(1));
        advance(SECOND).await;
        assert_eq!(demand.watched(), (RungSet::EMPTY, None));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_new_demand_is_news() {
        let demand = RungDemand::new(2);
        let news = || demand.news().now_or_never().is_some();
        demand.ask(0);
        assert!(!news(), "nobody wants to know");
        demand.watched();
        demand.ask(0);
        assert!(!news(), "it is watched");
        demand.ask(1);
        demand.ask(1);
        assert!(news() && !news());
        demand.watched();
        advance(LINGER).await;
        demand.ask(1);
        assert!(
            !news(),
            "the task does not know yet that the demand has lapsed"
        );
        advance(LINGER).await;
        demand.watched();
        demand.ask(1);
        assert!(news());
    }
}
