//! Makes GStreamer elements, and pads of weir's own ones. What makes an element takes the name of the
//! part of the graph that the element is for; an error carries that name.

use gst::prelude::*;
use gst_app::AppSrc;

use super::template::error::Error;

/// Makes an element.
///
/// # Errors
/// [`Error::MissingElement`] when this machine lacks it.
pub fn make(factory: &str, part: &str) -> Result<gst::Element, Error> {
    let element = gst::ElementFactory::make(factory).build();
    element.map_err(|_| Error::MissingElement {
        template: part.to_owned(),
        factory: factory.to_owned(),
    })
}

/// Makes an element inside `bin`.
///
/// # Errors
/// As [`make`].
pub fn add(bin: &impl IsA<gst::Bin>, factory: &str, part: &str) -> Result<gst::Element, Error> {
    let element = make(factory, part)?;
    bin.add(&element).map_err(|e| Error::build(part, e))?;
    Ok(element)
}

/// Makes a caps filter inside `bin`.
///
/// # Errors
/// As [`make`].
pub fn add_filter(
    bin: &impl IsA<gst::Bin>,
    caps: &gst::Caps,
    part: &str,
) -> Result<gst::Element, Error> {
    let filter = add(bin, "capsfilter", part)?;
    filter.set_property("caps", caps);
    Ok(filter)
}

/// Makes a source of timed buffers inside `bin`; `None` leaves its caps to be set later. Whoever feeds
/// it must look how much waits: beyond `bytes_max` an appsrc that does not block only tells.
///
/// # Errors
/// When `bin` has an element called `name`.
pub fn add_source(
    bin: &impl IsA<gst::Bin>,
    name: &str,
    caps: Option<&gst::Caps>,
    bytes_max: u64,
) -> Result<AppSrc, Error> {
    let source = AppSrc::builder()
        .name(name)
        .format(gst::Format::Time)
        .max_bytes(bytes_max)
        .build();
    if caps.is_some() {
        source.set_caps(caps);
    }
    bin.add(&source).map_err(|e| Error::build(name, e))?;
    Ok(source)
}

/// The pads of an element of weir's own that takes and gives `caps`.
pub fn filter_pads(caps: &gst::Caps) -> Vec<gst::PadTemplate> {
    let template = |name, direction| {
        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps).ok()
    };
    let sink = template("sink", gst::PadDirection::Sink);
    let src = template("src", gst::PadDirection::Src);
    sink.into_iter().chain(src).collect()
}
