//! Makes less of the ladder on a machine that is too slow for it, and more again.

use std::time::{Duration, Instant};

use super::Rungs;
use crate::model::encoder::Filling;
use crate::model::ladder::RungSet;
use crate::wire::protocol::{FromWorker, Shed, Trouble};
use crate::worker::load::Change;
use crate::worker::media::engine::Strain;

/// How late a picture may be on a machine that keeps up.
const LATE_MAX: Duration = Duration::from_millis(400);

impl Rungs {
    /// Looks whether the output keeps up, and gives something up or takes it up again.
    pub(super) fn weigh(&mut self, strain: &Strain, now: Instant) {
        if !self.load.is_due(now) {
            return;
        }
        let (dropped, late) = strain.take();
        let left_out = dropped.saturating_sub(self.dropped);
        self.dropped = dropped;
        let strained = left_out > 0 || late > LATE_MAX;
        let wanted = self.wanted_awake();
        let steps = wanted.len() + usize::from(self.can_economize(&wanted));
        match self.load.observe(strained, steps, now) {
            None => {}
            Some(Change::Shed) => {
                let cause = format!(
                    "this machine is too slow for the ladder: in the last second, {left_out} \
                     pictures were left out and the latest came {late:?} late"
                );
                self.carry(
                    &wanted,
                    &cause,
                    "take rungs away or give the machine more cores",
                );
            }
            Some(Change::Recover) => {
                let cause = "this machine has had room for a minute";
                self.carry(&wanted, cause, "more of the ladder is made again");
            }
        }
        self.tell_load(&wanted, left_out);
    }

    /// Tells the daemon how much is given up, if it is another amount than before.
    fn tell_load(&mut self, wanted: &[usize], left_out: u64) {
        let shed = Shed {
            steps: u8::try_from(self.load.level()).unwrap_or(u8::MAX),
            exhausted: self.load.is_exhausted(),
        };
        if shed == self.told {
            return;
        }
        self.outbox.send(FromWorker::Shed(shed));
        if shed.exhausted
            && !self.told.exhausted
            && let Some(video) = wanted.last().copied()
            && let Some(rung) = self.rungs.get(video)
        {
            let cause = format!(
                "this machine is too slow for the lowest rung alone: in the last second, {left_out} \
                 pictures were left out"
            );
            let next = "pictures are left out until there is room; give the machine more cores or \
                        fewer streams";
            let filling = Filling::Encoder(rung.choice.current().clone());
            let next = next.to_owned();
            self.tell(video, filling, Some(Trouble { cause, next }));
        }
        self.told = shed;
    }

    /// Whether the encoder of the top rung has settings for a machine that is too slow.
    fn can_economize(&self, wanted: &[usize]) -> bool {
        let top = wanted.first().and_then(|top| {
            let slot = self.output.slots().get(*top)?;
            Some(slot.has_cheaper(self.rungs.get(*top)?.choice.current()))
        });
        top.unwrap_or_default()
    }

    /// Makes as much of the ladder as the load allows: first the top rung has half its rate, then all
    /// encoders do as little as they can, then the top rung sleeps, then the next one.
    fn carry(&mut self, wanted: &[usize], cause: &str, advice: &str) {
        let level = self.load.level();
        for (video, slot) in self.output.slots().iter().enumerate() {
            slot.halve(level > 0 && wanted.first() == Some(&video));
        }
        let economizes = self.can_economize(wanted);
        self.cheaper = economizes && level > 1;
        let asleep = level.saturating_sub(1 + usize::from(economizes));
        let asleep = asleep.min(wanted.len().saturating_sub(1));
        let dropped = wanted.iter().take(asleep);
        self.too_much = dropped.fold(RungSet::EMPTY, |set, video| set.with(*video));
        let Some(video) = wanted.get(asleep.saturating_sub(1)).copied() else {
            return;
        };
        let next = match (level, asleep) {
            (0, _) => format!("all rungs are made as configured; {advice}"),
            (_, 0) if self.cheaper => {
                format!("all encoders work with their cheapest settings; {advice}")
            }
            (_, 0) => format!("the rung has half its frame rate; {advice}"),
            (_, asleep) => format!("the top {asleep} rungs show a lower one; {advice}"),
        };
        let filling = match self.too_much.contains(video) {
            true => Filling::Asleep,
            false => self.filling(video),
        };
        let cause = cause.to_owned();
        self.tell(video, filling, Some(Trouble { cause, next }));
        self.settle();
    }
}
