//! The publisher's own frames in place of an encoder's.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Passing, Slot, State};
use crate::worker::media::events::Event;
use crate::worker::media::passthrough::{Next, Passthrough};

impl Slot {
    /// Whether the publisher's own frames are its media.
    pub fn is_passing(&self) -> bool {
        let state = self.lock();
        state
            .passing
            .as_ref()
            .is_some_and(|passing| !passing.is_over())
    }

    /// No rung needs pictures, or one does again.
    pub fn let_decoder_rest(&self, rests: bool) {
        if let Some(source) = self.source() {
            source.rest(rests);
        }
    }

    /// What passes the publisher's frames on: the top rung has the size and the rate of the canvas.
    fn source(&self) -> Option<&Passthrough> {
        (self.index == 0 && self.rendition.divisor == 1).then_some(&self.tools.passthrough)
    }

    /// Makes the publisher's own frames the media from canvas frame `frame` on, if they are good and the
    /// first one is a key frame.
    pub(super) fn pass(&self, state: &mut State, frame: u64) {
        let can = !state.vacant && state.passing.is_none() && state.package.can_pass();
        let Some(source) = self.source().filter(|_| can) else {
            return;
        };
        let number = self.fillings.fetch_add(1, Ordering::Relaxed) + 1;
        let fps = self.canvas.fps;
        let Some(passing) = Passing::start(source, number, frame, &self.rendition, fps) else {
            return;
        };
        if let Some(before) = state.fillings.back() {
            before.end();
        }
        state.health.begin(0, Instant::now());
        state.relay.begin(number);
        state.passing = Some(passing);
        self.tools.events.send(Event::Passing { video: self.index });
    }

    /// Takes the publisher's frames whose places have come. When they are no good any more, an encoder
    /// makes the pictures from the next part on.
    pub(super) fn advance(&self, state: &mut State) {
        let Some(source) = self.source() else { return };
        let last = if state.awake { state.came } else { state.due };
        while let Some((passing, last)) = state.passing.as_mut().zip(last) {
            if passing.is_over() {
                return;
            }
            let place = passing.next();
            if place > last {
                break;
            }
            let cut = self.tools.cuts.starts_segment(place);
            match source.take(place) {
                Next::Unit(unit) if unit.key || !cut => {
                    let number = passing.number();
                    let placed = passing.placed(unit);
                    let due = placed.and_then(|encoded| state.relay.take(number, encoded));
                    if let Some(encoded) = due {
                        self.deliver(state, encoded);
                    } else if state.waits_too_long() {
                        self.fail(state, "does not give its last frames");
                    }
                }
                Next::NotYet if !passing.is_late(last) => break,
                _ => {
                    passing.end();
                    return self
                        .tools
                        .events
                        .send(Event::PassingEnded { video: self.index });
                }
            }
        }
        self.stop_passing(state);
    }

    /// Ends the publisher's frames in a rung that sleeps.
    fn stop_passing(&self, state: &mut State) {
        let complete =
            |passing: &mut Passing| Some(passing.next()) > state.due && state.came >= state.due;
        if state.awake {
            return;
        }
        let Some(passing) = state.passing.take_if(complete) else {
            return;
        };
        for encoded in state.relay.ended(passing.number()) {
            self.deliver(state, encoded);
        }
        if state.fillings.is_empty() {
            state.package.end();
            self.look_empty(state);
        }
    }
}
