//! Where Periods begin (ISO/IEC 23009-1 section 5.3.2).
//!
//! A Representation has one initialization section in a Period, and one relation between the times in its
//! files and those of the presentation. So a Period ends where any rendition goes on with another section,
//! as a rung that falls asleep or wakes does, and at a discontinuity. With numbers for addresses, a segment
//! without media cannot be left out inside a Period either.

use std::collections::VecDeque;

use crate::model::hls::{Edition, Lookup, Presentation, Segment, Track};
use crate::model::mp4;

/// Nanoseconds per second.
const SECOND_NS: u128 = 1_000_000_000;

/// A Period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    /// Number of its first segment.
    first: u64,
    /// Its begin on the time line of the presentation, in nanoseconds since the Unix epoch.
    start_ns: u64,
    /// `None` when no file says what time it has: such a Period cannot be listed.
    clock: Option<Clock>,
}

/// A moment, in nanoseconds: its date, and its time in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock {
    date_ns: u64,
    media_ns: u64,
}

/// A Period, and which of its segments are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Number of the Period's first segment, which may be gone.
    pub(super) id: u64,
    /// Begin of the Period on the time line of the presentation, in nanoseconds since the Unix epoch.
    pub(super) start_ns: u64,
    clock: Clock,
    /// Number of the first segment that is listed.
    pub(super) first: u64,
    /// Number of the last segment that is listed.
    pub(super) last: u64,
}

impl Span {
    /// The time in files of `timescale` ticks per second of what is shown at the Period's begin.
    pub(super) fn offset(&self, timescale: u32) -> u64 {
        ticks(self.clock.media_ns, timescale)
    }

    /// The time in such files of what is shown at `date_ns`.
    pub(super) fn time_of(&self, date_ns: u64, timescale: u32) -> u64 {
        let after_ns = date_ns.saturating_sub(self.clock.date_ns);
        ticks(self.clock.media_ns.saturating_add(after_ns), timescale)
    }

    /// Begin and end of a segment on the time line of the presentation, in nanoseconds.
    pub(super) fn place_ns(&self, segment: &Segment) -> (u64, u64) {
        let after_ns = segment.date_ns().saturating_sub(self.clock.date_ns);
        let begin_ns = self.start_ns.saturating_add(after_ns);
        (begin_ns, begin_ns.saturating_add(duration_ns(segment)))
    }
}

/// The Periods that have listed segments, and what the next segment is compared with.
#[derive(Debug, Default)]
pub(super) struct Periods {
    known: VecDeque<Period>,
    /// The last segment that was looked at.
    through: Option<u64>,
    /// Number and initialization section of each track's last segment with media.
    before: Vec<Option<(u64, u32)>>,
}

impl Periods {
    /// Looks at the segments that were not there before, and forgets Periods whose segments are gone.
    pub(super) fn follow(&mut self, media: &Presentation, edition: Edition) {
        let next = self.through.map(|through| through.saturating_add(1));
        // Nobody has read a manifest for so long that it cannot be told what the segments between were.
        let from = match next.filter(|next| *next >= edition.first) {
            Some(next) => next,
            None => {
                *self = Self::default();
                edition.first
            }
        };
        let tracks: Vec<Track<'_>> = media.tracks().collect();
        self.before.resize(tracks.len(), None);
        for msn in from..=edition.last {
            self.look(&tracks, msn);
            self.through = Some(msn);
        }
        let is_over = |after: &Period| after.first <= edition.first;
        while self.known.get(1).is_some_and(is_over) {
            self.known.pop_front();
        }
    }

    fn look(&mut self, tracks: &[Track<'_>], msn: u64) {
        let listed: Vec<Option<&Segment>> = tracks.iter().map(|track| shown(track, msn)).collect();
        let begins = |(segment, before): (&Option<&Segment>, &Option<(u64, u32)>)| {
            segment.is_some_and(|segment| {
                let follows = before.is_none_or(|(last, init)| {
                    last.saturating_add(1) == msn && segment.init() == Some(init)
                });
                segment.is_discontinuity() || !follows
            })
        };
        let is_border = self.known.is_empty() || listed.iter().zip(&self.before).any(begins);
        if is_border && let Some(period) = self.period(tracks, msn) {
            self.known.push_back(period);
            self.before.fill(None);
        }
        for (segment, before) in listed.iter().zip(&mut self.before) {
            let init = segment.and_then(Segment::init);
            *before = init.map(|init| (msn, init)).or(*before);
        }
    }

    /// The Period that begins with segment `msn`; `None` when nothing has media there.
    fn period(&self, tracks: &[Track<'_>], msn: u64) -> Option<Period> {
        // The pictures come first, and sound begins up to a frame of it later.
        let track = tracks.iter().find(|track| shown(track, msn).is_some())?;
        let clock = tracks.iter().find_map(|track| clock(track, msn));
        let begins_ns = clock.map(|clock| clock.date_ns);
        let begins_ns = begins_ns.or(shown(track, msn).map(Segment::date_ns))?;
        // Where another clock begins, dates may overlap.
        let before = msn.checked_sub(1).and_then(|msn| shown(track, msn));
        let last = self.known.back().map(|period| period.start_ns);
        let end_ns = before
            .filter(|_| last.is_some())
            .map(|before| before.date_ns().saturating_add(duration_ns(before)));
        let after_ns = end_ns.max(last).unwrap_or_default();
        Some(Period {
            first: msn,
            start_ns: begins_ns.max(after_ns),
            clock,
        })
    }

    /// The Periods that can be listed.
    pub(super) fn spans(&self, edition: Edition) -> impl Iterator<Item = Span> {
        let next = self.known.iter().skip(1).map(|period| period.first);
        let ends = next.chain([edition.last.saturating_add(1)]);
        let all = self.known.iter().zip(ends);
        all.filter_map(move |(period, end)| {
            Some(Span {
                id: period.first,
                start_ns: period.start_ns,
                clock: period.clock?,
                first: period.first.max(edition.first),
                last: end.saturating_sub(1),
            })
        })
    }
}

/// A track's segment `msn`, if it is listed and complete or a gap.
pub(super) fn listed<'a>(track: &Track<'a>, msn: u64) -> Option<&'a Segment> {
    let is_listed = track
        .window
        .first_listed()
        .is_some_and(|first| first <= msn);
    match track.window.find(msn) {
        Lookup::Found(segment) => Some(segment).filter(|s| is_listed && s.closed()),
        Lookup::Gone | Lookup::Absent => None,
    }
}

/// A track's segment `msn`, if it is listed and has media.
pub(super) fn shown<'a>(track: &Track<'a>, msn: u64) -> Option<&'a Segment> {
    listed(track, msn).filter(|segment| !segment.gap())
}

/// Ticks per second of a track's initialization section `number`, and its codec.
pub(super) fn section<'a>(track: &Track<'a>, number: u32) -> Option<(u32, &'a str)> {
    match track.window.find_init(number) {
        Lookup::Found(init) => Some((mp4::timescale(&init.data)?, &init.codec)),
        Lookup::Gone | Lookup::Absent => None,
    }
}

/// The date and the time in its file at which a track's segment begins to be shown.
fn clock(track: &Track<'_>, msn: u64) -> Option<Clock> {
    let segment = shown(track, msn)?;
    let (timescale, _) = section(track, segment.init()?)?;
    let ticks = mp4::first_shown(&segment.part(0)?)?;
    let scale = u128::from(timescale);
    let ns = (u128::from(ticks) * SECOND_NS + scale / 2) / scale;
    Some(Clock {
        date_ns: segment.date_ns(),
        media_ns: u64::try_from(ns).ok()?,
    })
}

fn duration_ns(segment: &Segment) -> u64 {
    u64::try_from(segment.duration().as_nanos()).unwrap_or(u64::MAX)
}

/// A time in ticks, rounded to the nearest one.
pub(super) fn ticks(ns: u64, timescale: u32) -> u64 {
    let ticks = (u128::from(ns) * u128::from(timescale) + SECOND_NS / 2) / SECOND_NS;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}
