//! The input half of a worker's graph: one per publisher, disposable. It decodes, fits every
//! picture to the canvas and every sound to 48 kHz stereo, and hands both to the [`Intake`].

mod fit;
mod intake;
mod pull;
mod push;
mod upright;

pub use intake::{Intake, Media};
pub use pull::{Address, Puller};
pub use push::Push;

use gst::prelude::*;

/// Stops a pipeline without making the caller wait: a state change can block on a network read.
fn dispose(pipeline: gst::Pipeline) {
    if let Some(bus) = pipeline.bus() {
        bus.unset_sync_handler();
        bus.set_sync_handler(|_, _| gst::BusSyncReply::Drop);
    }
    pipeline.call_async(|pipeline| {
        let _ = pipeline.set_state(gst::State::Null);
    });
}

/// What an input half is short of.
pub(crate) fn fail(message: impl ToString) -> super::template::Error {
    super::template::Error::Build {
        template: "input".to_owned(),
        message: message.to_string(),
    }
}
