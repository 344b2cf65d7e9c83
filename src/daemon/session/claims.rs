//! Holds what a worker says against what it was told to do. Pure: callers pass the time.
//!
//! The plan and the cutting fix every cut ([`LadderClock`]), so the daemon knows which part comes
//! next, whether it is the last of its segment, how long it may be and when it can be there at the
//! earliest. What is left to the worker are the bytes, and they are bounded by the bitrate.

use std::time::{Duration, Instant};

use super::fault::Fault;
use super::machine::{Late, Limits};
use crate::model::encoder::TemplateName;
use crate::model::hls::{Part, Timing, TrackId, TsSegment, is_codec};
use crate::model::ladder::clock::{AudioClock, LadderClock, Settings};
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
/// Longest initialization section; real ones have one or two kilobytes.
const INIT_BYTES_MAX: usize = 64 * 1024;
/// A segment may have this many times the bytes that its bitrate gives, because an encoder may
/// exceed its bitrate for a while...
const BYTES_FACTOR: u64 = 4;
/// ...and the rate buffer of an encoder holds up to this much more.
const BUFFER: Duration = Duration::from_secs(1);
/// The least limit of a segment: at a low bitrate one key frame may be all of it.
const SEGMENT_BYTES_FLOOR: u64 = 1024 * 1024;

/// Of the time for which output may stand still, the part that an MPEG-TS segment may be late. A
/// segment comes so seldom that the whole time on top of its duration would be long.
const TS_PATIENCE: (u32, u32) = (2, 3);

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

#[derive(Debug)]
struct Planned {
    at: Instant,
    segment: Duration,
    clock: LadderClock,
    audio_clock: AudioClock,
    timing: Timing,
    part_target: Duration,
    /// Wall-clock time of output position 0, by the first date of the worker.
    epoch_ns: Option<i128>,
    video: Vec<Progress>,
    audio: Vec<Progress>,
    ts: Vec<Progress>,
}

/// How far one rendition is.
#[derive(Debug, Clone)]
struct Progress {
    /// Segment number and index of the next part.
    next: (u64, u32),
    begun: bool,
    initialized: bool,
    /// When the last part or segment was heard.
    heard: Option<Instant>,
    /// Duration and bytes of the open segment.
    duration: Duration,
    bytes: u64,
    bytes_max: u64,
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

    /// Checks an initialization section.
    pub fn init(&mut self, track: TrackId, codec: &str, bytes: usize) -> Result<(), Fault> {
        let planned = self.planned.as_mut().ok_or(Fault::NoPlan)?;
        let progress = planned.progress(track)?;
        if !is_codec(track, codec) {
            return Err(Fault::BadCodec);
        }
        // "callers must change the init sections of all renditions at the same segment"
        // (`Presentation::init`), which one worker never does.
        if progress.begun {
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
        let parts = match part.track {
            TrackId::Video(_) => planned.clock.parts_in_segment(part.msn),
            TrackId::Audio(_) => planned.audio_clock.parts_in_segment(part.msn),
        };
        let progress = planned.progress(part.track)?;
        if !progress.initialized {
            return Err(Fault::MisplacedInit);
        }
        if (part.msn, part.index) != progress.next {
            return Err(Fault::LeftOut);
        }
        if part.last != (part.index.saturating_add(1) >= parts) {
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
        let progress = planned.ts.get_mut(usize::from(segment.video));
        let progress = progress.ok_or(Fault::NoSuchTrack)?;
        if (segment.msn, 0) != progress.next {
            return Err(Fault::LeftOut);
        }
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

impl Planned {
    fn new(orders: &Start, plan: &Plan, at: Instant) -> Self {
        let cutting = orders.cutting;
        let clock = LadderClock::new(Settings {
            fps: plan.canvas.fps,
            grid: plan.grid(),
            segment: cutting.segment,
            part: cutting.part,
            first_msn: orders.first_msn,
        });
        let part_target = clock.part_target();
        let timing = Timing::new(plan, cutting.segment, part_target, None);
        let progress = |bps: u64| Progress {
            next: (orders.first_msn, 0),
            begun: false,
            initialized: false,
            heard: None,
            duration: Duration::ZERO,
            bytes: 0,
            bytes_max: segment_bytes_max(bps, timing.target()),
        };
        let sound = |video| plan.audio_of(video).map_or(0, |audio| audio.bitrate.bps());
        let muxed = plan
            .video
            .iter()
            .map(|v| v.bitrate.bps().saturating_add(sound(v)));
        Self {
            at,
            segment: cutting.segment,
            audio_clock: clock.audio(),
            clock,
            timing,
            part_target,
            epoch_ns: None,
            video: plan
                .video
                .iter()
                .map(|v| progress(v.bitrate.bps()))
                .collect(),
            audio: plan
                .audio
                .iter()
                .map(|a| progress(a.bitrate.bps()))
                .collect(),
            ts: muxed.filter(|_| cutting.ts).map(progress).collect(),
        }
    }

    fn late(&self, limits: &Limits) -> Option<Late> {
        let (stall, part) = (limits.stall_max, self.part_target);
        let (times, of) = TS_PATIENCE;
        let ts_stall = stall.saturating_mul(times) / of;
        // The encoders are built after the plan is told, which may take a while.
        let start = self.at + limits.startup_max;
        [
            ("picture", &self.video, part + stall),
            ("sound", &self.audio, part + stall),
            ("MPEG-TS", &self.ts, self.segment + ts_stall),
        ]
        .into_iter()
        .filter_map(|(what, renditions, patience)| {
            let heard = renditions.iter().map(|r| r.heard.unwrap_or(start)).min()?;
            let at = heard + patience;
            Some(Late { at, what })
        })
        .min_by_key(|late| late.at)
    }

    fn progress(&mut self, track: TrackId) -> Result<&mut Progress, Fault> {
        let progress = match track {
            TrackId::Video(n) => self.video.get_mut(usize::from(n)),
            TrackId::Audio(n) => self.audio.get_mut(usize::from(n)),
        };
        progress.ok_or(Fault::NoSuchTrack)
    }

    /// Checks the duration of segment `msn` as far as it goes, or of all of it when it is `whole`.
    fn segment(&self, msn: u64, duration: Duration, whole: bool) -> Result<(), Fault> {
        // "The EXTINF duration of each Media Segment in a Playlist file, when rounded to the nearest
        // integer, MUST be less than or equal to the Target Duration" (section 4.4.3.1).
        let rounded = duration.saturating_add(Duration::from_millis(500));
        let end = self.clock.segment_time(msn.saturating_add(1));
        let nominal = end.saturating_sub(self.clock.segment_time(msn));
        // A playlist of segments that last next to nothing would never become shorter.
        if rounded.as_secs() > self.timing.target_s()
            || (whole && duration.saturating_mul(2) < nominal)
        {
            return Err(Fault::Absurd);
        }
        Ok(())
    }

    /// Checks when media from `before` to `through` in segment `msn` is heard, and its date.
    fn timely(
        &mut self,
        msn: u64,
        before: Duration,
        through: Duration,
        date_ns: u64,
        heard: Moment,
    ) -> Result<(), Fault> {
        let start = self.clock.segment_time(msn);
        let elapsed = heard.at.saturating_duration_since(self.at);
        if start.saturating_add(through) > elapsed.saturating_add(AHEAD_MAX) {
            return Err(Fault::Hasty);
        }
        let signed = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
        let position_ns = signed(start.saturating_add(before));
        let date_ns = i128::from(date_ns);
        let (expected_ns, off_max) = match self.epoch_ns {
            Some(epoch_ns) => (epoch_ns + position_ns, DATE_DRIFT_MAX),
            None => (i128::from(heard.unix_ns), DATE_OFF_MAX),
        };
        if (date_ns - expected_ns).abs() > signed(off_max) {
            return Err(Fault::BadDate);
        }
        self.epoch_ns.get_or_insert(date_ns - position_ns);
        Ok(())
    }
}

impl Progress {
    /// Adds media to the open segment; returns the duration of what was there before.
    fn take(&mut self, duration: Duration, bytes: usize, last: bool) -> Result<Duration, Fault> {
        let before = self.duration;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if bytes == 0 || self.bytes > self.bytes_max {
            return Err(Fault::BadSize);
        }
        self.begun = true;
        if last {
            self.next = (self.next.0.saturating_add(1), 0);
            (self.duration, self.bytes) = (Duration::ZERO, 0);
        } else {
            self.next.1 = self.next.1.saturating_add(1);
            self.duration = before.saturating_add(duration);
        }
        Ok(before)
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
