//! The life of a stream as a pure state machine: takes events and times, returns [`Action`]s.
//!
//! It follows three things: the *source* (does media arrive?), the *worker* (does somebody make
//! renditions?) and the *session* (is there something to play?). A session goes on when a worker
//! is replaced, and outlives its source by the grace period.

use std::time::{Duration, Instant};

use crate::daemon::config::settings;
use crate::daemon::supervisor::restarts::{DELAY_MAX, Restarts};
use crate::model::status::State;

mod words;

pub use words::{Action, Event, Late, Limits, Schedule};
use words::{Session, Source, Up, Worker};

/// The state machine of one stream.
#[derive(Debug)]
pub struct Machine {
    schedule: Schedule,
    limits: Limits,
    source: Source,
    /// The publisher has sent something that can be decoded.
    decodable: bool,
    worker: Worker,
    session: Session,
    demanded_until: Option<Instant>,
    /// An abandoned stream does not start again before this time, however many viewers ask.
    resting_until: Option<Instant>,
    restarts: Restarts,
    failed: bool,
    stopping: bool,
    actions: Vec<Action>,
}

impl Machine {
    /// A stream that nobody publishes or watches yet. One that always runs starts at the first
    /// [`on_time`](Self::on_time).
    pub fn new(schedule: Schedule, limits: Limits) -> Self {
        Self {
            schedule,
            limits,
            // A camera counts as present until the worker says that it is not.
            source: if schedule.is_fetched() {
                Source::Present
            } else {
                Source::Absent
            },
            decodable: false,
            worker: Worker::Off,
            session: Session::None,
            demanded_until: None,
            resting_until: None,
            restarts: Restarts::default(),
            failed: false,
            stopping: false,
            actions: Vec::new(),
        }
    }

    /// Changes the limits that the configuration sets: the grace period for a publisher that is
    /// already gone as well, and the linger from the next request on.
    pub fn set_session(&mut self, session: settings::Session) {
        self.limits = self.limits.with_session(session);
    }

    /// The state that the API shows.
    pub fn state(&self) -> State {
        match self.session {
            _ if self.failed => State::Failed,
            Session::Open { playable: true } => match self.source {
                Source::Lost { .. } => State::Waiting,
                _ => State::Live,
            },
            Session::Open { .. } | Session::Expected => State::Starting,
            Session::None if self.lacks_source() => State::Failed,
            Session::None => State::Idle,
        }
    }

    /// The source cannot be reached, and a worker goes on trying.
    fn lacks_source(&self) -> bool {
        match self.schedule {
            Schedule::Always => !self.stopping,
            schedule => schedule.is_fetched() && self.worker != Worker::Off,
        }
    }

    /// The stream was told to stop.
    pub fn stopping(&self) -> bool {
        self.stopping
    }

    /// The stream was told to stop and has nothing left to do.
    pub fn stopped(&self) -> bool {
        self.stopping && self.worker == Worker::Off && self.session == Session::None
    }

    /// Something happened; returns what is to be done, in order.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::PublisherArrived => self.publisher_arrived(now),
            Event::PublisherLeft => self.source_lost(now),
            Event::Demand => self.demanded(now),
            Event::Hired => self.hired(now),
            Event::Lost(cause) => self.lost(cause, now),
            Event::Planned => self.planned(now),
            Event::Produced => self.produced(),
            Event::Playable => self.playable(now),
            Event::Due(late) => self.due(late),
            Event::Decodable => self.decodable(now),
            Event::InputLive => self.input_live(),
            Event::InputLost => self.input_lost(now),
            Event::Finished => match self.worker {
                Worker::Finishing { .. } => {
                    self.actions.push(Action::Retire);
                    self.conclude(now);
                }
                _ => self.lost("worker finished unasked".into(), now),
            },
            Event::Abandon(cause) => self.abandon(cause, now),
            Event::Stop => {
                self.stopping = true;
                self.wind_down(now);
            }
        }
        std::mem::take(&mut self.actions)
    }

    /// The [`deadline`](Self::deadline) has come; returns what is to be done, in order.
    pub fn on_time(&mut self, now: Instant) -> Vec<Action> {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match self.worker {
            Worker::Backoff { until } if until <= now => {
                self.worker = Worker::Hiring;
                self.actions.push(Action::Hire);
            }
            Worker::Finishing { until } if until <= now => self.conclude(now),
            Worker::Up(up) if due(up.plan_by) => {
                let waited = self.limits.startup_max;
                self.lost(format!("nothing could be decoded within {waited:?}"), now);
            }
            Worker::Up(Up {
                late: Some(Late { at, what }),
                ..
            }) if at <= now => self.lost(format!("{what} stands still"), now),
            _ => {}
        }
        if due(self.unwanted_at()) {
            if self.schedule.is_on_demand() && due(self.demanded_until) {
                self.actions.push(Action::TellUnwatched);
            }
            self.wind_down(now);
        }
        self.settle(now);
        std::mem::take(&mut self.actions)
    }

    /// When [`on_time`](Self::on_time) must be called, unless something happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let worker = match self.worker {
            Worker::Off | Worker::Hiring => None,
            Worker::Backoff { until } | Worker::Finishing { until } => Some(until),
            Worker::Up(up) => {
                let late = up.late.map(|late| late.at);
                up.plan_by.into_iter().chain(late).min()
            }
        };
        worker.into_iter().chain(self.unwanted_at()).min()
    }

    /// When the grace period or the demand of a running stream runs out.
    fn unwanted_at(&self) -> Option<Instant> {
        if matches!(self.worker, Worker::Off | Worker::Finishing { .. }) {
            return None;
        }
        let unwatched = self.demanded_until.filter(|_| self.schedule.is_on_demand());
        let given_up = match self.source {
            Source::Lost { since } if self.schedule != Schedule::WhileWatched => {
                Some(since + self.limits.grace)
            }
            _ => None,
        };
        unwatched.into_iter().chain(given_up).min()
    }

    fn demanded(&mut self, now: Instant) {
        let wait = match self.session {
            Session::Open { playable: true } => self.limits.linger,
            // A request is held while the session is made, and its viewer asks for nothing meanwhile.
            _ => self.limits.linger.max(self.limits.startup_max),
        };
        self.demanded_until = Some(now + wait);
        if self.schedule == Schedule::FetchedWhileWatched && self.worker == Worker::Off {
            // Where the camera was away before, the next worker finds out whether it has come back.
            self.source = Source::Present;
        }
        self.settle(now);
    }

    fn publisher_arrived(&mut self, now: Instant) {
        self.source = Source::Present;
        self.failed = false;
        self.undecodable();
        self.settle(now);
    }

    /// What the publisher has sent so far, if anything, gives the worker nothing to plan from.
    fn undecodable(&mut self) {
        self.decodable = false;
        if let Worker::Up(up) = &mut self.worker {
            up.plan_by = None;
        }
    }

    fn decodable(&mut self, now: Instant) {
        self.decodable = true;
        if let Worker::Up(up) = &mut self.worker
            && up.late.is_none()
        {
            up.plan_by = Some(now + self.limits.startup_max);
        }
    }

    fn source_lost(&mut self, now: Instant) {
        self.source = match self.session {
            Session::None => Source::Absent,
            _ => Source::Lost { since: now },
        };
        self.undecodable();
    }

    fn hired(&mut self, now: Instant) {
        // A camera may be away for any time, and a publisher may send no key frame: then no plan is
        // due.
        let waits = match self.schedule {
            Schedule::Always | Schedule::FetchedWhileWatched => false,
            Schedule::WhilePublished => self.decodable,
            Schedule::WhileWatched => true,
        };
        self.worker = Worker::Up(Up {
            since: now,
            plan_by: waits.then(|| now + self.limits.startup_max),
            late: None,
            productive: false,
        });
    }

    fn planned(&mut self, now: Instant) {
        if let Worker::Up(up) = &mut self.worker {
            up.plan_by = None;
            let at = now + self.limits.startup_max;
            up.late = Some(Late { at, what: "output" });
        }
        if !matches!(self.session, Session::Open { .. }) {
            self.session = Session::Open { playable: false };
        }
    }

    fn playable(&mut self, now: Instant) {
        if let Session::Open { playable } = &mut self.session {
            *playable = true;
            // Those who have waited for it ask for more now.
            let until = now + self.limits.linger;
            self.demanded_until = self.demanded_until.map(|demanded| demanded.max(until));
        }
    }

    fn produced(&mut self) {
        self.restarts.produced();
        self.failed = false;
        if let Worker::Up(up) = &mut self.worker {
            up.productive = true;
        }
    }

    fn due(&mut self, next: Late) {
        if let Worker::Up(Up {
            late: Some(late), ..
        }) = &mut self.worker
        {
            *late = next;
        }
    }

    fn input_live(&mut self) {
        if !self.schedule.is_fetched() || self.stopping {
            return;
        }
        self.source = Source::Present;
        if self.session == Session::None {
            self.session = Session::Expected;
            self.actions.push(Action::Expect);
        }
    }

    fn is_source_lost(&self) -> bool {
        matches!(self.source, Source::Lost { .. })
    }

    fn input_lost(&mut self, now: Instant) {
        match self.session {
            _ if !self.schedule.is_fetched() => {}
            // Further failed attempts do not prolong the grace period.
            Session::Open { .. } if self.is_source_lost() => {}
            Session::Open { .. } => self.source_lost(now),
            _ => {
                self.source = Source::Absent;
                self.end_session();
            }
        }
    }

    fn lost(&mut self, cause: String, now: Instant) {
        let (since, productive) = match self.worker {
            Worker::Off | Worker::Backoff { .. } => return,
            Worker::Finishing { .. } => return self.conclude(now),
            Worker::Hiring => (None, false),
            Worker::Up(up) => (Some(up.since), up.productive),
        };
        let again_in = self.restarts.lost(since, productive, now);
        let again_in = self.limits.paced(again_in);
        self.failed |= self.restarts.hopeless();
        self.replace(cause, again_in, now);
    }

    fn replace(&mut self, cause: String, again_in: Duration, now: Instant) {
        self.actions.push(Action::Replace { cause, again_in });
        if again_in.is_zero() {
            self.worker = Worker::Hiring;
            self.actions.push(Action::Hire);
        } else {
            let until = now + again_in;
            self.worker = Worker::Backoff { until };
        }
    }

    /// Starts the stream if it is wanted and not running.
    fn settle(&mut self, now: Instant) {
        let wanted = match self.schedule {
            Schedule::WhilePublished => self.source == Source::Present,
            Schedule::WhileWatched | Schedule::FetchedWhileWatched => {
                self.demanded_until.is_some_and(|until| until > now)
                    && self.resting_until.is_none_or(|until| until <= now)
            }
            Schedule::Always => true,
        };
        if self.stopping || !wanted || self.worker != Worker::Off {
            return;
        }
        if self.schedule.is_on_demand() {
            self.actions.push(Action::TellWatched);
        }
        if !self.schedule.is_fetched() || self.source == Source::Present {
            self.session = Session::Expected;
            self.actions.push(Action::Expect);
        }
        self.worker = Worker::Hiring;
        self.actions.push(Action::Hire);
    }

    /// The stream is no longer wanted: lets the worker finish if a session is open, then ends.
    fn wind_down(&mut self, now: Instant) {
        match (self.worker, self.session) {
            (Worker::Finishing { .. }, _) => {}
            (Worker::Up(_), Session::Open { .. }) => {
                let until = now + self.limits.finish_max;
                self.worker = Worker::Finishing { until };
                self.actions.push(Action::Finish);
            }
            _ => self.conclude(now),
        }
    }

    /// Dismisses the worker and ends the session; starts again if the stream is wanted.
    fn conclude(&mut self, now: Instant) {
        if self.worker != Worker::Off {
            self.worker = Worker::Off;
            self.actions.push(Action::Dismiss);
        }
        self.end_session();
        if matches!(self.source, Source::Lost { .. }) {
            self.source = Source::Absent;
        }
        self.restarts = Restarts::default();
        self.failed = false;
        self.settle(now);
    }

    fn end_session(&mut self) {
        match std::mem::replace(&mut self.session, Session::None) {
            Session::Open { .. } => self.actions.push(Action::EndSession),
            Session::Expected => self.actions.push(Action::GiveUp),
            Session::None => {}
        }
    }

    /// Ends everything. The stream starts again with a new publisher or, where nobody publishes,
    /// after a while.
    fn abandon(&mut self, cause: String, now: Instant) {
        self.failed = true;
        self.source = Source::Absent;
        self.actions.push(Action::Dismiss);
        self.end_session();
        self.actions.push(Action::Abandon(cause));
        self.worker = match self.schedule {
            Schedule::Always if !self.stopping => {
                let until = now + DELAY_MAX;
                Worker::Backoff { until }
            }
            _ => Worker::Off,
        };
        self.demanded_until = None;
        self.resting_until = Some(now + DELAY_MAX);
    }
}

#[cfg(test)]
mod tests;
