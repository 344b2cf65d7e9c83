//! The cut log: the only place that decides where segments and parts begin, for all renditions in
//! both packagings, and which rungs have media of their own in which segment.
//!
//! A cut is decided ahead of encoding and never changed afterwards. Unless somebody asks for an
//! earlier one, the next cut is one segment after the last. The log counts canvas frames (for audio:
//! AAC frames of 1024 samples at 48 kHz) and never measures time, so all renditions are cut at the
//! same places.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lengths::Lengths;
use super::rung_set::RungSet;

/// Cuts that a log remembers: at the shortest segments more than what may wait for a packager.
const CUTS_MAX: usize = 128;

/// Cuts that may follow key frames of a source at once; later ones only one per two segments.
const EARLY_CUTS_BURST: u64 = 8;

/// The beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Media sequence number of the segment.
    pub msn: u64,
    /// Its first canvas frame.
    pub frame: u64,
    /// The rungs that have media of their own in it; the others show that of another rung.
    pub awake: RungSet,
}

/// Where a frame lies in its playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Media sequence number of the segment.
    pub msn: u64,
    /// Number of the part inside it, from 0.
    pub part: u32,
    /// This frame is the first of its segment.
    pub starts_segment: bool,
    /// This frame is the first of its part.
    pub starts_part: bool,
}

/// The end of a log, which another log goes on from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// The last cuts, oldest first; never empty.
    pub cuts: Vec<Cut>,
    /// Parts of a video rendition before the oldest of them.
    pub parts: u64,
}

/// The decided cuts of one worker, and the one that comes next.
#[derive(Debug, Clone)]
pub struct CutLog {
    lengths: Lengths,
    /// Decided cuts, oldest first; never empty.
    cuts: VecDeque<Cut>,
    /// Parts of a video rendition before the oldest cut.
    parts: u64,
    /// For every frame up to this one it is decided whether it begins a segment.
    decided: u64,
    /// First frame of the next segment, which may still be brought forward.
    due: u64,
    /// The rungs that are awake from the next segment on.
    awake: RungSet,
    /// Cuts that followed key frames of a source.
    early: u64,
    /// A source's key frame behind the next cut, and the frames from there to the one behind it.
    key_frame: Option<(u64, u64)>,
}

impl CutLog {
    /// A log whose first segment is `first`. The first segment of a timeline, which begins with frame
    /// 0, is short.
    pub fn new(lengths: Lengths, first: Cut) -> Self {
        let frames = match first.frame {
            0 => lengths.first_segment_frames,
            _ => lengths.segment_frames,
        };
        Self {
            lengths,
            cuts: VecDeque::from([first]),
            parts: 0,
            decided: first.frame,
            due: first.frame.saturating_add(frames),
            awake: first.awake,
            early: 0,
            key_frame: None,
        }
    }

    /// A log that goes on from `tail`; `None` when that has no cut.
    pub fn after(lengths: Lengths, tail: &Tail) -> Option<Self> {
        let (first, later) = tail.cuts.split_first()?;
        let mut log = Self::new(lengths, *first);
        log.parts = tail.parts;
        for cut in later {
            log.add(*cut);
        }
        Some(log)
    }

    /// The cuts from that of segment `msn` on, and at least the newest one.
    pub fn tail(&self, msn: u64) -> Tail {
        let msn = msn.min(self.last().msn);
        Tail {
            parts: self.part_number(msn, 0),
            cuts: self
                .cuts
                .iter()
                .filter(|cut| cut.msn >= msn)
                .copied()
                .collect(),
        }
    }

    /// The lengths that its cuts follow.
    pub fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// Decides for every frame up to `frame` whether it begins a segment; returns the new cuts.
    pub fn decide(&mut self, frame: u64) -> Vec<Cut> {
        let mut new = Vec::new();
        while self.due <= frame {
            let cut = Cut {
                msn: self.last().msn.saturating_add(1),
                frame: self.due,
                awake: self.awake,
            };
            self.add(cut);
            new.push(cut);
        }
        self.decided = self.decided.max(frame);
        new
    }

    /// Takes a cut that another log has decided; false when it cannot follow the last one: cuts are
    /// numbered without a gap, and a segment is neither shorter than the least one nor longer than
    /// nominal.
    pub fn accept(&mut self, cut: Cut) -> bool {
        let last = self.last();
        let frames = cut.frame.saturating_sub(last.frame);
        let follows = last.msn.checked_add(1) == Some(cut.msn)
            && (self.lengths.least_segment_frames..=self.due.saturating_sub(last.frame))
                .contains(&frames)
            && cut.frame.is_multiple_of(self.lengths.grid_frames);
        if follows {
            self.add(cut);
        }
        follows
    }

    fn add(&mut self, cut: Cut) {
        self.cuts.push_back(cut);
        if self.cuts.len() > CUTS_MAX
            && let Some(oldest) = self.cuts.pop_front()
        {
            self.parts = self.parts.saturating_add(self.parts_in(oldest));
        }
        self.decided = self.decided.max(cut.frame);
        self.due = cut.frame.saturating_add(self.lengths.segment_frames);
        self.awake = cut.awake;
        if let Some((frame, distance)) = self.key_frame.take() {
            self.follow_key_frame(frame, distance);
        }
    }

    /// Brings the next cut forward to `frame`; false when that is decided already, is off the grid, or
    /// makes a segment shorter than the least one. The cut is never put off.
    pub fn cut_at(&mut self, frame: u64) -> bool {
        let least = self.lengths.least_segment_frames;
        let long_enough = frame >= self.last().frame.saturating_add(least);
        let fits = frame > self.decided
            && frame <= self.due
            && long_enough
            && frame.is_multiple_of(self.lengths.grid_frames);
        if fits {
            self.due = frame;
        }
        fits
    }

    /// A source that is passed through has a key frame at `frame`, and the next one at most `distance`
    /// frames later. Ends the segment at `frame` if it would be too long with the frames up to the next
    /// key frame; not when that would make cuts more frequent than the daemon believes.
    pub fn follow_key_frame(&mut self, frame: u64, distance: u64) {
        if frame > self.due {
            // It lies in the segment that begins there.
            self.key_frame = Some((frame, distance));
            return;
        }
        let start = self.last().frame;
        let longest = start.saturating_add(self.lengths.segment_frames);
        let nominal = frame / self.lengths.segment_frames.max(1);
        let often = self.early > EARLY_CUTS_BURST.saturating_add(nominal / 2);
        let next = frame.saturating_add(distance);
        if next <= longest || often {
            return;
        }
        let least = self.lengths.least_segment_frames;
        // Where the segment would be too short, it ends so that the next one may end at the next key frame.
        let cut = match frame < start.saturating_add(least) {
            true => next.saturating_sub(least).min(longest),
            false => frame,
        };
        if self.cut_at(cut - cut % self.lengths.grid_frames.max(1)) {
            self.early = self.early.saturating_add(1);
        }
    }

    /// Brings the next cut forward to the next part that is not decided and makes the segment no
    /// shorter than the least one; returns its first frame.
    pub fn cut_soon(&mut self) -> u64 {
        let (start, part) = (self.last().frame, self.lengths.part_frames);
        let parts = (self.decided.saturating_sub(start) / part).saturating_add(1);
        let least = self.lengths.least_segment_frames.div_ceil(part);
        let next = parts.max(least).saturating_mul(part);
        self.due = self.due.min(start.saturating_add(next));
        self.due
    }

    /// Makes `awake` the rungs that are awake from the next segment on.
    pub fn set_awake(&mut self, awake: RungSet) {
        self.awake = awake;
    }

    /// The rungs that are awake from the next segment on.
    pub fn awake_next(&self) -> RungSet {
        self.awake
    }

    /// The cut with which segment `msn` begins.
    pub fn cut(&self, msn: u64) -> Option<&Cut> {
        let first = self.cuts.front()?.msn;
        let index = usize::try_from(msn.checked_sub(first)?).ok()?;
        self.cuts.get(index)
    }

    /// Where canvas frame `frame` lies; it must be decided.
    pub fn locate(&self, frame: u64) -> Position {
        let cut = self.cut_of(frame);
        let offset = frame.saturating_sub(cut.frame);
        position(cut.msn, offset, self.lengths.part_frames)
    }

    /// Where AAC frame `index` lies; the canvas frames up to its start must be decided.
    ///
    /// A segment of sound starts with the first AAC frame that starts at or after the start of the
    /// video segment, so it is cut less than one AAC frame later than the video.
    pub fn locate_audio(&self, index: u64) -> Position {
        // Segment k starts at AAC frame ceil(t_k / frame), which is at most `index` exactly when
        // t_k <= index * frame. So the segment is that of the last canvas frame that starts no
        // later than this AAC frame.
        let cut = self.cut_of(self.lengths.canvas_frame_at(index));
        let offset = index.saturating_sub(self.lengths.aac_frame_from(cut.frame));
        position(cut.msn, offset, self.lengths.audio_part_frames)
    }

    /// Parts of a video rendition in the segment that begins with `cut` and has ended.
    fn parts_in(&self, cut: Cut) -> u64 {
        let next = self.cut(cut.msn.saturating_add(1));
        let frames = next.map_or(0, |next| next.frame.saturating_sub(cut.frame));
        frames.div_ceil(self.lengths.part_frames)
    }

    /// Number of a part among all parts of a video rendition, from 0; the same in every rung, whether
    /// or not the rung has media of its own.
    pub fn part_number(&self, msn: u64, part: u32) -> u64 {
        let before = self.cuts.iter().take_while(|cut| cut.msn < msn);
        let before: u64 = before.map(|cut| self.parts_in(*cut)).sum();
        self.parts
            .saturating_add(before)
            .saturating_add(u64::from(part))
    }

    /// The canvas frame after the last one of a part of a video rendition, as far as cuts are decided;
    /// 0 for a part of a forgotten segment.
    pub fn part_end(&self, msn: u64, part: u32) -> u64 {
        let through = (u64::from(part) + 1).saturating_mul(self.lengths.part_frames);
        let end = self
            .cut(msn)
            .map_or(0, |cut| cut.frame.saturating_add(through));
        let next = self.cut(msn.saturating_add(1));
        next.map_or(end, |next| end.min(next.frame))
    }

    /// The first canvas frame of a part of a video rendition; `None` before its segment is decided.
    pub fn part_start(&self, msn: u64, part: u32) -> Option<u64> {
        let before = u64::from(part).saturating_mul(self.lengths.part_frames);
        self.cut(msn).map(|cut| cut.frame.saturating_add(before))
    }

    /// The first AAC frame of a part of an audio rendition; `None` before its segment is decided.
    pub fn audio_part_start(&self, msn: u64, part: u32) -> Option<u64> {
        let before = u64::from(part).saturating_mul(self.lengths.audio_part_frames);
        let cut = self.cut(msn)?;
        Some(
            self.lengths
                .aac_frame_from(cut.frame)
                .saturating_add(before),
        )
    }

    /// Whether a part of a video rendition ends its segment, as far as cuts are decided.
    pub fn ends_segment(&self, msn: u64, part: u32) -> bool {
        let next = self.cut(msn.saturating_add(1));
        next.is_some_and(|next| self.part_end(msn, part) >= next.frame)
    }

    /// Whether a part of an audio rendition ends its segment, as far as cuts are decided.
    pub fn ends_audio_segment(&self, msn: u64, part: u32) -> bool {
        let cuts = self.cut(msn).zip(self.cut(msn.saturating_add(1)));
        cuts.is_some_and(|(cut, next)| {
            let through = (u64::from(part) + 1).saturating_mul(self.lengths.audio_part_frames);
            let start = self.lengths.aac_frame_from(cut.frame);
            start.saturating_add(through) >= self.lengths.aac_frame_from(next.frame)
        })
    }

    /// Output time at which segment `msn` starts; `None` before its cut is decided.
    pub fn segment_time(&self, msn: u64) -> Option<Duration> {
        self.cut(msn).map(|cut| self.lengths.fps.time_of(cut.frame))
    }

    /// Output time of the last frame that is decided.
    pub fn decided(&self) -> Duration {
        self.lengths.fps.time_of(self.decided)
    }

    /// The newest cut.
    pub fn last(&self) -> Cut {
        let none = Cut {
            msn: 0,
            frame: 0,
            awake: self.awake,
        };
        self.cuts.back().copied().unwrap_or(none)
    }

    /// The cut of the segment that `frame` lies in; of frames before the oldest one, the oldest.
    pub fn cut_of(&self, frame: u64) -> Cut {
        let found = self.cuts.iter().rev().find(|cut| cut.frame <= frame);
        let oldest = || self.cuts.front().copied();
        found.copied().or_else(oldest).unwrap_or(self.last())
    }
}

fn position(msn: u64, offset: u64, part_frames: u64) -> Position {
    Position {
        msn,
        part: u32::try_from(offset / part_frames).unwrap_or(u32::MAX),
        starts_segment: offset == 0,
        starts_part: offset.is_multiple_of(part_frames),
    }
}

#[cfg(test)]
mod tests;
