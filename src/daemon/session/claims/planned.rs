//! How far a worker is with what it has planned.

use std::time::{Duration, Instant};

use crate::daemon::session::fault::Fault;
use crate::daemon::session::machine::{Late, Limits};
use crate::model::hls::{Part, Timing, TrackId};
use crate::model::ladder::cuts::{Cut, CutLog};
use crate::model::ladder::lengths::{Lengths, Settings};
use crate::model::ladder::{Plan, RungSet};
use crate::wire::protocol::{Rest, Start};

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
pub(super) const CUTS_FACTOR: u64 = 2;
/// ...and this many more at once.
pub(super) const CUTS_BURST_MAX: u64 = 16;
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

/// A worker's plan, and what has been heard since.
#[derive(Debug)]
pub(super) struct Planned {
    at: Instant,
    /// When the worker that makes it now has planned.
    since: Instant,
    segment: Duration,
    lengths: Lengths,
    /// The cuts that were told; `None` before the first.
    pub(super) log: Option<CutLog>,
    cuts: u64,
    rungs: RungSet,
    pub(super) timing: Timing,
    pub(super) part_target: Duration,
    /// Wall-clock time of output position 0, by the first date of the worker.
    epoch_ns: Option<i128>,
    pub(super) video: Vec<Progress>,
    pub(super) audio: Vec<Progress>,
    pub(super) ts: Vec<Progress>,
}

/// How far one rendition is.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// Segment number and index of the next part.
    pub(super) next: (u64, u32),
    pub(super) initialized: bool,
    /// When the last part or segment was heard, or the rung was woken.
    pub(super) heard: Option<Instant>,
    /// Parts that were heard.
    made: u64,
    /// Duration and bytes of the open segment.
    duration: Duration,
    bytes: u64,
    bytes_max: u64,
    /// What the last part has left over of the publisher's frames, and what the next one will.
    pub(super) rest: Option<Rest>,
    rest_next: Option<Rest>,
}

impl Planned {
    pub(super) fn new(orders: &Start, plan: &Plan, at: Instant) -> Self {
        let cutting = orders.cutting;
        let lengths = Lengths::new(Settings {
            fps: plan.canvas.fps,
            grid: plan.grid(),
            segment: cutting.segment,
            part: cutting.part,
        });
        let part_target = lengths.part_target();
        let timing = Timing::new(plan, cutting.segment, part_target, None);
        let progress = |bps: u64| Progress {
            next: (orders.first_msn, 0),
            initialized: false,
            heard: None,
            made: 0,
            duration: Duration::ZERO,
            bytes: 0,
            bytes_max: segment_bytes_max(bps, timing.target()),
            rest: None,
            rest_next: None,
        };
        let sound = |video| plan.audio_of(video).map_or(0, |audio| audio.bitrate.bps());
        let muxed = plan
            .video
            .iter()
            .map(|v| v.bitrate.bps().saturating_add(sound(v)));
        let video = plan.video.iter().map(|v| progress(v.bitrate.bps()));
        let audio = plan.audio.iter().map(|a| progress(a.bitrate.bps()));
        Self {
            at,
            since: at,
            segment: cutting.segment,
            lengths,
            log: None,
            cuts: 0,
            rungs: RungSet::first(plan.video.len()),
            timing,
            part_target,
            epoch_ns: None,
            video: video.collect(),
            audio: audio.collect(),
            ts: muxed.filter(|_| cutting.ts).map(progress).collect(),
        }
    }

    /// Takes a cut. The first one begins the session, or the part of it that this worker makes.
    pub(super) fn cut(&mut self, cut: Cut, first_msn: u64, heard: Moment) -> Result<(), Fault> {
        if cut.awake.is_empty() || !cut.awake.is_within(self.rungs) {
            return Err(Fault::NoSuchTrack);
        }
        // The log forgets old cuts, so a rung that sleeps for long has to keep up with it.
        for rung in 0..=u8::MAX {
            if !self.rungs.contains(usize::from(rung)) {
                break;
            }
            self.wake(TrackId::Video(rung));
            self.wake_ts(rung);
        }
        let begins = self.lengths.fps.time_of(cut.frame);
        let elapsed = heard.at.saturating_duration_since(self.at);
        let before = match &mut self.log {
            None if (cut.msn, cut.frame) == (first_msn, 0) => {
                self.log = Some(CutLog::new(self.lengths, cut));
                RungSet::EMPTY
            }
            Some(log) => {
                let before = log.last().awake;
                if !log.accept(cut) {
                    return Err(Fault::BadCut);
                }
                // The cut may be told a segment before the media that it ends.
                if begins > elapsed.saturating_add(AHEAD_MAX + self.segment) {
                    return Err(Fault::Hasty);
                }
                before
            }
            None => return Err(Fault::BadCut),
        };
        self.cuts = self.cuts.saturating_add(1);
        let nominal = cut.frame / self.lengths.segment_frames.max(1);
        if self.cuts > CUTS_BURST_MAX.saturating_add(nominal.saturating_mul(CUTS_FACTOR)) {
            return Err(Fault::BadCut);
        }
        let woken = |rung: usize| cut.awake.contains(rung) && !before.contains(rung);
        for renditions in [&mut self.video, &mut self.ts] {
            for (_, rendition) in renditions.iter_mut().enumerate().filter(|(n, _)| woken(*n)) {
                rendition.heard = rendition.heard.map(|_| heard.at);
            }
        }
        Ok(())
    }

    /// Another worker makes the rest.
    pub(super) fn resume(&mut self, heard: Moment) {
        self.since = heard.at;
        for renditions in [&mut self.video, &mut self.audio, &mut self.ts] {
            for rendition in renditions {
                rendition.heard = None;
                // It belongs to a part that never came.
                rendition.rest_next = None;
            }
        }
    }

    /// Takes what the next part of a rung leaves over: fewer frames than a part has, in no more bytes than
    /// a segment.
    pub(super) fn rest(&mut self, video: u8, rest: Rest) -> Result<(), Fault> {
        let part_frames = self.lengths.part_frames;
        let progress = self.progress(TrackId::Video(video))?;
        if progress.rest_next.is_some() {
            return Err(Fault::LeftOut);
        }
        if !(1..part_frames).contains(&u64::from(rest.frames)) {
            return Err(Fault::Absurd);
        }
        if rest.data.is_empty() || rest.data.len() as u64 > progress.bytes_max {
            return Err(Fault::BadSize);
        }
        progress.rest_next = Some(rest);
        Ok(())
    }

    /// Whether a part ends its segment.
    pub(super) fn is_last(&self, part: &Part) -> Result<bool, Fault> {
        let log = self.log.as_ref().ok_or(Fault::BadCut)?;
        if log.cut(part.msn).is_none() {
            return Err(Fault::BadCut);
        }
        Ok(match part.track {
            TrackId::Video(_) => log.ends_segment(part.msn, part.index),
            TrackId::Audio(_) => log.ends_audio_segment(part.msn, part.index),
        })
    }

    /// The cut that ends segment `msn` was told.
    pub(super) fn is_over(&self, msn: u64) -> bool {
        let log = self.log.as_ref();
        log.is_some_and(|log| log.cut(msn.saturating_add(1)).is_some())
    }

    /// Passes over the segments that a rung slept through.
    pub(super) fn wake(&mut self, track: TrackId) {
        if let (TrackId::Video(n), Some(log)) = (track, &self.log)
            && let Some(progress) = self.video.get_mut(usize::from(n))
        {
            progress.wake(log, usize::from(n));
        }
    }

    /// Passes over the MPEG-TS segments that a rung slept through.
    pub(super) fn wake_ts(&mut self, video: u8) {
        if let (Some(log), Some(progress)) = (&self.log, self.ts.get_mut(usize::from(video))) {
            progress.wake(log, usize::from(video));
        }
    }

    pub(super) fn late(&self, limits: &Limits) -> Option<Late> {
        let (stall, part) = (limits.stall_max, self.part_target);
        let (times, of) = TS_PATIENCE;
        let ts_stall = stall.saturating_mul(times) / of;
        // The encoders are built after the plan is told, which may take a while.
        let start = self.since + limits.startup_max;
        [
            ("picture", &self.video, part + stall),
            ("sound", &self.audio, part + stall),
            ("MPEG-TS", &self.ts, self.segment + ts_stall),
        ]
        .into_iter()
        .filter_map(|(what, renditions, patience)| {
            let expected = renditions.iter().enumerate();
            let expected = expected.filter(|(n, r)| what == "sound" || self.expects(*n, r));
            let heard = expected.map(|(_, r)| r.heard.unwrap_or(start)).min()?;
            let at = heard + patience;
            Some(Late { at, what })
        })
        .min_by_key(|late| late.at)
    }

    /// Whether media of a rung is to come: it is awake, or has not ended what it made before it slept.
    pub(super) fn expects(&self, rung: usize, rendition: &Progress) -> bool {
        let Some(log) = &self.log else { return true };
        let mut rendition = rendition.clone();
        rendition.wake(log, rung);
        log.cut(rendition.next.0)
            .map_or(log.last().awake, |cut| cut.awake)
            .contains(rung)
    }

    pub(super) fn progress(&mut self, track: TrackId) -> Result<&mut Progress, Fault> {
        let progress = match track {
            TrackId::Video(n) => self.video.get_mut(usize::from(n)),
            TrackId::Audio(n) => self.audio.get_mut(usize::from(n)),
        };
        progress.ok_or(Fault::NoSuchTrack)
    }

    fn segment_time(&self, msn: u64) -> Option<Duration> {
        self.log.as_ref().and_then(|log| log.segment_time(msn))
    }

    /// Checks the duration of segment `msn` as far as it goes, or of all of it when it is `whole`.
    pub(super) fn segment(&self, msn: u64, duration: Duration, whole: bool) -> Result<(), Fault> {
        // "The EXTINF duration of each Media Segment in a Playlist file, when rounded to the nearest
        // integer, MUST be less than or equal to the Target Duration" (section 4.4.3.1).
        let rounded = duration.saturating_add(Duration::from_millis(500));
        let bounds = self
            .segment_time(msn)
            .zip(self.segment_time(msn.saturating_add(1)));
        let nominal = bounds.map_or(Duration::ZERO, |(start, end)| end.saturating_sub(start));
        // A playlist of segments that last next to nothing would never become shorter.
        if rounded.as_secs() > self.timing.target_s()
            || (whole && duration.saturating_mul(2) < nominal)
        {
            return Err(Fault::Absurd);
        }
        Ok(())
    }

    /// Checks when media from `before` to `through` in segment `msn` is heard, and its date.
    pub(super) fn timely(
        &mut self,
        msn: u64,
        before: Duration,
        through: Duration,
        date_ns: u64,
        heard: Moment,
    ) -> Result<(), Fault> {
        let start = self.segment_time(msn).ok_or(Fault::BadCut)?;
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
    pub(super) fn wake(&mut self, log: &CutLog, rung: usize) {
        let asleep = |msn| log.cut(msn).is_some_and(|cut| !cut.awake.contains(rung));
        while self.next.1 == 0 && asleep(self.next.0) {
            self.next.0 = self.next.0.saturating_add(1);
        }
    }

    /// Parts that were heard.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// Adds media to the open segment; returns the duration of what was there before.
    pub(super) fn take(
        &mut self,
        duration: Duration,
        bytes: usize,
        last: bool,
    ) -> Result<Duration, Fault> {
        let before = self.duration;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if bytes == 0 || self.bytes > self.bytes_max {
            return Err(Fault::BadSize);
        }
        self.made = self.made.saturating_add(1);
        self.rest = self.rest_next.take();
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
