//! The initialization sections of a window's segments.

use bytes::Bytes;

use super::init::InitSection;

/// An initialization section, `init-NUMBER.mp4`.
#[derive(Debug)]
pub struct Init {
    /// Counted from 1.
    pub number: u32,
    /// RFC 6381 codec string.
    pub codec: String,
    /// `ftyp` and `moov`.
    pub data: Bytes,
    /// Segments in the window that refer to it.
    segments: u64,
    /// A segment has referred to it, so it must not change any more.
    pub(super) used: bool,
}

/// Those of all segments of a window and of the next one.
#[derive(Debug, Default)]
pub(super) struct Inits {
    all: Vec<Init>,
    /// Number of the next segment's.
    next: Option<u32>,
    /// Highest number that a segment has referred to.
    used_max: u32,
}

impl Inits {
    /// Takes the section of the next segment. One with the same bytes as one that is here is that one,
    /// under its number. Until a segment refers to it, a later one replaces it.
    pub(super) fn take(&mut self, section: &InitSection) {
        let InitSection { codec, data } = section;
        let same = |init: &&Init| init.used && init.data == data && init.codec == *codec;
        let number = match self.all.iter().find(same) {
            Some(known) => known.number,
            None => self.used_max.saturating_add(1),
        };
        self.all.retain(|init| init.used);
        if number > self.used_max {
            self.all.push(Init {
                number,
                codec: codec.clone(),
                data: data.clone(),
                segments: 0,
                used: false,
            });
        }
        self.next = Some(number);
        self.forget_unused();
    }

    /// Number of the section for the segment that begins.
    pub(super) fn next(&self) -> Option<u32> {
        self.next
    }

    /// A segment in the window refers to a section.
    pub(super) fn refer(&mut self, number: Option<u32>) {
        if let Some(init) = self.all.iter_mut().find(|i| Some(i.number) == number) {
            init.used = true;
            init.segments = init.segments.saturating_add(1);
            self.used_max = self.used_max.max(init.number);
        }
    }

    /// A segment that referred to a section has left the window.
    pub(super) fn release(&mut self, number: Option<u32>) {
        if let Some(init) = self.all.iter_mut().find(|i| Some(i.number) == number) {
            init.segments = init.segments.saturating_sub(1);
            self.forget_unused();
        }
    }

    fn forget_unused(&mut self) {
        let next = self.next;
        let kept = |init: &Init| Some(init.number) == next || init.segments > 0;
        self.all.retain(kept);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Init> {
        self.all.iter()
    }

    /// The section with this number.
    pub(super) fn get(&self, number: u32) -> Option<&Init> {
        self.all.iter().find(|init| init.number == number)
    }

    /// Whether a segment has ever referred to this number.
    pub(super) fn has_had(&self, number: u32) -> bool {
        (1..=self.used_max).contains(&number)
    }

    /// Bytes held in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.all.iter().map(|init| init.data.len() as u64).sum()
    }
}
