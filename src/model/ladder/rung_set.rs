//! A set of rungs.

use serde::{Deserialize, Serialize};

/// Some of the video renditions of a plan, by their place in it. A ladder has at most 16 rungs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RungSet(u32);

impl RungSet {
    /// No rung.
    pub const EMPTY: Self = Self(0);

    /// The first `count` rungs.
    pub fn first(count: usize) -> Self {
        (0..count).fold(Self::EMPTY, |set, rung| set.with(rung))
    }

    /// This set and `rung`.
    #[must_use]
    pub fn with(self, rung: usize) -> Self {
        Self(self.0 | Self::bit(rung))
    }

    /// This set without `rung`.
    #[must_use]
    pub fn without(self, rung: usize) -> Self {
        Self(self.0 & !Self::bit(rung))
    }

    /// Whether `rung` is in the set.
    pub fn contains(self, rung: usize) -> bool {
        self.0 & Self::bit(rung) != 0
    }

    /// Whether all rungs of this set are in `other`.
    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether no rung is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rung whose media `rung` shows: its own if it is in the set; else that of the nearest rung
    /// below it, which every viewer of `rung` can play; else of the nearest one above it.
    pub fn stand_in(self, rung: usize) -> Option<usize> {
        let below = (rung..Self::MAX).find(|other| self.contains(*other));
        below.or_else(|| (0..rung).rev().find(|other| self.contains(*other)))
    }

    const MAX: usize = 32;

    fn bit(rung: usize) -> u32 {
        let rung = u32::try_from(rung).unwrap_or(u32::MAX);
        1_u32.checked_shl(rung).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_come_and_go() {
        let all = RungSet::first(4);
        assert!((0..4).all(|rung| all.contains(rung)));
        assert!(!all.contains(4) && !all.contains(1000));
        let some = all.without(0).without(2);
        assert!(some.is_within(all) && !all.is_within(some));
        assert_eq!(some.with(0).with(2), all);
        assert!(RungSet::EMPTY.is_empty() && !some.is_empty());
    }

    #[test]
    fn a_sleeping_rung_shows_the_nearest_awake_one_below() {
        let awake = RungSet::EMPTY.with(1).with(3);
        let shown: Vec<_> = (0..5).map(|rung| awake.stand_in(rung)).collect();
        assert_eq!(shown, [Some(1), Some(1), Some(3), Some(3), Some(3)]);
        assert_eq!(RungSet::EMPTY.stand_in(0), None);
    }
}
