//! Converts a publisher's timestamps to output times, the same way for pictures and sound.
//!
//! A frame's *transit* is the output time of its arrival minus its timestamp. The least transit of
//! the last seconds is the *base*: the fastest that the network delivers. What a frame takes beyond
//! the base is jitter. Every frame is due at its timestamp + the *offset*: the base of the slower
//! track + a *margin* that covers nearly all of the jitter. Both tracks share one offset, which
//! keeps picture and sound in sync. Because the offset follows the base, a publisher's clock may run
//! fast or slow.

use std::collections::VecDeque;
use std::time::Duration;

use super::{MS_NS, SECOND_NS, nanos};
use crate::model::frame::Track;

/// For how long transits are remembered.
const WINDOW_NS: i64 = 10 * SECOND_NS;
/// Most transits remembered per track.
const SAMPLES_MAX: usize = 1024;
/// Interval at which base and margin are measured.
const MEASURED_EACH_NS: i64 = 100 * MS_NS;
/// Share of the transits that the margin covers, in thousandths; the others are late, and a late
/// picture is not shown. Over 10 s at 30 fps that is one picture.
const IN_TIME_PER_MILLE: usize = 996;
/// Margin beyond the measured jitter: pictures are shown up to half a slot before they are due, and
/// sound up to 15 ms before it is stretched.
const JITTER_ROOM_NS: i64 = 25 * MS_NS;
/// Least margin.
const MARGIN_MIN_NS: i64 = 30 * MS_NS;
/// Largest margin; frames with more jitter are late.
const MARGIN_MAX_NS: i64 = 2 * SECOND_NS;
/// A transit that exceeds the base by more than this is a jump of the timestamps, not jitter.
const JUMP_NS: i64 = 2 * SECOND_NS;
/// A base that falls by more than this means a faster network path or new timestamps: earlier
/// transits no longer count.
const FALL_NS: i64 = 150 * MS_NS;
/// The same while the track settles, because during a burst the base falls in small steps.
const SETTLING_FALL_NS: i64 = 10 * MS_NS;
/// A track has settled when its base has not fallen for this long.
const SETTLED_AFTER_NS: i64 = 2 * SECOND_NS;
/// A rise of the offset by more than this is made at once: the output has run out of frames anyway.
const STEP_UP_NS: i64 = 150 * MS_NS;
/// A fall of the offset by more than this is made at once. A smaller one, as after a short network
/// stall, is slewed: viewers would hear the jump but hardly notice the delay.
const STEP_DOWN_NS: i64 = SECOND_NS;
/// How fast the offset is slewed, in nanoseconds per second: 0.5 %.
const SLEW_NS_PER_S: i64 = 5 * MS_NS;
/// How much later than needed the frames of a source that may be passed through may be due.
const HELD_SLOW_NS: i64 = 150 * MS_NS;
/// A track without a frame for this long does not influence the offset.
const STALE_AFTER_NS: i64 = 3 * SECOND_NS;
/// Tracks whose offsets differ by more than this have no common clock: each keeps its own offset.
const SYNC_NS_MAX: i64 = 5 * SECOND_NS;

/// By how much the frames that wait in the queues have to move with the offset, in nanoseconds:
/// their due times were computed from the offset before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// The pictures.
    pub video_ns: i64,
    /// The sound.
    pub audio_ns: i64,
}

/// Maps the timestamps of one input to the output's clock.
#[derive(Debug, Default)]
pub struct Timeline {
    video: Transits,
    audio: Transits,
    offset_ns: Option<i64>,
    slewed_at_ns: i64,
    /// Up to this output time, frames that come late say nothing about the network.
    replay_until_ns: Option<i64>,
    /// Up to this output time, pictures that come late say nothing about the network.
    excused_until_ns: Option<i64>,
    /// By how much the pictures need a larger offset than the sound.
    beyond_sound_ns: i64,
    /// Added to the margin of a source that may be passed through.
    lead_ns: Option<i64>,
    /// The offset of such a source is being slewed.
    moves: bool,
}

impl Timeline {
    /// Goes on with the offset of another worker, which stays up to output time `until`: before that,
    /// frames that were sent to that worker already come in a burst, most of them late.
    pub fn resumed(offset_ns: i64, until: Duration) -> Self {
        Self {
            offset_ns: Some(offset_ns),
            replay_until_ns: Some(nanos(until)),
            ..Self::default()
        }
    }

    /// Up to output time `until`, the times at which pictures come say nothing about the network, for
    /// their decoder rests or has rested. They need what they needed before beyond what sound needs.
    pub fn excuse_pictures(&mut self, until: Duration) {
        self.excused_until_ns = Some(nanos(until));
    }

    /// Whether pictures are excused at output time `now`.
    pub fn excuses_pictures(&self, now: Duration) -> bool {
        self.excused_until_ns
            .is_some_and(|until| nanos(now) < until)
    }

    /// The source may be passed through: its frames are due `lead` later than their jitter needs, and the
    /// offset stays as long as it serves, for wherever it moves by a frame, an encoder has to take over.
    /// `None` for any other source.
    pub fn set_lead(&mut self, lead: Option<Duration>) {
        self.lead_ns = lead.map(nanos);
    }

    /// Starts again for a new input, whose timestamps are unrelated to earlier ones.
    pub fn opened(&mut self) {
        *self = Self::default();
    }

    /// Notes that a decoded frame of `track` with timestamp `pts_ns` arrived at output time `now`.
    /// Says by how much the offset has moved at once. If the frames that wait stayed where they
    /// are, sound that began while a burst came in would be early or late for seconds.
    pub fn arrived(&mut self, track: Track, pts_ns: i64, now: Duration) -> Moved {
        let now_ns = nanos(now);
        let excused = self.excuses_pictures(now);
        if excused && track == Track::Video {
            return Moved::default();
        }
        let replay = self.replay_until_ns.is_some_and(|until| now_ns < until);
        let transit_ns = now_ns.saturating_sub(pts_ns);
        if replay && self.offset_ns.is_some_and(|offset| transit_ns > offset) {
            return Moved::default();
        }
        let before = (self.offset_of(Track::Video), self.offset_of(Track::Audio));
        let transits = match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        };
        transits.push(transit_ns, now_ns);
        // A track that settles in steps leaves the other's old transits behind, and the offset must not
        // be slewed down from these.
        let settling = self.video.settles(now_ns) || self.audio.settles(now_ns);
        if replay {
            self.slewed_at_ns = now_ns;
            return Moved::default();
        }
        if !excused && let Some((video, audio)) = self.video.target().zip(self.audio.target()) {
            self.beyond_sound_ns = video.saturating_sub(audio).max(0);
        }
        let Some(target) = self.target(now_ns, excused) else {
            return Moved::default();
        };
        let step = SLEW_NS_PER_S / 1000 * (now_ns - self.slewed_at_ns).clamp(0, SECOND_NS) / MS_NS;
        self.slewed_at_ns = now_ns;
        if let Some(offset) = self.offset_ns
            && !settling
            && is_slewed(offset, target)
        {
            if self.stays(offset, target, now) {
                return Moved::default();
            }
            let change = target.saturating_sub(offset).clamp(-step, step);
            self.offset_ns = Some(offset.saturating_add(change));
            return Moved::default();
        }
        self.offset_ns = Some(target);
        Moved {
            video_ns: moved(before.0, self.offset_of(Track::Video)),
            audio_ns: moved(before.1, self.offset_of(Track::Audio)),
        }
    }

    /// Output time at which the frame of `track` with timestamp `pts_ns` is due: 0 when that is
    /// before the output's start, and before any arrival.
    pub fn due(&self, track: Track, pts_ns: i64) -> Duration {
        let offset = self.offset_of(track);
        offset.map_or(Duration::ZERO, |offset| {
            duration(pts_ns.saturating_add(offset))
        })
    }

    /// What is added to the timestamps of `track`; `None` before any arrival.
    fn offset_of(&self, track: Track) -> Option<i64> {
        let own = match track {
            Track::Video => self.video.target(),
            Track::Audio => self.audio.target(),
        };
        match (self.offset_ns, own) {
            (Some(common), Some(own)) if common.saturating_sub(own) > SYNC_NS_MAX => Some(own),
            (common, _) => common,
        }
    }

    /// What is added to the timestamps of both tracks, in nanoseconds; `None` before any arrival, and
    /// where the tracks have no common clock.
    pub fn offset_ns(&self) -> Option<i64> {
        let (video, audio) = (self.offset_of(Track::Video), self.offset_of(Track::Audio));
        video.filter(|_| video == audio)
    }

    /// Time from the fastest arrival of a frame until it is due; `None` before any arrival.
    pub fn margin(&self) -> Option<Duration> {
        let base = self.video.base().max(self.audio.base())?;
        Some(duration(self.offset_ns?.saturating_sub(base)))
    }

    /// The offset that the slower track needs.
    fn target(&self, now_ns: i64, pictures_excused: bool) -> Option<i64> {
        let fresh = |track: &Transits| track.is_fresh(now_ns).then(|| track.target()).flatten();
        let sound = fresh(&self.audio);
        let slower = match pictures_excused {
            true => sound?.saturating_add(self.beyond_sound_ns),
            false => fresh(&self.video).max(sound)?,
        };
        Some(slower.saturating_add(self.lead_ns.unwrap_or(0)))
    }

    /// Whether the `offset` of a source that may be passed through stays although it should be `target`.
    fn stays(&mut self, offset: i64, target: i64, now: Duration) -> bool {
        let Some(lead) = self.lead_ns else {
            return false;
        };
        let missing_ns = target.saturating_sub(offset);
        // Single pictures that are late, as on a machine that is busy, are none of those that are passed
        // through. Sound that is late would be heard.
        let missed_ns = |needed: Option<i64>| needed.map(|it| it.saturating_sub(offset));
        let sound = self.audio.target().map(|it| it.saturating_add(lead));
        let sound = missed_ns(sound.filter(|_| self.audio.is_fresh(nanos(now))));
        let most = missed_ns(self.video.base().filter(|_| !self.excuses_pictures(now)));
        let serves_nearly = sound.is_some_and(|it| it <= JITTER_ROOM_NS)
            && most.is_some_and(|it| it <= -JITTER_ROOM_NS);
        let late_max = match serves_nearly {
            true => STEP_UP_NS,
            false => JITTER_ROOM_NS,
        };
        let serves = (-HELD_SLOW_NS..=late_max).contains(&missing_ns);
        self.moves = !serves || (self.moves && missing_ns.saturating_abs() > MS_NS);
        !self.moves
    }
}

/// How far frames move with an offset that changed from `before` to `after`. A jump of the
/// timestamps changes the offset as well, but the frames that wait still have the earlier ones.
fn moved(before: Option<i64>, after: Option<i64>) -> i64 {
    let change = before.zip(after).map(|(a, b)| b.saturating_sub(a));
    change
        .filter(|change| change.saturating_abs() <= JUMP_NS)
        .unwrap_or(0)
}

/// Zero when `ns` is negative.
fn duration(ns: i64) -> Duration {
    Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}

/// Whether the change from `offset` to `target` is small enough to be slewed.
fn is_slewed(offset: i64, target: i64) -> bool {
    (-STEP_DOWN_NS..=STEP_UP_NS).contains(&target.saturating_sub(offset))
}

/// The transits of one track during the last seconds.
#[derive(Debug, Default)]
struct Transits {
    /// Time of arrival and transit, oldest first.
    samples: VecDeque<(i64, i64)>,
    base_ns: i64,
    margin_ns: i64,
    measured_at_ns: i64,
    /// Base after its last fall. Falls are measured from here, so that small ones add up.
    fell_to_ns: i64,
    fell_at_ns: Option<i64>,
}

impl Transits {
    /// Adds a transit; drops the earlier ones when it does not belong to them.
    fn push(&mut self, transit_ns: i64, now_ns: i64) {
        // During a burst small falls add up; in a settled track they are drift of the clocks.
        let floor = if self.settles(now_ns) {
            self.fell_to_ns.saturating_sub(SETTLING_FALL_NS)
        } else {
            self.base_ns.saturating_sub(FALL_NS)
        };
        let fallen = transit_ns < floor;
        let jumped = transit_ns.saturating_sub(self.base_ns) > JUMP_NS;
        let restarts = self.samples.is_empty() || fallen || jumped;
        if restarts {
            self.samples.clear();
            self.fell_to_ns = transit_ns;
            self.fell_at_ns = Some(now_ns);
        }
        while self.samples.len() >= SAMPLES_MAX
            || self
                .samples
                .front()
                .is_some_and(|(at, _)| now_ns.saturating_sub(*at) > WINDOW_NS)
        {
            self.samples.pop_front();
        }
        self.samples.push_back((now_ns, transit_ns));
        let age_ns = now_ns.saturating_sub(self.measured_at_ns);
        let late_ns = transit_ns
            .saturating_sub(self.base_ns)
            .saturating_sub(self.margin_ns);
        // After a stall frames come in a burst. If the delay were raised only when the burst is
        // over, the picture would stand still a second time.
        let measure_now = transit_ns < self.base_ns || late_ns > STEP_UP_NS;
        if restarts || measure_now || age_ns >= MEASURED_EACH_NS {
            self.measured_at_ns = now_ns;
            self.measure();
        }
    }

    fn measure(&mut self) {
        let mut transits: Vec<i64> = self.samples.iter().map(|(_, transit)| *transit).collect();
        transits.sort_unstable();
        let rank = transits.len() * IN_TIME_PER_MILLE / 1000;
        if let (Some(base), Some(high)) = (transits.first(), transits.get(rank)) {
            self.base_ns = *base;
            self.margin_ns = high
                .saturating_sub(*base)
                .saturating_add(JITTER_ROOM_NS)
                .clamp(MARGIN_MIN_NS, MARGIN_MAX_NS);
        }
    }

    /// The base fell a short while ago, as during a burst.
    fn settles(&self, now_ns: i64) -> bool {
        self.fell_at_ns
            .is_some_and(|at| now_ns.saturating_sub(at) < SETTLED_AFTER_NS)
    }

    fn is_fresh(&self, now_ns: i64) -> bool {
        self.samples
            .back()
            .is_some_and(|(at, _)| now_ns.saturating_sub(*at) < STALE_AFTER_NS)
    }

    fn base(&self) -> Option<i64> {
        (!self.samples.is_empty()).then_some(self.base_ns)
    }

    fn target(&self) -> Option<i64> {
        Some(self.base()?.saturating_add(self.margin_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_NS: i64 = 33_333_333;

    fn at(ns: i64) -> Duration {
        Duration::from_nanos(u64::try_from(ns).unwrap())
    }

    /// Frames of `track` from timestamp `first` on, one every 33.3 ms, which arrive `transit` after
    /// their timestamps. Returns the next timestamp.
    fn steady(timeline: &mut Timeline, track: Track, first: i64, frames: i64, transit: i64) -> i64 {
        for n in 0..frames {
            let pts = first + n * FRAME_NS;
            timeline.arrived(track, pts, at(pts + transit));
        }
        first + frames * FRAME_NS
    }

    fn delay_ms(timeline: &Timeline, track: Track, pts: i64) -> i64 {
        (nanos(timeline.due(track, pts)) - pts) / MS_NS
    }

    #[test]
    fn a_steady_source_is_shown_30_ms_after_it_arrives() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.due(Track::Video, 5 * SECOND_NS), Duration::ZERO);
        let end = steady(&mut timeline, Track::Video, 0, 300, 700 * MS_NS);
        assert_eq!(delay_ms(&timeline, Track::Video, end), 730);
        assert_eq!(timeline.margin(), Some(Duration::from_millis(30)));
    }

    /// Offsets of a source that takes 700 ms, and then `later` ms, every 2 s.
    fn offsets_ms(lead: Option<Duration>, later: i64) -> Vec<i64> {
        let mut timeline = Timeline::default();
        timeline.set_lead(lead);
        let mut next = steady(&mut timeline, Track::Video, 0, 450, 700 * MS_NS);
        let mut offsets = Vec::new();
        for _ in 0..20 {
            next = steady(&mut timeline, Track::Video, next, 60, later * MS_NS);
            offsets.push(delay_ms(&timeline, Track::Video, next));
        }
        offsets
    }

    #[test]
    fn the_offset_of_a_source_that_may_be_passed_through_stays_while_it_serves() {
        let lead = Some(Duration::from_millis(33));
        for later in [600, 700, 720] {
            let offsets = offsets_ms(lead, later);
            assert!(offsets.iter().all(|it| *it == 763), "{later}: {offsets:?}");
            let slewed = offsets_ms(None, later);
            let last = slewed.last().unwrap();
            assert!((last - later - 30).abs() <= 1, "{later}: {slewed:?}");
        }
        let behind = offsets_ms(lead, 740);
        assert!(behind[19] > 763, "{behind:?}");
    }

    /// A machine that is busy decodes some pictures late.
    #[test]
    fn single_pictures_that_are_late_do_not_move_the_offset_of_a_source_that_may_be_passed_through()
    {
        let delays = |lead| {
            let mut timeline = Timeline::default();
            timeline.set_lead(lead);
            let mut delays = Vec::new();
            for n in 0..3000 {
                let (pts, late) = (n * FRAME_NS, i64::from(n > 600 && n % 90 < 3) * 90 * MS_NS);
                timeline.arrived(Track::Audio, pts, at(pts + 20 * MS_NS));
                timeline.arrived(Track::Video, pts, at(pts + 60 * MS_NS + late));
                delays.push(delay_ms(&timeline, Track::Video, pts));
            }
            (delays[600], delays[2999])
        };
        assert_eq!(delays(Some(Duration::ZERO)), (90, 90));
        assert_eq!(delays(None), (90, 175));
    }

    /// Key frames alone come out of their decoder late. The offset neither follows them nor forgets what
    /// pictures need, and still follows the publisher's clock.
    #[test]
    fn a_decoder_that_rests_does_not_move_the_offset() {
        let mut timeline = Timeline::default();
        timeline.set_lead(Some(Duration::ZERO));
        let mut at_ns = 0;
        let mut play = |timeline: &mut Timeline, seconds: i64, rests: bool, drift_ms: i64| {
            for n in 0..seconds * 30 {
                at_ns += FRAME_NS;
                let now = at_ns + drift_ms * MS_NS;
                timeline.arrived(Track::Audio, at_ns, at(now + 20 * MS_NS));
                if rests {
                    timeline.excuse_pictures(at(now + 3 * SECOND_NS));
                }
                if !rests {
                    timeline.arrived(Track::Video, at_ns, at(now + 250 * MS_NS));
                } else if n % 60 == 0 {
                    timeline.arrived(Track::Video, at_ns - 4 * SECOND_NS, at(now));
                }
            }
            (
                delay_ms(timeline, Track::Video, at_ns),
                delay_ms(timeline, Track::Audio, at_ns),
            )
        };
        assert_eq!(play(&mut timeline, 20, false, 0), (280, 280));
        assert_eq!(play(&mut timeline, 100, true, 0), (280, 280));
        assert_eq!(play(&mut timeline, 20, false, 0), (280, 280));
        let (video, audio) = play(&mut timeline, 100, true, 100);
        assert!(
            video == audio && (375..=385).contains(&video),
            "{video} {audio}"
        );
    }

    #[test]
    fn timestamps_may_be_negative_or_huge() {
        for first in [-4_000_000 * SECOND_NS, i64::MIN, i64::MAX - SECOND_NS] {
            let mut timeline = Timeline::default();
            for n in 0..100 {
                let pts = first.saturating_add(n * FRAME_NS);
                timeline.arrived(Track::Video, pts, at(n * FRAME_NS));
                let _ = timeline.due(Track::Video, pts);
            }
        }
        let mut timeline = Timeline::default();
        let first = -4_000_000 * SECOND_NS;
        for n in 0..100 {
            timeline.arrived(Track::Video, first + n * FRAME_NS, at(n * FRAME_NS));
        }
        let due = timeline.due(Track::Video, first + 100 * FRAME_NS);
        assert_eq!(nanos(due), 100 * FRAME_NS + 30 * MS_NS);
    }

    #[test]
    fn a_burst_is_skipped_to_the_live_position() {
        // The publisher sends its last eight seconds at ten times their rate, then continues live.
        let mut timeline = Timeline::default();
        let burst = 240;
        for n in 0..burst {
            timeline.arrived(
                Track::Video,
                n * FRAME_NS,
                at(8 * SECOND_NS + n * FRAME_NS / 10),
            );
        }
        let last = (burst - 1) * FRAME_NS;
        let arrival = 8 * SECOND_NS + last / 10;
        let late = nanos(timeline.due(Track::Video, last)) - arrival;
        assert_eq!(late / MS_NS, 30, "due 30 ms after its arrival");
        assert!(
            nanos(timeline.due(Track::Video, 0)) < 8 * SECOND_NS,
            "older pictures are overdue"
        );
    }

    #[test]
    fn the_slower_track_decides_for_both() {
        let mut timeline = Timeline::default();
        for n in 0..300 {
            let pts = n * FRAME_NS;
            timeline.arrived(Track::Audio, pts, at(pts + 10 * MS_NS));
            timeline.arrived(Track::Video, pts, at(pts + 400 * MS_NS));
        }
        let end = 300 * FRAME_NS;
        assert_eq!(delay_ms(&timeline, Track::Audio, end), 430);
        assert_eq!(delay_ms(&timeline, Track::Video, end), 430);
    }

    #[test]
    fn tracks_without_a_common_clock_keep_their_own() {
        let mut timeline = Timeline::default();
        for n in 0..300 {
            let pts = n * FRAME_NS;
            timeline.arrived(Track::Audio, pts + 3600 * SECOND_NS, at(pts));
            timeline.arrived(Track::Video, pts, at(pts));
        }
        let end = 300 * FRAME_NS;
        assert_eq!(delay_ms(&timeline, Track::Video, end), 30);
        let audio = timeline.due(Track::Audio, end + 3600 * SECOND_NS);
        assert_eq!(nanos(audio), end + 30 * MS_NS);
    }

    #[test]
    fn jumps_of_the_timestamps_start_again() {
        for jump in [
            -3600 * SECOND_NS,
            -3 * SECOND_NS,
            3 * SECOND_NS,
            3600 * SECOND_NS,
        ] {
            let mut timeline = Timeline::default();
            let base = 7200 * SECOND_NS;
            let end = steady(&mut timeline, Track::Video, base, 600, -base);
            timeline.arrived(Track::Video, end + jump, at(end - base));
            assert_eq!(
                nanos(timeline.due(Track::Video, end + jump)),
                end - base + 30 * MS_NS,
                "{jump}"
            );
        }
    }

    #[test]
    fn small_changes_are_slewed_and_large_ones_made_at_once() {
        let mut timeline = Timeline::default();
        let end = steady(&mut timeline, Track::Video, 0, 300, 100 * MS_NS);
        // Transits grow by 60 ms for good. They count as jitter at first; then the offset follows.
        let end = steady(&mut timeline, Track::Video, end, 60, 160 * MS_NS);
        let delay = delay_ms(&timeline, Track::Video, end);
        assert!(
            (135..=142).contains(&delay),
            "{delay} ms: two seconds at 5 ms per second"
        );
        let end = steady(&mut timeline, Track::Video, end, 60, 760 * MS_NS);
        assert_eq!(delay_ms(&timeline, Track::Video, end), 785);
    }

    /// Another worker showed frames 730 ms after their timestamps. This one gets the last four seconds
    /// once more, at ten times their rate, and then the live ones.
    #[test]
    fn a_replay_keeps_the_offset() {
        let (offset, start) = (730 * MS_NS, 20 * SECOND_NS);
        let mut timeline = Timeline::resumed(offset, at(start + 12 * SECOND_NS));
        for n in -120..500 {
            let pts = start + n * FRAME_NS;
            let arrival = match n {
                ..0 => start + 200 * MS_NS + (n + 120) * FRAME_NS / 10,
                _ => pts + 700 * MS_NS,
            };
            let moved = timeline.arrived(Track::Video, pts, at(arrival));
            assert_eq!(moved, Moved::default());
            assert_eq!(nanos(timeline.due(Track::Video, pts)), pts + offset, "{n}");
        }
        assert_eq!(timeline.offset_ns(), Some(offset));
    }

    #[test]
    fn a_new_input_starts_again() {
        let mut timeline = Timeline::default();
        steady(&mut timeline, Track::Video, 0, 300, 100 * MS_NS);
        timeline.opened();
        timeline.arrived(Track::Video, 0, at(60 * SECOND_NS));
        assert_eq!(
            nanos(timeline.due(Track::Video, 0)),
            60 * SECOND_NS + 30 * MS_NS
        );
    }
}
