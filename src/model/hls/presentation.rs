//! One session: all its renditions, in both packagings.

mod ranges;
pub(super) mod tracks;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::awake::Awake;
use super::date_ranges::DateRanges;
use super::init::InitSection;
use super::level;
use super::media::{Packaging, Part, TrackId, TsSegment};
use super::playlist::{Listing, Page, Report};
use super::reload::{Readiness, Reload};
use super::rendition::Rendition;
use super::stand_in;
use super::storyboard::Storyboard;
use super::timing::Timing;
use super::window::Window;
use crate::model::ladder::Plan;
use crate::model::ladder::cuts::Cut;

/// Closed segments that each playlist keeps when memory is short, however short they are. Regular
/// segments reach three Target Durations with at most five.
pub const SEGMENTS_KEPT_MAX: usize = 8;

/// Why a part, segment or init section was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The plan has no such rendition.
    #[error("the plan has no such rendition")]
    UnknownTrack,
    /// It is not the next one of its rendition, or there is no init section for it.
    #[error("it is not the next one, or came before its init section")]
    OutOfOrder,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
}

/// The state of one session. Renditions are numbered from 0 in an order that never changes:
/// video, audio, then MPEG-TS.
#[derive(Debug)]
pub struct Presentation {
    pub(super) plan: Plan,
    pub(super) timing: Timing,
    pub(super) renditions: Vec<Rendition>,
    awake: Awake,
    ranges: DateRanges,
    ended: bool,
    pub(super) storyboard: Storyboard,
    /// `BANDWIDTH` in the last multivariant playlist, by packaging and variant.
    pub(super) advertised: BTreeMap<(Packaging, usize), u64>,
    pub(super) bandwidth_raised: u64,
}

impl Presentation {
    /// An empty session of `plan`; with MPEG-TS renditions if `ts`.
    pub fn new(plan: Plan, timing: Timing, ts: bool) -> Self {
        let video = |packaging| {
            let numbered = plan.video.iter().zip(0..=u8::MAX);
            numbered.map(move |(video, n)| (&video.name, packaging, TrackId::Video(n)))
        };
        let numbered = plan.audio.iter().zip(0..=u8::MAX);
        let audio = numbered.map(|(audio, n)| (&audio.name, Packaging::Cmaf, TrackId::Audio(n)));
        let renditions = video(Packaging::Cmaf)
            .chain(audio)
            .chain(video(Packaging::Ts).filter(|_| ts))
            .map(|(name, packaging, track)| Rendition::new(name, packaging, track, timing.target()))
            .collect();
        Self {
            plan,
            timing,
            renditions,
            awake: Awake::default(),
            ranges: DateRanges::default(),
            ended: false,
            storyboard: Storyboard::default(),
            advertised: BTreeMap::new(),
            bandwidth_raised: 0,
        }
    }

    /// Number of renditions in both packagings together.
    pub fn rendition_count(&self) -> usize {
        self.renditions.len()
    }

    /// Number of the rendition with this name in URLs.
    pub fn find(&self, name: &str, packaging: Packaging) -> Option<usize> {
        self.renditions
            .iter()
            .position(|r| r.packaging == packaging && r.name == name)
    }

    /// A rendition's window, and whether the rendition is audio only.
    pub fn window(&self, rendition: usize) -> Option<(&Window, bool)> {
        let rendition = self.renditions.get(rendition)?;
        let audio = matches!(rendition.track, TrackId::Audio(_));
        Some((&rendition.window, audio))
    }

    /// The place in the ladder of a rendition; `None` for audio.
    pub fn rung(&self, rendition: usize) -> Option<usize> {
        self.renditions.get(rendition).and_then(Rendition::rung)
    }

    /// Durations that all playlists share.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    fn track(&mut self, packaging: Packaging, track: TrackId) -> Result<usize, Refused> {
        if self.ended {
            return Err(Refused::Ended);
        }
        self.renditions
            .iter()
            .position(|r| r.packaging == packaging && r.track == track)
            .ok_or(Refused::UnknownTrack)
    }

    /// Takes a cut: from its segment on, a rung that is not awake shows the media of its stand-in.
    pub fn cut(&mut self, cut: &Cut) {
        self.awake.cut(cut);
    }

    /// Takes an init section. A later one takes effect at the rendition's next segment, which then
    /// begins with another `EXT-X-MAP`; one with the same bytes changes nothing.
    ///
    /// # Errors
    /// If the plan has no such rendition or the session has ended.
    pub fn init(&mut self, track: TrackId, codec: &str, data: Bytes) -> Result<(), Refused> {
        let n = self.track(Packaging::Cmaf, track)?;
        let codec = codec.to_owned();
        if let Some(rendition) = self.renditions.get_mut(n) {
            rendition.init(InitSection { codec, data });
            rendition.settle_own(&self.awake);
        }
        Ok(())
    }

    /// Appends a part; returns the numbers of the renditions that changed: the part's own unless it
    /// has to wait for its stand-in, and those that show it while they sleep.
    ///
    /// # Errors
    /// If it is not the next part of its rendition.
    pub fn part(&mut self, part: &Part) -> Result<Vec<usize>, Refused> {
        let n = self.track(Packaging::Cmaf, part.track)?;
        self.push(n, part)
    }

    /// Appends an MPEG-TS segment; returns the numbers of the renditions that changed.
    ///
    /// # Errors
    /// If it is not the next segment of its rendition.
    pub fn ts_segment(&mut self, segment: TsSegment) -> Result<Vec<usize>, Refused> {
        let track = TrackId::Video(segment.video);
        let n = self.track(Packaging::Ts, track)?;
        let whole = Part {
            track,
            msn: segment.msn,
            index: 0,
            duration: segment.duration,
            independent: true,
            last: true,
            date_ns: segment.date_ns,
            data: segment.data,
        };
        self.push(n, &whole)
    }

    fn push(&mut self, n: usize, part: &Part) -> Result<Vec<usize>, Refused> {
        let rendition = self.renditions.get_mut(n).ok_or(Refused::UnknownTrack)?;
        if !rendition.part(part, &self.awake) {
            return Err(Refused::OutOfOrder);
        }
        let changed = stand_in::settle(&mut self.renditions, &self.awake);
        if part.last {
            self.compare_bandwidth();
        }
        Ok(changed)
    }

    /// Handles the loss of a worker: closes all open segments with the parts they have, and adds an
    /// `EXT-X-GAP` segment wherever a rendition lacks one. Returns the number of the next segment,
    /// with which all renditions continue after a discontinuity.
    pub fn interrupt(&mut self) -> u64 {
        stand_in::catch_up(&mut self.renditions, &self.awake);
        level::interrupt(&mut self.windows())
    }

    /// Ends the session: closes all segments; nothing more is accepted. The renditions of a packaging
    /// end with the same segment: one that lacks it, because a worker was lost at the end, gets a gap.
    pub fn end(&mut self) {
        stand_in::catch_up(&mut self.renditions, &self.awake);
        for packaging in [Packaging::Cmaf, Packaging::Ts] {
            let set = self.renditions.iter_mut();
            let set = set.filter(|r| r.packaging == packaging);
            let mut windows: Vec<_> = set.map(|r| &mut r.window).collect();
            level::end(&mut windows);
        }
        self.ended = true;
    }

    /// Whether the session has ended.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    fn windows(&mut self) -> Vec<&mut Window> {
        self.renditions.iter_mut().map(|r| &mut r.window).collect()
    }

    /// Removes the oldest segments from the playlists as long as `window` remains, and drops those
    /// that viewers may no longer request.
    pub fn slide(&mut self, window: Duration) {
        let floor = self.timing.three_targets();
        while level::slide(&mut self.windows(), window, floor) {}
        for rendition in &mut self.renditions {
            rendition.window.expire();
        }
        self.expire_ranges();
    }

    /// Frees memory: drops segments that no playlist lists any more, or if there are none, removes
    /// the oldest one from the playlists. Returns the bytes freed; zero if the playlists are as
    /// short as they may be: three Target Durations, or [`SEGMENTS_KEPT_MAX`] segments where workers
    /// that were lost one after the other left short ones.
    pub fn shorten(&mut self) -> u64 {
        let freed = self.shorten_windows();
        freed.saturating_add(self.leave_pictures())
    }

    fn shorten_windows(&mut self) -> u64 {
        let freed = self.drop_unlisted();
        if freed > 0 {
            return freed;
        }
        let floor = self.timing.three_targets();
        let mut windows = self.windows();
        if !level::slide(&mut windows, floor, floor)
            && !level::thin(&mut windows, SEGMENTS_KEPT_MAX)
        {
            return 0;
        }
        self.drop_unlisted()
    }

    fn drop_unlisted(&mut self) -> u64 {
        let windows = self.renditions.iter_mut().map(|r| &mut r.window);
        windows.map(Window::drop_unlisted).sum()
    }

    /// Bytes held by all renditions and the storyboard. What a rung shows of another one counts there.
    pub fn bytes(&self) -> u64 {
        let media: u64 = self.renditions.iter().map(Rendition::bytes).sum();
        media.saturating_add(self.storyboard.bytes())
    }

    /// Duration of the longest playlist so far.
    pub fn longest(&self) -> Duration {
        let longest = self.renditions.iter().map(|r| r.window.longest());
        longest.max().unwrap_or_default()
    }

    /// Whether the packaging has renditions, and each of them a complete segment.
    pub fn playable(&self, packaging: Packaging) -> bool {
        let mut set = self.set(packaging).peekable();
        set.peek().is_some() && set.all(|(_, r)| r.window.playable())
    }

    /// Whether the packaging has renditions.
    pub fn has(&self, packaging: Packaging) -> bool {
        self.set(packaging).next().is_some()
    }

    fn set(&self, packaging: Packaging) -> impl Iterator<Item = (usize, &Rendition)> {
        let all = self.renditions.iter().enumerate();
        all.filter(move |(_, r)| r.packaging == packaging)
    }

    /// What to do with a playlist request.
    pub fn readiness(&self, rendition: usize, reload: Reload) -> Readiness {
        let Some(rendition) = self.renditions.get(rendition) else {
            return Readiness::Wait;
        };
        // "A Server MUST ignore _HLS_msn and _HLS_part if the Playlist contains an EXT-X-ENDLIST
        // tag" (section 6.2.5.2).
        if self.ended {
            return Readiness::Ready;
        }
        // Players refuse a playlist that has parts but no complete segment.
        match reload.readiness(&rendition.window, &self.timing, self.parts(rendition)) {
            Readiness::Ready if !rendition.window.playable() => Readiness::Wait,
            readiness => readiness,
        }
    }

    /// Number of the playlist's version: another one for each change of its segments, of the date ranges,
    /// and of what it reports of the other renditions in its packaging.
    pub fn version(&self, rendition: usize) -> u64 {
        let packaging = self.renditions.get(rendition).map(|r| r.packaging);
        let set = self.renditions.iter();
        let set = set.filter(|r| Some(r.packaging) == packaging);
        let changes: u64 = set.map(|r| r.window.version()).sum();
        // The end changes a playlist whose last segment is complete, too.
        changes
            .saturating_add(self.ranges.version())
            .saturating_add(u64::from(self.ended))
    }

    /// Whether the playlist ends with exactly what `reload` asks for, so that nobody will ask the same
    /// again. After a playlist that ends with the last part of a segment, video.js 8 repeats its
    /// request (it takes that playlist for the one it has), so such an answer does not count.
    pub fn ends_as_asked(&self, rendition: usize, reload: Reload) -> bool {
        let Some((msn, rendition)) = reload.msn.zip(self.renditions.get(rendition)) else {
            return false;
        };
        let part = reload.part.filter(|_| self.parts(rendition));
        // The directives of a request for an ended playlist are ignored: see `readiness`.
        !self.ended && rendition.window.ends_at(msn, part)
    }

    /// Whether the playlist ends with a segment whose last part is what `reload` asks for.
    pub fn ends_segment_as_asked(&self, rendition: usize, reload: Reload) -> bool {
        let asked = reload.msn.zip(reload.part);
        let Some(((msn, part), rendition)) = asked.zip(self.renditions.get(rendition)) else {
            return false;
        };
        !self.ended && self.parts(rendition) && rendition.window.ends_with_part(msn, part)
    }

    fn parts(&self, rendition: &Rendition) -> bool {
        rendition.packaging == Packaging::Cmaf && self.timing.part_target().is_some()
    }

    /// Segment number and index of the part in the rendition's `EXT-X-PRELOAD-HINT`.
    pub fn hint(&self, rendition: usize) -> Option<(u64, u32)> {
        let rendition = self.renditions.get(rendition)?;
        let hinting = self.parts(rendition) && !self.ended;
        rendition.window.next_part().filter(|_| hinting)
    }

    /// The media playlist of a rendition; `None` before it has a segment. With `skip`, a Playlist
    /// Delta Update (section 6.2.5.1) if there are segments to skip.
    pub fn playlist(&self, rendition: usize, skip: bool) -> Option<String> {
        self.ranges.show();
        let this = self.renditions.get(rendition)?;
        this.window.last_closed()?;
        let reports: Vec<Report> = self
            .set(this.packaging)
            .filter(|(n, _)| *n != rendition)
            .filter_map(|(_, other)| self.report(other))
            .collect();
        let page = Page {
            window: &this.window,
            timing: &self.timing,
            packaging: this.packaging,
            ranges: &self.ranges.tags(rendition),
            listing: Listing::Media,
            reports: &reports,
            ended: self.ended,
        };
        Some(page.render(skip))
    }

    fn report(&self, rendition: &Rendition) -> Option<Report> {
        // "If the Rendition contains Partial Segments then this value is the Media Sequence Number
        // of the last Partial Segment" (section 4.4.5.4), even if a gap follows it.
        let last_part = rendition.window.last_part();
        let (last_msn, last_part) = match last_part.filter(|_| self.parts(rendition)) {
            Some((msn, part)) => (msn, Some(part)),
            None => (rendition.window.last_closed()?, None),
        };
        Some(Report {
            rendition: rendition.name.clone(),
            last_msn,
            last_part,
        })
    }
}
