//! Makes less of the ladder on a machine that is too slow for it, and more again.

use std::time::{Duration, Instant};

use super::Rungs;
use crate::model::encoder::Filling;
use crate::model::ladder::RungSet;
use crate::wire::protocol::{FromWorker, Shed, Trouble};
use crate::worker::load::{Change, Pressure};
use crate::worker::media::engine::Timing;
use crate::worker::media::input::Feeding;

/// How late a picture may be on a machine that keeps up.
const LATE_MAX: Duration = Duration::from_millis(400);
/// One of so many pictures is left out at least where the machine is far too slow.
const LEFT_OUT_ONE_OF: u64 = 3;
/// What a person can do.
const MORE_CORES: &str = "take rungs away or give the machine more cores";

impl Rungs {
    /// Looks whether the output keeps up, and gives something up or takes it up again.
    pub(super) fn weigh(&mut self, look: impl FnOnce() -> (Timing, Feeding), now: Instant) {
        if !self.load.is_due(now) {
            return;
        }
        let (timing, feeding) = look();
        let wanted = self.wanted_awake();
        let steps = wanted.len() + usize::from(self.can_economize(&wanted));
        match self.load.observe(pressure(timing, feeding), steps, now) {
            None => {}
            Some(Change::Shed) => {
                let cause = format!(
                    "this machine is too slow for the ladder: {}",
                    words(timing, feeding)
                );
                self.carry(&cause, MORE_CORES);
            }
            Some(Change::Recover) => {
                let cause = "this machine has had room for a minute";
                self.carry(cause, "more of the ladder is made again");
            }
        }
        self.tell_load(&wanted, &words(timing, feeding));
    }

    /// Tells the daemon how much is given up, if it is another amount than before.
    fn tell_load(&mut self, wanted: &[usize], seen: &str) {
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
            let cause = format!("this machine is too slow for the lowest rung alone: {seen}");
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

    /// Tells that what the worker before had given up does not begin again, if that was anything.
    pub(super) fn go_on(&mut self) {
        if self.load.level() > 0 {
            let cause =
                "this machine is too slow for the ladder: the worker before could not make it";
            self.carry(cause, MORE_CORES);
        }
    }

    /// Other rungs are wanted than before.
    pub(super) fn reconsider(&mut self) {
        match self.load.level() {
            0 => self.settle(),
            _ => self.carry("this machine is too slow for the ladder", MORE_CORES),
        }
    }

    /// Makes as much of the ladder as the load allows, and tells why.
    fn carry(&mut self, cause: &str, advice: &str) {
        let (asleep, Some(video)) = self.economize() else {
            return;
        };
        let next = match (self.load.level(), asleep) {
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

    /// Chooses what is given up: first the top rung has half its rate, then all encoders do as little as
    /// they can, then the top rung sleeps, then the next one. Returns how many sleep for it, and the lowest
    /// rung that something was taken from.
    pub(super) fn economize(&mut self) -> (usize, Option<usize>) {
        let (level, wanted) = (self.load.level(), self.wanted_awake());
        for (video, slot) in self.output.slots().iter().enumerate() {
            slot.halve(level > 0 && wanted.first() == Some(&video));
        }
        let economizes = self.can_economize(&wanted);
        self.cheaper = economizes && level > 1;
        let asleep = level.saturating_sub(1 + usize::from(economizes));
        let asleep = asleep.min(wanted.len().saturating_sub(1));
        let dropped = wanted.iter().take(asleep);
        self.too_much = dropped.fold(RungSet::EMPTY, |set, video| set.with(*video));
        (asleep, wanted.get(asleep.saturating_sub(1)).copied())
    }
}

/// What the output's timing and the input's waiting say of the machine.
fn pressure(timing: Timing, feeding: Feeding) -> Pressure {
    if timing.due == 0 {
        // Only what was missed was made up for, as fast as the machine can.
        Pressure::None
    } else if feeding.is_slow() || timing.left_out >= timing.due.div_ceil(LEFT_OUT_ONE_OF) {
        // Behind a decoder that is too slow, whole groups of pictures are lost.
        Pressure::Extreme
    } else if timing.left_out > 0 || timing.late > LATE_MAX {
        Pressure::High
    } else {
        Pressure::None
    }
}

fn words(timing: Timing, feeding: Feeding) -> String {
    let Timing {
        due,
        left_out,
        late,
    } = timing;
    format!(
        "in the last second, {left_out} of {due} pictures were left out, the latest came {late:?} late, \
         and frames waited {} ms for their decoder",
        feeding.waited.as_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_left_out_and_frames_that_wait_are_pressure() {
        let ms = Duration::from_millis;
        let timing = |due, left_out, late_ms| Timing {
            due,
            left_out,
            late: ms(late_ms),
        };
        let feeding = |waited_ms, media_ms| Feeding {
            waited: ms(waited_ms),
            media: ms(media_ms),
        };
        let fed = feeding(0, 1000);
        let cases = [
            (timing(30, 0, 400), fed, Pressure::None),
            (timing(30, 0, 401), fed, Pressure::High),
            (timing(30, 1, 20), fed, Pressure::High),
            (timing(30, 9, 600), fed, Pressure::High),
            (timing(30, 10, 600), fed, Pressure::Extreme),
            (timing(30, 0, 20), feeding(1000, 600), Pressure::Extreme),
            (timing(30, 0, 20), feeding(1000, 2000), Pressure::None),
            (timing(0, 0, 0), feeding(1000, 600), Pressure::None),
        ];
        for (timing, feeding, expected) in cases {
            assert_eq!(
                pressure(timing, feeding),
                expected,
                "{timing:?} {feeding:?}"
            );
        }
    }
}
