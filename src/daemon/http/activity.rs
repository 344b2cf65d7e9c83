//! What happens on one connection: its place, the requests in progress, and whether it may stay.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::places::Place;

/// The requests in progress on one connection, and the connection's place.
#[derive(Debug)]
pub(super) struct Activity {
    place: Place,
    /// The connection takes no new requests.
    is_ending: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// When each request in progress came, oldest first.
    busy: Vec<(u64, Instant)>,
    idle_since: Instant,
}

/// What should happen to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The connection is in order.
    Well,
    /// No request came for too long.
    Idle,
    /// Some of several HTTP/2 responses have taken too long, but the newest has not.
    Straggling,
    /// Every response has taken too long, or one has taken twice as long as allowed.
    Overdue,
}

/// A request in progress, until its response body has been sent.
#[derive(Debug)]
pub(super) struct Busy {
    activity: Arc<Activity>,
    number: u64,
}

impl Activity {
    pub(super) fn new(now: Instant, place: Place) -> Arc<Self> {
        Arc::new(Self {
            place,
            is_ending: AtomicBool::new(false),
            state: Mutex::new(State {
                next: 0,
                busy: Vec::new(),
                idle_since: now,
            }),
        })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Lets the connection take no new requests; those in progress are answered. Whoever serves it must be
    /// polled then.
    pub(super) fn end_connection(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    pub(super) fn verdict(
        &self,
        now: Instant,
        idle_max: Duration,
        request_max: Duration,
    ) -> Verdict {
        let state = self.lock();
        let age = |(_, since): &(u64, Instant)| now.duration_since(*since);
        let oldest = state.busy.first().map(age);
        let newest = state.busy.last().map(age);
        // A straggling connection takes no new requests, so all its requests have ended when the
        // oldest has had twice its time. A client that sends new ones nevertheless is cut off then.
        match oldest.zip(newest) {
            None if now.duration_since(state.idle_since) >= idle_max => Verdict::Idle,
            Some((oldest, newest)) if newest >= request_max || oldest >= request_max * 2 => {
                Verdict::Overdue
            }
            Some((oldest, _)) if oldest >= request_max => Verdict::Straggling,
            _ => Verdict::Well,
        }
    }

    fn begin(&self, now: Instant) -> u64 {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        if state.busy.is_empty() {
            self.place.asked();
        }
        state.busy.push((number, now));
        number
    }

    fn end(&self, number: u64, now: Instant) {
        let mut state = self.lock();
        state.busy.retain(|(other, _)| *other != number);
        state.idle_since = now;
        if state.busy.is_empty() {
            self.place.rests();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Busy {
    pub(super) fn begin(activity: &Arc<Activity>, now: Instant) -> Self {
        Self {
            number: activity.begin(now),
            activity: activity.clone(),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.end(self.number, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::places::{Holder, Places};
    use super::*;

    const IDLE: Duration = Duration::from_secs(30);
    const REQUEST: Duration = Duration::from_secs(120);

    fn activity(start: Instant) -> Arc<Activity> {
        let address = IpAddr::from([127, 0, 0, 1]);
        let (place, _) = Places::new(1, 1).take(address, Holder::Client).unwrap();
        Activity::new(start, place)
    }

    #[test]
    fn idle_counts_from_the_end_of_the_last_request() {
        let start = Instant::now();
        let activity = activity(start);
        let after = |time| activity.verdict(start + time, IDLE, REQUEST);
        assert_eq!(after(IDLE - Duration::from_nanos(1)), Verdict::Well);
        assert_eq!(after(IDLE), Verdict::Idle);
        let number = activity.begin(start + IDLE);
        assert_eq!(after(IDLE * 3), Verdict::Well);
        activity.end(number, start + IDLE * 3);
        assert_eq!(after(IDLE * 3), Verdict::Well);
        assert_eq!(after(IDLE * 4), Verdict::Idle);
    }

    #[test]
    fn a_connection_is_overdue_when_all_its_requests_are() {
        let start = Instant::now();
        let activity = activity(start);
        let oldest = activity.begin(start);
        let after = |time| activity.verdict(start + time, IDLE, REQUEST);
        assert_eq!(after(REQUEST - Duration::from_nanos(1)), Verdict::Well);
        assert_eq!(after(REQUEST), Verdict::Overdue);
        let _newer = activity.begin(start + REQUEST / 2);
        assert_eq!(after(REQUEST), Verdict::Straggling);
        assert_eq!(after(REQUEST * 3 / 2), Verdict::Overdue);
        activity.end(oldest, start + REQUEST);
        assert_eq!(after(REQUEST), Verdict::Well);
    }

    #[test]
    fn always_newer_requests_do_not_save_an_old_one() {
        let start = Instant::now();
        let activity = activity(start);
        let _oldest = activity.begin(start);
        let _newer = activity.begin(start + REQUEST * 2);
        let verdict = activity.verdict(start + REQUEST * 2, IDLE, REQUEST);
        assert_eq!(verdict, Verdict::Overdue);
    }
}
