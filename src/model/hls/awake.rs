//! Which rungs have media of their own in which segments.

use std::collections::VecDeque;

use crate::model::ladder::RungSet;
use crate::model::ladder::cuts::Cut;

/// Changes that are remembered. A window is never so many segments behind.
const CHANGES_MAX: usize = 256;

/// The rungs that are awake, by segment. Before the first cut is known, all are.
#[derive(Debug, Default)]
pub(super) struct Awake {
    /// From which segment on which rungs are awake, oldest first.
    changes: VecDeque<(u64, RungSet)>,
}

impl Awake {
    /// Takes a cut. It takes the place of those that a lost worker has told for the same segments.
    pub(super) fn cut(&mut self, cut: &Cut) {
        while self.changes.back().is_some_and(|last| last.0 >= cut.msn) {
            self.changes.pop_back();
        }
        if self.changes.back().is_none_or(|last| last.1 != cut.awake) {
            self.changes.push_back((cut.msn, cut.awake));
        }
        if self.changes.len() > CHANGES_MAX {
            self.changes.pop_front();
        }
    }

    /// The first segment that is remembered.
    pub(super) fn first(&self) -> Option<u64> {
        self.changes.front().map(|change| change.0)
    }

    fn at(&self, msn: u64) -> Option<RungSet> {
        let mut changes = self.changes.iter().rev();
        changes
            .find(|(from, _)| *from <= msn)
            .map(|change| change.1)
    }

    /// The rung whose media `rung` shows in segment `msn`.
    pub(super) fn shown(&self, rung: usize, msn: u64) -> usize {
        let awake = self.at(msn);
        awake.and_then(|awake| awake.stand_in(rung)).unwrap_or(rung)
    }

    /// The first segment from `msn` on in which `rung` is awake, as far as is known.
    pub(super) fn next(&self, rung: usize, msn: u64) -> Option<u64> {
        if self.shown(rung, msn) == rung {
            return Some(msn);
        }
        let mut later = self.changes.iter().filter(|(from, _)| *from > msn);
        later.find(|(_, awake)| awake.contains(rung)).map(|c| c.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(awake: &mut Awake, msn: u64, rungs: &[usize]) {
        let awake_rungs = rungs.iter().copied().fold(RungSet::EMPTY, RungSet::with);
        awake.cut(&Cut {
            msn,
            frame: 0,
            awake: awake_rungs,
        });
    }

    #[test]
    fn a_rung_shows_another_while_it_sleeps() {
        let mut awake = Awake::default();
        assert_eq!((awake.shown(0, 5), awake.next(0, 5)), (0, Some(5)));
        for (msn, rungs) in [(1, &[0, 1, 2][..]), (2, &[2]), (3, &[2]), (4, &[0, 2])] {
            cut(&mut awake, msn, rungs);
        }
        let shown = |rung| (1..6).map(|msn| awake.shown(rung, msn)).collect::<Vec<_>>();
        assert_eq!(shown(0), [0, 2, 2, 0, 0]);
        assert_eq!(shown(1), [1, 2, 2, 2, 2]);
        assert_eq!(shown(2), [2, 2, 2, 2, 2]);
        assert_eq!((awake.next(0, 2), awake.next(0, 5)), (Some(4), Some(5)));
        assert_eq!(awake.next(1, 2), None);
    }

    #[test]
    fn a_new_worker_tells_its_cuts_again() {
        let mut awake = Awake::default();
        cut(&mut awake, 1, &[0, 1]);
        cut(&mut awake, 2, &[1]);
        cut(&mut awake, 2, &[0, 1]);
        assert_eq!(awake.shown(0, 2), 0);
    }

    #[test]
    fn old_changes_are_forgotten() {
        let mut awake = Awake::default();
        for msn in 0..3 * CHANGES_MAX as u64 {
            cut(&mut awake, msn, &[(msn % 2) as usize]);
        }
        assert_eq!(awake.changes.len(), CHANGES_MAX);
    }
}
