//! Lets decoded media of a pull go on when its time has come.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::worker::media::pacer::hold::Hold;

/// The gate of one pull. Both tracks pass through it, each in a thread of its own.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    closing: Condvar,
    start: Instant,
}

#[derive(Debug, Default)]
struct State {
    hold: Hold,
    closed: bool,
}

impl Default for Gate {
    /// A gate for stored media, as that of a playlist.
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            closing: Condvar::new(),
            start: Instant::now(),
        }
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ns(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    /// The media is live, and its first bytes have come now.
    pub fn live(&self) {
        self.state().hold.live_from(self.now_ns());
    }

    /// Holds every buffer of `pad` until its running time. Elements behind the pad see the first
    /// picture when it is due, so that the session does not begin before.
    pub fn hold(self: &Arc<Self>, pad: &gst::Pad) {
        let gate = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let time_ns = info
                .buffer()
                .and_then(|buffer| running_time_ns(pad, buffer));
            match time_ns {
                Some(time_ns) if !gate.pass(time_ns) => gst::PadProbeReturn::Handled,
                _ => gst::PadProbeReturn::Ok,
            }
        });
    }

    /// Waits until a frame with this timestamp may pass. Returns whether it may; it may not once the
    /// gate is closed.
    fn pass(&self, pts_ns: i64) -> bool {
        let now_ns = self.now_ns();
        let mut state = self.state();
        let wait_ns = state.hold.wait_ns(pts_ns, now_ns);
        let wait = Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(0));
        let (state, _) = self
            .closing
            .wait_timeout_while(state, wait, |state| !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        !state.closed
    }

    /// Lets nothing pass any more; nobody waits any longer.
    pub fn close(&self) {
        self.state().closed = true;
        self.closing.notify_all();
    }
}

fn running_time_ns(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<i64> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = event.segment().downcast_ref::<gst::ClockTime>()?;
    let time = segment.to_running_time(buffer.pts()?)?;
    i64::try_from(time.nseconds()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_ends_every_wait() {
        let gate = Arc::new(Gate::default());
        assert!(gate.pass(0));
        let waiting = gate.clone();
        // Four seconds would pass.
        let waiter = std::thread::spawn(move || waiting.pass(4_000_000_000));
        gate.close();
        assert!(!waiter.join().unwrap());
        assert!(!gate.pass(0));
    }
}
