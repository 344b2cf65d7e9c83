//! A pacer that goes on where another worker has stopped runs faster than its clock until it has made
//! up for the time in between. It waits for decoders and encoders instead of leaving pictures out.

use std::time::{Duration, Instant};

use super::input::{Intake, Media};
use crate::model::frame::Track;

/// How long a pacer may make up for lost time. Then it leaves pictures out like any other.
pub const CATCH_UP_MAX: Duration = Duration::from_secs(20);
/// A pacer that is less late than this has caught up.
const LATE_MAX: Duration = Duration::from_millis(60);
/// How long the first frame of a track may take to be decoded...
const FIRST_WAIT_MAX: Duration = Duration::from_secs(1);
/// ...and each further one.
const NEXT_WAIT_MAX: Duration = Duration::from_millis(250);
/// Interval at which the input is looked at.
const POLL: Duration = Duration::from_millis(2);

/// How a pacer makes up for lost time.
#[derive(Debug)]
pub struct CatchUp {
    start: Instant,
    began: Instant,
    /// The frames in between come once more.
    replayed: bool,
    done: bool,
}

impl CatchUp {
    /// A pacer whose output time zero is `start`, and whose first slot is at `from`. Of its input,
    /// everything from then on comes once more if it is `replayed`.
    pub fn new(start: Instant, from: Duration, replayed: bool) -> Self {
        Self {
            start,
            began: Instant::now(),
            replayed,
            done: start.elapsed().saturating_sub(from) < LATE_MAX,
        }
    }

    /// Whether the slot at `due` is made late, and on purpose.
    pub fn is_late(&mut self, due: Duration) -> bool {
        let late = self.start.elapsed().saturating_sub(due);
        self.done |= late < LATE_MAX || self.began.elapsed() > CATCH_UP_MAX;
        !self.done
    }

    /// Waits until the input has decoded what belongs to the slot, unless nothing comes.
    pub fn wait_for(&self, intake: &Intake, track: Track, has: impl Fn(&Media) -> bool) {
        let has = || intake.media().as_ref().is_some_and(&has);
        while self.replayed && !self.done && !has() && self.is_expected(intake, track) {
            std::thread::sleep(POLL);
        }
    }

    fn is_expected(&self, intake: &Intake, track: Track) -> bool {
        match intake.last_of(track) {
            Some(last) => last.elapsed() < NEXT_WAIT_MAX,
            None => self.began.elapsed() < FIRST_WAIT_MAX,
        }
    }
}
