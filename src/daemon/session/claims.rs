//! Holds what a worker says against what it was told to do. Pure: callers pass the time.
//!
//! The plan and the cutting say how long segments and parts are, and the worker tells each cut before
//! the media that depends on it (see [`crate::model::ladder::cuts`]). So the daemon knows which part
//! comes next, whether it is the last of its segment, how long it may be and when it can be there at
//! the earliest. What is left to the worker are the bytes, and they are bounded by the bitrate.

mod planned;
mod stopped;

use std::time::Duration;

use planned::Planned;
pub use planned::{Moment, segment_bytes_max};
pub use stopped::Stopped;

use super::fault::Fault;
use super::machine::{Late, Limits};
use crate::model::encoder::{Filling, TemplateName};
use crate::model::hls::{Part, TrackId, TsSegment, is_codec};
use crate::model::ladder::cuts::Cut;
use crate::model::ladder::{Plan, can_make};
use crate::model::passthrough::Policy;
use crate::wire::protocol::{Cutting, Rest, Start};

/// GStreamer rounds durations to the nanosecond. A part that is longer than PART-TARGET by this much
/// is not printed above it, because playlists have microseconds.
const ROUNDING_MAX: Duration = Duration::from_nanos(400);
/// Longest initialization section; real ones have one or two kilobytes.
const INIT_BYTES_MAX: usize = 64 * 1024;
/// What one worker was told, and what it has claimed so far.
#[derive(Debug)]
pub struct Claims {
    orders: Start,
    planned: Option<Planned>,
    /// The worker goes on where another one has stopped, and has not said so far that it does.
    resumes: bool,
    /// The worker has made a part.
    productive: bool,
    /// The worker was asked to finish, so its last segments may be short.
    finishing: bool,
}

impl Claims {
    /// A worker that was told `orders`.
    pub fn new(orders: Start) -> Self {
        Self {
            orders,
            planned: None,
            resumes: false,
            productive: false,
            finishing: false,
        }
    }

    /// Where the worker is; `None` before it has made something of every rendition.
    pub fn stopped(&self) -> Option<Stopped> {
        self.planned.as_ref()?.stopped()
    }

    /// Output time of the first frame that some rendition lacks; `None` before there is a plan.
    pub fn lacks_from(&self) -> Option<Duration> {
        self.planned.as_ref()?.lacks().map(|(from, _)| from)
    }

    /// The worker has made a part.
    pub fn is_productive(&self) -> bool {
        self.productive
    }

    /// Another worker, which was told `orders`, goes on where this one has stopped.
    pub fn succeeded_by(self, orders: Start) -> Self {
        Self {
            orders,
            planned: self.planned,
            resumes: true,
            productive: false,
            finishing: false,
        }
    }

    /// Checks the plan of a worker that goes on where another one has stopped.
    fn resumed(&mut self, plan: &Plan, heard: Moment) -> Result<Duration, Fault> {
        let given = self.orders.plan.as_ref();
        if given != Some(plan) {
            return Err(Fault::OtherPlan);
        }
        let planned = self.planned.as_mut().ok_or(Fault::NoPlan)?;
        planned.resume(heard);
        self.resumes = false;
        Ok(planned.part_target)
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
        let planned = self.planned.as_ref().filter(|_| !self.resumes)?;
        planned.late(limits)
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
        if self.planned.is_some() && !self.resumes {
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
        if self.resumes {
            return match self.resumed(plan, heard)? {
                target if target == part_target => Ok(()),
                _ => Err(Fault::BadPartTarget),
            };
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

    /// Checks what a rung is made by.
    pub fn filled(&self, filling: &Filling) -> Result<(), Fault> {
        match filling {
            Filling::Encoder(encoder) if !self.orders.encoders.contains(encoder) => {
                Err(Fault::BadEncoders)
            }
            Filling::Passthrough if self.orders.passthrough == Policy::Never => {
                Err(Fault::BadEncoders)
            }
            Filling::Encoder(_) | Filling::Asleep | Filling::Passthrough => Ok(()),
        }
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
        self.productive = true;
        progress.heard = Some(heard.at);
        let before = progress.take(part.duration, part.data.len(), part.last)?;
        let through = before.saturating_add(part.duration);
        planned.segment(part.msn, through, part.last && !finishing)?;
        planned.timely(part.msn, before, through, part.date_ns, heard)
    }

    /// Checks what the next part of a rung leaves over.
    pub fn rest(&mut self, video: u8, rest: Rest) -> Result<(), Fault> {
        if self.orders.passthrough == Policy::Never {
            return Err(Fault::BadEncoders);
        }
        let planned = self.planned.as_mut().ok_or(Fault::NoPlan)?;
        planned.rest(video, rest)
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

#[cfg(test)]
mod tests;
