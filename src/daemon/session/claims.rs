//! Holds what a worker says against what it was told to do. Pure: callers pass the time.
//!
//! The plan and the cutting say how long segments and parts are, and the worker tells each cut before
//! the media that depends on it ([`CutLog`](crate::model::ladder::cuts::CutLog)). So the daemon knows which part comes next, whether it is
//! the last of its segment, how long it may be and when it can be there at the earliest. What is left
//! to the worker are the bytes, and they are bounded by the bitrate.

mod planned;

use std::time::{Duration, Instant};

use planned::Planned;

use super::fault::Fault;
use super::machine::{Late, Limits};
use crate::model::encoder::TemplateName;
use crate::model::hls::{Part, TrackId, TsSegment, is_codec};
use crate::model::ladder::cuts::Cut;
use crate::model::ladder::{Plan, can_make};
use crate::wire::protocol::{Cutting, Start};

/// GStreamer rounds durations to the nanosecond. A part that is longer than PART-TARGET by this much
/// is not printed above it, because playlists have microseconds.
const ROUNDING_MAX: Duration = Duration::from_nanos(400);
/// How far media may be ahead of real time: what waits in a worker's queue and its socket while the
/// daemon is busy.
const AHEAD_MAX: Duration = Duration::from_secs(10);
/// How far the first date of a worker may be from the daemon's clock, which the system may set while
/// a worker starts.
const DATE_OFF_MAX: Duration = Duration::from_secs(3600);
/// How far later dates may be from the first one plus the media in between.
const DATE_DRIFT_MAX: Duration = Duration::from_secs(10);
/// Cuts may come this much more often than nominal, because an early cut is how a rung gets another
/// encoder and how the key frames of a publisher are followed...
const CUTS_FACTOR: u64 = 2;
/// ...and this many more at once.
const CUTS_BURST_MAX: u64 = 16;
/// Longest initialization section; real ones have one or two kilobytes.
const INIT_BYTES_MAX: usize = 64 * 1024;
/// A segment may have this many times the bytes that its bitrate gives, because an encoder may
/// exceed its bitrate for a while...
const BYTES_FACTOR: u64 = 4;
/// ...and the rate buffer of an encoder holds up to this much more.
const BUFFER: Duration = Duration::from_secs(1);
/// The least limit of a segment: at a low bitrate one key frame may be all of it.
const SEGMENT_BYTES_FLOOR: u64 = 1024 * 1024;

/// When something was heard.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// On the clock that never jumps.
    pub at: Instant,
    /// On the wall clock, nanoseconds since the Unix epoch.
    pub unix_ns: u64,
}

/// What one worker was told, and what it has claimed so far.
#[derive(Debug)]
pub struct Claims {
    orders: Start,
    planned: Option<Planned>,
    /// The worker was asked to finish, so its last segments may be short.
    finishing: bool,
}

impl Claims {
    /// A worker that was told `orders`.
    pub fn new(orders: Start) -> Self {
        Self {
            orders,
            planned: None,
            finishing: false,
        }
    }

    /// Name of the stream that the worker serves.
    pub fn stream(&self) -> &str {
        &self.orders.stream
    }

    /// How the worker was told to cut.
    pub fn cutting(&self) -> Cutting {
        self.orders.cutting
    }

    /// The worker was asked to finish.
    pub fn finish(&mut self) {
        self.finishing = true;
    }

    /// When the worker's output is late, and which output: the first rendition whose next part or
    /// segment will be overdue. Every rendition counts by what has arrived here, so an encoder, a
    /// packager or a whole worker that stops is noticed alike. `None` before the plan.
    pub fn late(&self, limits: &Limits) -> Option<Late> {
        self.planned.as_ref()?.late(limits)
    }

    /// Checks the worker's plan.
    ///
    /// # Errors
    /// The [`Fault`] that costs the worker its job; so for all checks.
    pub fn planned(
        &mut self,
        plan: &Plan,
        encoders: &[TemplateName],
        part_target: Duration,
        heard: Moment,
    ) -> Result<(), Fault> {
        let orders = &self.orders;
        if self.planned.is_some() {
            return Err(Fault::PlannedTwice);
        }
        match &orders.plan {
            Some(given) if given != plan => return Err(Fault::OtherPlan),
            None if !can_make(&orders.rungs, plan) => return Err(Fault::BadPlan),
            _ => {}
        }
        let offered = |encoder: &TemplateName| orders.encoders.contains(encoder);
        if encoders.len() != plan.video.len() || !encoders.iter().all(offered) {
            return Err(Fault::BadEncoders);
        }
        let planned = Planned::new(orders, plan, heard.at);
        if planned.part_target != part_target {
            return Err(Fault::BadPartTarget);
        }
        self.planned = Some(planned);
        Ok(())
    }

    /// Checks a cut.
    pub fn cut(&mut self, cut: Cut, heard: Moment) -> Result<(), Fault> {
        let first_msn = self.orders.first_msn;
        let planned = self.planned.as_mut().ok_or(Fault::NoPlan)?;
        planned.cut(cut, first_msn, heard)
    }

    /// Checks an initialization section.
    pub fn init(&mut self, track: TrackId, codec: &str, bytes: usize) -> Result<(), Fault> {
        let planned = self.planned.as_mut().ok_or(Fault::NoPlan)?;
        let progress = planned.progress(track)?;
        if !is_codec(track, codec) {
            return Err(Fault::BadCodec);
        }
        // An EXT-X-MAP "applies to every Media Segment that appears after it" (section 4.4.4.5), so it
        // cannot change inside a segment.
        if progress.next.1 != 0 {
            return Err(Fault::MisplacedInit);
        }
        if !(1..=INIT_BYTES_MAX).contains(&bytes) {
            return Err(Fault::BadSize);
        }
        progress.initialized = true;
        Ok(())
    }

    /// Checks a part.
    pub fn part(&mut self, part: &Part, heard: Moment) -> Result<(), Fault> {
        let finishing = self.finishing;
        let planned = self.planned.as_mut().ok_or(Fault::NoPlan)?;
        let target = planned.part_target;
        let last = planned.is_last(part);
        planned.wake(part.track);
        let progress = planned.progress(part.track)?;
        if !progress.initialized {
            return Err(Fault::MisplacedInit);
        }
        if (part.msn, part.index) != progress.next {
            return Err(Fault::LeftOut);
        }
        if part.last != last? {
            return Err(Fault::BadCut);
        }
        // EXT-X-INDEPENDENT-SEGMENTS "indicates that all media samples in a Media Segment can be
        // decoded without information from other segments" (section 4.4.2.1).
        if part.index == 0 && !part.independent {
            return Err(Fault::Dependent);
        }
        // "The duration of a Partial Segment MUST be less than or equal to the Part Target Duration",
        // and "at least 85% of the Part Target Duration, with the exception of Partial Segments with
        // the INDEPENDENT=YES attribute and the final Partial Segment of any Parent Segment" (section
        // 4.4.4.9). Half of it is the bound here, because encoders may leave pictures out.
        let short = !part.last && !finishing && part.duration.saturating_mul(2) < target;
        if part.duration.is_zero() || part.duration > target + ROUNDING_MAX || short {
            return Err(Fault::Absurd);
        }
        progress.heard = Some(heard.at);
        let before = progress.take(part.duration, part.data.len(), part.last)?;
        let through = before.saturating_add(part.duration);
        planned.segment(part.msn, through, part.last && !finishing)?;
        planned.timely(part.msn, before, through, part.date_ns, heard)
    }

    /// Checks an MPEG-TS segment.
    pub fn ts_segment(&mut self, segment: &TsSegment, heard: Moment) -> Result<(), Fault> {
        let finishing = self.finishing;
        let planned = self.planned.as_mut().ok_or(Fault::NoPlan)?;
        planned.wake_ts(segment.video);
        let progress = planned.ts.get_mut(usize::from(segment.video));
        let progress = progress.ok_or(Fault::NoSuchTrack)?;
        if (segment.msn, 0) != progress.next {
            return Err(Fault::LeftOut);
        }
        if !planned.is_over(segment.msn) && !finishing {
            return Err(Fault::BadCut);
        }
        let progress = planned.ts.get_mut(usize::from(segment.video));
        let progress = progress.ok_or(Fault::NoSuchTrack)?;
        let duration = segment.duration;
        if duration.is_zero() || duration > planned.timing.target() * 2 {
            return Err(Fault::Absurd);
        }
        progress.heard = Some(heard.at);
        progress.take(duration, segment.data.len(), true)?;
        planned.segment(segment.msn, duration, !finishing)?;
        planned.timely(
            segment.msn,
            Duration::ZERO,
            duration,
            segment.date_ns,
            heard,
        )
    }
}

/// Most bytes of one segment of a rendition with that bitrate. The origin holds at most
/// [`SEGMENTS_KEPT_MAX`](crate::model::hls::SEGMENTS_KEPT_MAX) of them, and the open one, when memory
/// is short.
pub fn segment_bytes_max(bitrate_bps: u64, target: Duration) -> u64 {
    let time_ms = u64::try_from((target + BUFFER).as_millis()).unwrap_or(u64::MAX);
    let bytes = bitrate_bps.saturating_mul(time_ms) / 8000;
    bytes
        .saturating_mul(BYTES_FACTOR)
        .saturating_add(SEGMENT_BYTES_FLOOR)
}

#[cfg(test)]
mod tests;
