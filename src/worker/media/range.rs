//! `weirrange`: weir's own GStreamer element, which brings full-range pictures to video range.
//!
//! In full range a sample of 8 bits uses all values; in video range black is 16, white 235, and
//! chroma lies between 16 and 240 (Rec. ITU-T H.273, `VideoFullRangeFlag`). Phones and most IP
//! cameras send full range. `videoconvert` (GStreamer 1.22) changes the range only together with
//! the matrix: it copies full-range pictures that are BT.709 like the canvas, or do not say what
//! they are, and everything above white and below black is lost.
//!
//! The element also says which matrix a full-range picture has that does not say it. All other
//! pictures pass without a copy.

mod samples;

use std::sync::LazyLock;

use gst::glib;
use gst_video::prelude::*;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoColorimetry, VideoFormat};

use super::element;

/// Name of the element.
const NAME: &str = "weirrange";
/// The tallest picture of standard definition. GStreamer guesses BT.601 up to this height and
/// BT.709 above it where a decoder says nothing about colours, and so do players.
const SD_HEIGHT_MAX: u32 = 576;

glib::wrapper! {
    /// The element.
    pub struct Range(ObjectSubclass<imp::Range>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element in this process.
///
/// # Errors
/// When GStreamer refuses the registration.
pub fn register() -> Result<(), glib::BoolError> {
    gst::Element::register(None, NAME, gst::Rank::NONE, Range::static_type())
}

/// The colours in video range of full-range pictures of `format` with colours `from`; `None` when
/// the pictures stay as they are.
fn brought_in(
    format: VideoFormat,
    height: u32,
    from: &VideoColorimetry,
) -> Option<VideoColorimetry> {
    samples::Layout::of(format)?;
    if from.range() != VideoColorRange::Range0_255 {
        return None;
    }
    match from.matrix() {
        VideoColorMatrix::Unknown if height <= SD_HEIGHT_MAX => "bt601".parse().ok(),
        VideoColorMatrix::Unknown => "bt709".parse().ok(),
        matrix => {
            let range = VideoColorRange::Range16_235;
            let (transfer, primaries) = (from.transfer(), from.primaries());
            Some(VideoColorimetry::new(range, matrix, transfer, primaries))
        }
    }
}

mod imp {
    use gst_base::subclass::BaseTransformMode;
    use gst_base::subclass::prelude::*;
    use gst_video::subclass::prelude::*;

    use super::samples::{Layout, Plane};
    use super::*;

    /// The element has no state.
    #[derive(Default)]
    pub struct Range;

    #[glib::object_subclass]
    impl ObjectSubclass for Range {
        const NAME: &'static str = "WeirRange";
        type Type = super::Range;
        type ParentType = gst_video::VideoFilter;
    }

    impl ObjectImpl for Range {}
    impl GstObjectImpl for Range {}

    impl ElementImpl for Range {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Video range",
                    "Filter/Converter/Video",
                    "Brings full-range pictures to video range",
                    "weir",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                LazyLock::new(|| element::filter_pads(&gst_video::VideoCapsBuilder::new().build()));
            &TEMPLATES
        }
    }

    impl BaseTransformImpl for Range {
        const MODE: BaseTransformMode = BaseTransformMode::NeverInPlace;
        const PASSTHROUGH_ON_SAME_CAPS: bool = true;
        const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

        fn transform_caps(
            &self,
            direction: gst::PadDirection,
            caps: &gst::Caps,
            filter: Option<&gst::Caps>,
        ) -> Option<gst::Caps> {
            let mut other = caps.clone();
            for structure in other.make_mut().iter_mut() {
                match direction {
                    gst::PadDirection::Sink => bring_in(structure),
                    // Whatever is wanted, colours of any kind may come in.
                    _ => structure.remove_field("colorimetry"),
                }
            }
            Some(match filter {
                Some(filter) => filter.intersect_with_mode(&other, gst::CapsIntersectMode::First),
                None => other,
            })
        }
    }

    /// Changes the colours in the caps of one format, where they are known.
    fn bring_in(structure: &mut gst::StructureRef) {
        let known = (
            structure.get::<&str>("format").map(str::to_owned),
            structure.get::<i32>("height").map(u32::try_from),
            structure
                .get::<&str>("colorimetry")
                .map(str::parse::<VideoColorimetry>),
        );
        if let (Ok(format), Ok(Ok(height)), Ok(Ok(from))) = known
            && let Ok(format) = format.parse()
            && let Some(to) = brought_in(format, height, &from)
        {
            structure.set("colorimetry", to.to_string());
        }
    }

    impl VideoFilterImpl for Range {
        /// Called for full-range pictures only: the caps of all others stay the same.
        fn transform_frame(
            &self,
            from: &gst_video::VideoFrameRef<&gst::BufferRef>,
            to: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
        ) -> Result<gst::FlowSuccess, gst::FlowError> {
            let layout = Layout::of(from.format()).ok_or(gst::FlowError::NotNegotiated)?;
            for plane in layout.planes() {
                bring_plane(from, to, plane).ok_or(gst::FlowError::Error)?;
            }
            Ok(gst::FlowSuccess::Ok)
        }
    }

    fn bring_plane(
        from: &gst_video::VideoFrameRef<&gst::BufferRef>,
        to: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
        plane: Plane,
    ) -> Option<()> {
        let index = plane.index as usize;
        let stride = |strides: &[i32]| usize::try_from(*strides.get(index)?).ok();
        let (source, target) = (stride(from.plane_stride())?, stride(to.plane_stride())?);
        let rows = from.comp_height(plane.component) as usize;
        let row_bytes = plane.row_bytes(from.comp_width(plane.component));
        let input = from.plane_data(plane.index).ok()?.chunks(source);
        let output = to.plane_data_mut(plane.index).ok()?.chunks_mut(target);
        for (input, output) in input.zip(output).take(rows) {
            let (input, output) = (input.get(..row_bytes)?, output.get_mut(..row_bytes)?);
            plane.bring_in(input, output);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
