//! What makes the media of each rung of a session, and why.

use crate::model::encoder::{Filling, TemplateName};
use crate::model::ladder::{Plan, RungSet, VideoRendition};
use crate::model::status::RungStatus;
use crate::wire::protocol::{RungStats, Trouble};

/// Highest speed of an encoder that is shown.
const SPEED_MAX: f32 = 1000.0;

/// The rungs of a session, in the order of the plan.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// The rungs that are awake in the newest segment.
    awake: RungSet,
}

#[derive(Debug, Default)]
struct Slot {
    encoder: TemplateName,
    /// The publisher's own frames are its media.
    passes: bool,
    /// Why it is made in another way than at first.
    replaced: Option<String>,
    /// Why it sleeps although it is wanted.
    halted: Option<String>,
    stats: Option<RungStats>,
    wakes: u64,
    replacements: u64,
}

/// Which rungs somebody watches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes {
    /// Those that are watched; `None` where all are made in any case.
    pub(super) watched: Option<RungSet>,
    /// Those that the worker is to make.
    pub(super) wanted: RungSet,
}

impl Slots {
    /// Each rung has one of these encoders.
    pub(super) fn new(encoders: Vec<TemplateName>) -> Self {
        let slot = |encoder| Slot {
            encoder,
            ..Slot::default()
        };
        Self {
            awake: RungSet::first(encoders.len()),
            slots: encoders.into_iter().map(slot).collect(),
        }
    }

    /// Another worker goes on with these encoders.
    pub(super) fn renew(&mut self, encoders: Vec<TemplateName>) {
        for (slot, encoder) in self.slots.iter_mut().zip(encoders) {
            slot.encoder = encoder;
            (slot.replaced, slot.halted, slot.passes) = (None, None, false);
        }
    }

    /// From the next segment on, these rungs are awake; true if others were before.
    pub(super) fn wake(&mut self, awake: RungSet) -> bool {
        for (rung, slot) in self.slots.iter_mut().enumerate() {
            let wakes = awake.contains(rung) && !self.awake.contains(rung);
            if wakes {
                slot.wakes = slot.wakes.saturating_add(1);
                slot.halted = None;
            }
        }
        std::mem::replace(&mut self.awake, awake) != awake
    }

    /// A rung has another encoder, or none, perhaps because of some trouble.
    pub(super) fn fill(&mut self, rung: usize, filling: Filling, trouble: Option<&Trouble>) {
        let Some(slot) = self.slots.get_mut(rung) else {
            return;
        };
        let why = trouble.map(|Trouble { cause, next }| format!("{cause}; {next}"));
        slot.passes = match filling {
            Filling::Passthrough => true,
            Filling::Encoder(_) => false,
            Filling::Asleep => slot.passes,
        };
        match filling {
            Filling::Passthrough => slot.replaced = why,
            Filling::Encoder(encoder) if encoder == slot.encoder => {
                slot.replaced = why.or_else(|| slot.replaced.take());
            }
            Filling::Encoder(encoder) => {
                slot.encoder = encoder;
                slot.replacements = slot.replacements.saturating_add(1);
                slot.replaced = why;
            }
            // A rung that is given up was filled before, until its segment had ended.
            Filling::Asleep => {
                let before = slot.halted.take().or_else(|| slot.replaced.clone());
                slot.halted = why.or(before);
            }
        }
    }

    /// Whether the publisher's own frames are the media of a rung while it is awake.
    pub(super) fn passes(&self, rung: usize) -> bool {
        self.slots.get(rung).is_some_and(|slot| slot.passes)
    }

    /// The encoders tell how they do.
    pub(super) fn measured(&mut self, stats: &[RungStats]) {
        let stats = stats.iter().copied().map(Some);
        let stats = stats.chain(std::iter::repeat(None));
        for (slot, stats) in self.slots.iter_mut().zip(stats) {
            slot.stats = stats;
        }
    }

    /// What is made, for the API.
    pub(super) fn statuses(&self, plan: &Plan, wishes: Wishes) -> Vec<RungStatus> {
        let slots = plan.video.iter().zip(&self.slots).enumerate();
        slots
            .map(|(rung, (video, slot))| self.status(plan, (rung, video), slot, wishes))
            .collect()
    }

    fn status(
        &self,
        plan: &Plan,
        (rung, video): (usize, &VideoRendition),
        slot: &Slot,
        wishes: Wishes,
    ) -> RungStatus {
        let awake = self.awake.contains(rung);
        // JSON has no number for infinity.
        let speed = |stats: RungStats| match stats.speed {
            speed if speed.is_finite() => speed.clamp(0.0, SPEED_MAX),
            _ => 0.0,
        };
        let cause = if awake { &slot.replaced } else { &slot.halted };
        RungStatus {
            name: video.name.clone(),
            width: video.width,
            height: video.height,
            fps: plan.canvas.fps.divided(video.divisor).as_f64(),
            bitrate: video.bitrate.bps(),
            encoder: slot.encoder.clone(),
            filling: match (awake, slot.passes) {
                (true, true) => RungStatus::PASS_THROUGH.to_owned(),
                (true, false) => format!("encoder {}", slot.encoder),
                (false, _) => "asleep".to_owned(),
            },
            reason: reason(rung, awake, cause.as_deref(), wishes).to_owned(),
            awake,
            wakes: slot.wakes,
            encoder_replacements: slot.replacements,
            viewers: 0,
            speed: slot.stats.map_or(0.0, speed),
            dropped: slot.stats.map_or(0, |stats| stats.dropped),
        }
    }
}

fn reason(rung: usize, awake: bool, cause: Option<&str>, wishes: Wishes) -> &str {
    let watched = wishes.watched.map(|watched| watched.contains(rung));
    match (awake, cause, watched) {
        (false, ..) if !wishes.wanted.contains(rung) => "nobody watches",
        (_, Some(cause), _) => cause,
        (false, None, _) => "it wakes with the next segment",
        (true, None, None) => "all rungs are made",
        (true, None, Some(true)) => "watched",
        (true, None, Some(false)) if wishes.wanted.contains(rung) => "kept warm for a quick start",
        (true, None, Some(false)) => "nobody watches; it sleeps from the next segment on",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::session::fake::plan;

    fn rungs(rungs: &[usize]) -> RungSet {
        rungs.iter().copied().fold(RungSet::EMPTY, RungSet::with)
    }

    fn trouble() -> Trouble {
        Trouble {
            cause: "it failed".into(),
            next: "go on".into(),
        }
    }

    fn shown(slots: &Slots, watched: Option<&[usize]>) -> Vec<(String, String)> {
        let watched = watched.map(rungs);
        let wanted = watched.map_or(RungSet::first(2), |watched| watched.with(1));
        let all = slots.statuses(&plan(), Wishes { watched, wanted });
        all.into_iter()
            .map(|rung| (rung.filling, rung.reason))
            .collect()
    }

    #[test]
    fn a_rung_says_what_makes_it_and_why() {
        let mut slots = Slots::new(vec!["nvidia".into(), "x264".into()]);
        let is = |slots: &Slots, watched, expected: [(&str, &str); 2]| {
            let shown = shown(slots, watched);
            let shown = shown.iter().map(|(a, b)| (a.as_str(), b.as_str()));
            assert_eq!(shown.collect::<Vec<_>>(), expected);
        };
        let (nvidia, x264) = ("encoder nvidia", "encoder x264");
        is(
            &slots,
            None,
            [(nvidia, "all rungs are made"), (x264, "all rungs are made")],
        );
        let warm = (x264, "kept warm for a quick start");
        is(&slots, Some(&[0]), [(nvidia, "watched"), warm]);
        let soon = "nobody watches; it sleeps from the next segment on";
        is(&slots, Some(&[]), [(nvidia, soon), warm]);
        assert!(slots.wake(rungs(&[1])) && !slots.wake(rungs(&[1])));
        is(
            &slots,
            Some(&[1]),
            [("asleep", "nobody watches"), (x264, "watched")],
        );
        is(
            &slots,
            Some(&[0]),
            [("asleep", "it wakes with the next segment"), warm],
        );
        slots.fill(0, Filling::Encoder("x264".into()), Some(&trouble()));
        slots.fill(0, Filling::Asleep, None);
        is(&slots, Some(&[0]), [("asleep", "it failed; go on"), warm]);
        slots.wake(rungs(&[0, 1]));
        is(&slots, Some(&[0]), [(x264, "it failed; go on"), warm]);
        slots.renew(vec!["x264".into(), "x264".into()]);
        is(&slots, Some(&[0]), [(x264, "watched"), warm]);
    }

    #[test]
    fn wakes_and_other_encoders_are_counted() {
        let mut slots = Slots::new(vec!["nvidia".into(), "x264".into()]);
        slots.fill(0, Filling::Asleep, None);
        slots.wake(rungs(&[1]));
        slots.fill(0, Filling::Encoder("nvidia".into()), None);
        slots.wake(rungs(&[0, 1]));
        slots.fill(0, Filling::Encoder("x264".into()), Some(&trouble()));
        slots.fill(7, Filling::Asleep, None);
        let wishes = Wishes {
            watched: None,
            wanted: rungs(&[0, 1]),
        };
        let all = slots.statuses(&plan(), wishes);
        let counts: Vec<_> = all
            .iter()
            .map(|r| (r.wakes, r.encoder_replacements))
            .collect();
        assert_eq!(counts, [(1, 1), (0, 0)]);
        assert!(all.iter().all(|rung| rung.awake));
    }
}
