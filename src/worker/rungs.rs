//! Fills and empties the rungs: another encoder where one has failed, none where nobody watches, or
//! where the machine is too slow.

mod shedding;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::choice::Choice;
use super::load::Load;
use crate::model::encoder::{Filling, OnFailure, TemplateName};
use crate::model::ladder::RungSet;
use crate::wire::protocol::{FromWorker, Shed, Start, Trouble};
use crate::worker::media::Outbox;
use crate::worker::media::engine::Timing;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::input::Feeding;
use crate::worker::media::output::{Cuts, Output};

/// How long an encoder may take to be built.
const BUILD_MAX: Duration = Duration::from_secs(3);

/// The rungs of a running output half.
pub struct Rungs {
    output: Output,
    cuts: Cuts,
    on_failure: OnFailure,
    rungs: Vec<Rung>,
    /// The rungs that somebody watches, or that are to be encoded in any case.
    wanted: RungSet,
    /// Rungs that were given up with their encoder.
    shed: RungSet,
    /// Rungs that were given up because the machine is too slow.
    too_much: RungSet,
    load: Load,
    /// Encoders get the settings for a machine that is too slow.
    cheaper: bool,
    /// What the daemon was told of the load.
    told: Shed,
    orders: u64,
    outbox: Outbox,
    events: Events,
}

struct Rung {
    name: String,
    choice: Choice,
    order: Option<Order>,
    /// Its encoder has the settings for a machine that is too slow.
    is_cheaper: bool,
}

/// An encoder that is being built.
struct Order {
    number: u64,
    encoder: TemplateName,
    deadline: Instant,
    /// It took too long, and is not to be used any more.
    cancelled: Arc<AtomicBool>,
    /// What the daemon is told when the rung has it.
    trouble: Option<Trouble>,
}

impl Rungs {
    /// The rungs of `output`.
    pub fn new(
        output: &Output,
        cuts: &Cuts,
        start: &Start,
        outbox: &Outbox,
        events: &Events,
    ) -> Self {
        let rung = |name: &str| Rung {
            name: name.to_owned(),
            choice: Choice::new(&start.encoders),
            order: None,
            is_cheaper: false,
        };
        let resume = start.resume.as_ref();
        let slots = output.slots().iter();
        let rungs: Vec<Rung> = slots.map(|slot| rung(&slot.rendition().name)).collect();
        Self {
            output: output.clone(),
            cuts: cuts.clone(),
            on_failure: start.on_failure,
            wanted: resume.map_or_else(|| cuts.awake_next(), |resume| resume.wanted),
            shed: RungSet::EMPTY,
            too_much: RungSet::EMPTY,
            load: Load::new(usize::from(start.shed), Instant::now()),
            cheaper: false,
            told: Shed::default(),
            rungs,
            orders: 0,
            outbox: outbox.clone(),
            events: events.clone(),
        }
    }

    /// Builds the first encoder of every rung; waits a while for them, so that the session begins when
    /// they are there. A rung whose encoder is late or refused goes on looking for another one.
    pub fn build(&mut self) {
        let (events, reports) = Events::new();
        let needs = |output: &Output, count| -> Vec<usize> {
            let slots = output.slots().iter().enumerate();
            let slots = slots.filter(|(_, slot)| slot.encoders_needed() >= count);
            slots.map(|(video, _)| video).collect()
        };
        // What the worker before had given up does not begin again.
        self.economize();
        for video in needs(&self.output, 1) {
            if let Some(encoder) = self.first_of(video) {
                self.order_to(video, encoder, None, &events);
            }
        }
        drop(events);
        let deadline = Instant::now() + BUILD_MAX;
        while let Ok(Event::Ordered {
            video,
            order,
            refused,
        }) = reports.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.ordered(video, order, refused);
        }
        for video in needs(&self.output, 2) {
            if let Some(encoder) = self.first_of(video) {
                self.order(video, encoder, None);
            }
        }
        self.go_on();
    }

    fn first_of(&self, video: usize) -> Option<TemplateName> {
        let rung = self.rungs.get(video)?;
        Some(rung.choice.current().clone())
    }

    /// An encoder has failed.
    pub fn failed(&mut self, video: usize, encoder: &TemplateName, reason: &str) {
        let now = Instant::now();
        let Some(rung) = self.rungs.get_mut(video) else {
            return;
        };
        let cause = format!("encoder {encoder} failed: {reason}");
        let rest = rung.choice.failed(encoder, now);
        let heir = rung.choice.next(now).cloned();
        let slot = self.output.slots().get(video);
        if slot.is_some_and(|slot| !slot.is_vacant()) {
            // The encoder failed before it took over.
            let next = format!("{encoder} will be tried again in {rest:?}");
            let filling = match self.cuts.awake_next().contains(video) {
                true => self.filling(video),
                false => Filling::Asleep,
            };
            self.tell(video, filling, Some(Trouble { cause, next }));
            return self.settle();
        }
        match (self.on_failure, heir) {
            (OnFailure::Fail, _) | (_, None) => self.give_up(video, encoder, reason),
            (OnFailure::Fallback, Some(heir)) => {
                let next =
                    format!("{heir} has taken over, and {encoder} will be tried again in {rest:?}");
                self.order(video, heir, Some(Trouble { cause, next }));
            }
            (OnFailure::Shed, Some(heir)) => {
                self.shed = self.shed.with(video);
                let next = format!(
                    "{heir} ends the segment, and then the rung shows another one, as \
                     encoder.on_failure says"
                );
                self.order(video, heir, Some(Trouble { cause, next }));
            }
        }
    }

    fn give_up(&self, video: usize, encoder: &TemplateName, reason: &str) {
        self.outbox.send(FromWorker::EncoderFailed {
            rung: self
                .rungs
                .get(video)
                .map(|rung| rung.name.clone())
                .unwrap_or_default(),
            encoder: encoder.clone(),
            reason: reason.to_owned(),
        });
    }

    /// Builds an encoder in a thread of its own, because a driver may take any time.
    fn order(&mut self, video: usize, encoder: TemplateName, trouble: Option<Trouble>) {
        let events = self.events.clone();
        self.order_to(video, encoder, trouble, &events);
    }

    fn order_to(
        &mut self,
        video: usize,
        encoder: TemplateName,
        trouble: Option<Trouble>,
        events: &Events,
    ) {
        self.orders += 1;
        let number = self.orders;
        let cancelled = Arc::new(AtomicBool::new(false));
        let (Some(rung), Some(slot)) = (self.rungs.get_mut(video), self.output.slots().get(video))
        else {
            return;
        };
        rung.is_cheaper = self.cheaper;
        slot.economize(self.cheaper);
        rung.order = Some(Order {
            number,
            encoder: encoder.clone(),
            deadline: Instant::now() + BUILD_MAX,
            cancelled: cancelled.clone(),
            trouble,
        });
        let (slot, events) = (slot.clone(), events.clone());
        let build = move || {
            let made = slot.make(&encoder).map_err(|error| error.to_string());
            let filled = made.and_then(|filling| match cancelled.load(Ordering::Relaxed) {
                true => Err("took too long to start".to_owned()),
                false => slot.fill(filling),
            });
            events.send(Event::Ordered {
                video,
                order: number,
                refused: filled.err(),
            });
        };
        let thread = std::thread::Builder::new().name(format!("fill-{video}"));
        if thread.spawn(build).is_err() {
            let cause = "the system gives no thread to build an encoder".to_owned();
            self.events.send(Event::Fatal(cause));
        }
    }

    /// An encoder that was ordered is there, or was refused.
    pub fn ordered(&mut self, video: usize, number: u64, refused: Option<String>) {
        let Some(rung) = self.rungs.get_mut(video) else {
            return;
        };
        let Some(order) = rung.order.take_if(|order| order.number == number) else {
            return;
        };
        if let Some(reason) = refused {
            return self.failed(video, &order.encoder, &reason);
        }
        rung.choice.taken(&order.encoder);
        self.cuts.wake(video);
        self.tell(video, self.filling(video), order.trouble);
        self.settle();
    }

    /// What makes the media of a rung that is awake.
    fn filling(&self, video: usize) -> Filling {
        let slot = self.output.slots().get(video);
        match (slot, self.rungs.get(video)) {
            (Some(slot), _) if slot.is_passing() => Filling::Passthrough,
            (_, Some(rung)) => Filling::Encoder(rung.choice.current().clone()),
            (_, None) => Filling::Asleep,
        }
    }

    /// A rung has the publisher's own frames.
    pub fn passing(&self, video: usize) {
        self.tell(video, Filling::Passthrough, None);
    }

    /// The publisher's frames are no good any more.
    pub fn passing_ended(&mut self, video: usize) {
        let Some(rung) = self.rungs.get(video) else {
            return;
        };
        let heir = rung.choice.next(Instant::now()).cloned();
        match heir.filter(|_| rung.order.is_none()) {
            Some(encoder) => self.order(video, encoder, None),
            None if rung.order.is_none() => {
                let encoder = rung.choice.current().clone();
                self.give_up(video, &encoder, "no encoder works");
            }
            // The one that is being built takes over.
            None => {}
        }
    }

    /// The rungs that would be awake on a machine that is fast enough, top first.
    fn wanted_awake(&self) -> Vec<usize> {
        let keep = self.kept(RungSet::EMPTY);
        (0..self.rungs.len())
            .filter(|video| keep.contains(*video))
            .collect()
    }

    /// Looks for encoders that take too long, tries better ones again, and looks whether the output
    /// keeps up: `look` tells how it did since the last look, and how the input's decoder did.
    pub fn tick(&mut self, look: impl FnOnce() -> (Timing, Feeding), now: Instant) {
        self.weigh(look, now);
        self.rest();
        for video in 0..self.rungs.len() {
            let Some(rung) = self.rungs.get_mut(video) else {
                continue;
            };
            let late = rung.order.take_if(|order| order.deadline <= now);
            if let Some(order) = late {
                order.cancelled.store(true, Ordering::Relaxed);
                self.failed(video, &order.encoder, "does not start");
                continue;
            }
            let slot = self.output.slots().get(video);
            let passes = slot.is_some_and(|slot| slot.is_passing());
            let awake = self.cuts.awake_next().contains(video) && !passes;
            let better = rung.choice.better(now).cloned();
            if let Some(better) = better.filter(|_| awake && rung.order.is_none()) {
                let cause = format!("encoder {better} has rested since it failed");
                let next = format!("{better} takes over again from the next segment");
                self.order(video, better, Some(Trouble { cause, next }));
            } else if awake && rung.order.is_none() && rung.is_cheaper != self.cheaper {
                // The same encoder with other settings takes over with the next segment.
                let encoder = rung.choice.current().clone();
                self.order(video, encoder, None);
            }
        }
    }

    /// These rungs are wanted now.
    pub fn want(&mut self, wanted: RungSet) {
        self.wanted = wanted;
        self.reconsider();
    }

    /// Wakes and puts to sleep what has to.
    pub fn settle(&mut self) {
        let now = Instant::now();
        let keep = self.kept(self.too_much);
        for video in 0..self.rungs.len() {
            let awake = self.cuts.awake_next().contains(video);
            match (keep.contains(video), awake) {
                (true, false) => self.wake(video, now),
                // The last one waits for another one to take its place.
                (false, true) if !self.cuts.awake_next().without(video).is_empty() => {
                    self.cuts.put_to_sleep(video);
                    self.tell(video, Filling::Asleep, None);
                }
                _ => {}
            }
        }
        self.rest();
    }

    /// Lets the decoder rest while no rung needs pictures: the top one has the publisher's own frames,
    /// and the others are asleep and empty and stay so.
    fn rest(&self) {
        let slots = self.output.slots();
        let Some((top, others)) = slots.split_first() else {
            return;
        };
        let stays = self.kept(self.too_much) == RungSet::first(1);
        let orders = self.rungs.iter().any(|rung| rung.order.is_some());
        let asleep = others.iter().all(|slot| slot.is_empty());
        top.let_decoder_rest(stays && !orders && asleep && top.is_passing());
    }

    /// The wanted rungs without those that were given up; the lowest rung if that leaves none.
    fn kept(&self, too_much: RungSet) -> RungSet {
        let all = 0..self.rungs.len();
        let given_up = |video| self.shed.contains(video) || too_much.contains(video);
        let wanted = |video: &usize| self.wanted.contains(*video) && !given_up(*video);
        let keep = all
            .clone()
            .filter(wanted)
            .fold(RungSet::EMPTY, RungSet::with);
        if !keep.is_empty() {
            return keep;
        }
        let last = all.clone().rev().find(|video| !self.shed.contains(*video));
        let last = last.or(all.last());
        last.map_or(keep, |video| keep.with(video))
    }

    fn wake(&mut self, video: usize, now: Instant) {
        let slot = self.output.slots().get(video);
        // Its encoder is still at work, for the cut at which it was to sleep has not come; or it has one
        // that waits, for it was put to sleep before the cut at which it was to wake.
        let stays = self.cuts.stay_awake(video);
        if stays || slot.is_some_and(|slot| slot.is_ready()) {
            self.cuts.wake(video);
            self.tell(video, self.filling(video), None);
            return;
        }
        let empty = slot.is_some_and(|slot| slot.is_empty());
        let Some(rung) = self.rungs.get(video) else {
            return;
        };
        // `Event::Emptied` comes once the rung is empty.
        if empty
            && rung.order.is_none()
            && let Some(encoder) = rung.choice.next(now).cloned()
        {
            self.order(video, encoder, None);
        }
    }

    fn tell(&self, video: usize, filling: Filling, trouble: Option<Trouble>) {
        self.outbox.send(FromWorker::Filled {
            video: u8::try_from(video).unwrap_or(u8::MAX),
            filling,
            trouble,
        });
    }
}
