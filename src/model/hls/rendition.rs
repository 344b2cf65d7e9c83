//! One rendition of a session: its window, and what its encoder made too early for it.

use std::collections::VecDeque;
use std::time::Duration;

use super::awake::Awake;
use super::continuity::Continuity;
use super::init::InitSection;
use super::media::{Packaging, Part, TrackId};
use super::segment::Media;
use super::window::Window;

/// Segments that may wait behind those of another rung. The other rung is late by then, and its
/// worker is replaced before regular segments come to so many.
pub const HELD_SEGMENTS_MAX: usize = 8;

#[derive(Debug)]
enum Held {
    Init(InitSection),
    Part(Part),
}

#[derive(Debug)]
pub(super) struct Rendition {
    pub(super) name: String,
    pub(super) packaging: Packaging,
    pub(super) track: TrackId,
    pub(super) window: Window,
    /// What the rendition's own encoder made, before its window takes it. Usually the window takes it
    /// at once; the media of a rung that has woken waits until the stand-in has ended its segment.
    held: VecDeque<Held>,
    /// The rendition's own initialization section.
    own: Option<InitSection>,
    /// Where the counters of MPEG-TS in its window end.
    continuity: Continuity,
}

impl Rendition {
    pub(super) fn new(name: &str, packaging: Packaging, track: TrackId, target: Duration) -> Self {
        Self {
            name: name.to_owned(),
            packaging,
            track,
            window: Window::new(target),
            held: VecDeque::new(),
            own: None,
            continuity: Continuity::default(),
        }
    }

    /// Its place in the ladder; `None` for audio, which never sleeps.
    pub(super) fn rung(&self) -> Option<usize> {
        match self.track {
            TrackId::Video(n) => Some(n.into()),
            TrackId::Audio(_) => None,
        }
    }

    /// Segment and part that its window takes next; `None` if that is anything.
    pub(super) fn next(&self, awake: &Awake) -> Option<(u64, u32)> {
        let begins = || awake.first().map(|msn| (msn, 0));
        self.window.next_part().or_else(begins)
    }

    /// The rung whose media segment `msn` of its window shows, if that is not its own.
    pub(super) fn stand_in(&self, awake: &Awake, msn: u64) -> Option<usize> {
        let rung = self.rung()?;
        Some(awake.shown(rung, msn)).filter(|shown| *shown != rung)
    }

    /// Takes the rendition's own initialization section, for the next segment that it makes itself.
    pub(super) fn init(&mut self, init: InitSection) {
        if let Some(Held::Init(last)) = self.held.back_mut() {
            *last = init;
        } else {
            self.held.push_back(Held::Init(init));
        }
    }

    /// Takes the rendition's own part; false when it is not the next one, when there is no
    /// initialization section for it, or when too much waits.
    pub(super) fn part(&mut self, part: &Part, awake: &Awake) -> bool {
        let follows = match self.next_own(awake) {
            Some(next) => next == Some((part.msn, part.index)),
            None => part.index == 0,
        };
        let segments = self.parts().filter(|part| part.last).count();
        let takes = follows && self.initialized() && segments < HELD_SEGMENTS_MAX;
        if takes {
            self.held.push_back(Held::Part(part.clone()));
        }
        takes
    }

    fn initialized(&self) -> bool {
        let held = || self.held.iter().any(|held| matches!(held, Held::Init(_)));
        self.packaging == Packaging::Ts || self.own.is_some() || held()
    }

    /// Segment and part that its encoder makes next; `Some(None)` while it sleeps, `None` if that is
    /// anything.
    fn next_own(&self, awake: &Awake) -> Option<Option<(u64, u32)>> {
        let (msn, index) = match self.parts().next_back() {
            Some(held) if held.last => (held.msn.saturating_add(1), 0),
            Some(held) => (held.msn, held.index.saturating_add(1)),
            None => match self.next(awake)? {
                (msn, index) if index > 0 && self.stand_in(awake, msn).is_some() => {
                    (msn.saturating_add(1), 0)
                }
                next => next,
            },
        };
        if index > 0 {
            return Some(Some((msn, index)));
        }
        let begins = match self.rung() {
            Some(rung) => awake.next(rung, msn),
            None => Some(msn),
        };
        Some(begins.map(|msn| (msn, 0)))
    }

    fn parts(&self) -> impl DoubleEndedIterator<Item = &Part> {
        self.held.iter().filter_map(|held| match held {
            Held::Part(part) => Some(part),
            Held::Init(_) => None,
        })
    }

    /// Moves what waits into the window, as long as it is the window's next; true if a part moved.
    pub(super) fn settle_own(&mut self, awake: &Awake) -> bool {
        let mut moved = false;
        while let Some(held) = self.held.front() {
            let next = self.next(awake);
            let shows_other = next.is_some_and(|(msn, _)| self.stand_in(awake, msn).is_some());
            let waits = match held {
                Held::Init(_) => shows_other,
                Held::Part(part) => {
                    shows_other || next.is_some_and(|next| next != (part.msn, part.index))
                }
            };
            if waits {
                break;
            }
            match self.held.pop_front() {
                Some(Held::Init(init)) => {
                    self.window.init(&init);
                    self.own = Some(init);
                }
                Some(Held::Part(part)) => {
                    // It may have slept since it made its initialization section.
                    if let Some(own) = self.own.as_ref().filter(|_| part.index == 0) {
                        self.window.init(own);
                    }
                    let part = self.follow(part);
                    moved |= self.window.push(part, Media::Own);
                }
                None => {}
            }
        }
        moved
    }

    /// Takes the next part of its stand-in; false if it is not the next one.
    pub(super) fn borrow(&mut self, part: Part) -> bool {
        // The counters of MPEG-TS change its bytes: see `follow`.
        let media = match self.packaging {
            Packaging::Cmaf => Media::Shared,
            Packaging::Ts => Media::Copied,
        };
        let track = self.track;
        let part = self.follow(Part { track, ..part });
        self.window.push(part, media)
    }

    /// The part as the window lists it. A client reads all segments of MPEG-TS with one demultiplexer, so
    /// their counters go on where those of the segment before have ended, whoever made that.
    fn follow(&mut self, part: Part) -> Part {
        match self.packaging {
            Packaging::Cmaf => part,
            Packaging::Ts => Part {
                data: self.continuity.follow(part.data),
                ..part
            },
        }
    }

    /// Whether the first part of segment `msn` waits.
    pub(super) fn holds(&self, msn: u64) -> bool {
        self.parts().any(|part| (part.msn, part.index) == (msn, 0))
    }

    /// Forgets what waits.
    pub(super) fn forget(&mut self) {
        self.held.clear();
    }

    /// Bytes held in memory.
    pub(super) fn bytes(&self) -> u64 {
        let held = self.parts().map(|part| part.data.len() as u64);
        self.window.bytes().saturating_add(held.sum())
    }
}
