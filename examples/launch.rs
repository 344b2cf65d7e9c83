//! Runs one pipeline to its end, as gst-launch-1.0 does, with the elements that are part of weir.

use gst::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    weir::worker::media::init()?;
    let description: Vec<String> = std::env::args().skip(1).collect();
    let pipeline = gst::parse::launch(&description.join(" "))?;
    let bus = pipeline.bus().ok_or("a pipeline without a bus")?;
    pipeline.set_state(gst::State::Playing)?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::NONE, &ends);
    pipeline.set_state(gst::State::Null)?;
    match end.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().into()),
        _ => Ok(()),
    }
}
