//! `weirscale`: weir's own GStreamer element, which scales each rung down to the next.
//!
//! `videoscale`'s bilinear method always reads two lines, whatever the ratio, which aliases and
//! blurs: after three downscales a 360p rung has lost half of its VMAF. `weirscale` convolves with
//! a Lanczos kernel over as many lines as the ratio needs; see [`plane`].

mod plane;

use std::sync::LazyLock;

use gst::glib;
use gst_video::prelude::*;

use super::element;

/// Name of the element.
const NAME: &str = "weirscale";

glib::wrapper! {
    /// The element.
    pub struct Scaler(ObjectSubclass<imp::Scaler>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element in this process.
///
/// # Errors
/// When GStreamer refuses the registration.
pub fn register() -> Result<(), glib::BoolError> {
    gst::Element::register(None, NAME, gst::Rank::NONE, Scaler::static_type())
}

mod imp {
    use std::sync::{Mutex, PoisonError};

    use gst_base::subclass::BaseTransformMode;
    use gst_base::subclass::prelude::*;
    use gst_video::subclass::prelude::*;

    use super::plane::{self, Layout, PlaneScaler, Sharpness};
    use super::*;

    /// The element's state.
    #[derive(Default)]
    pub struct Scaler {
        scaler: Mutex<PlaneScaler>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Scaler {
        const NAME: &'static str = "WeirScaler";
        type Type = super::Scaler;
        type ParentType = gst_video::VideoFilter;
    }

    impl ObjectImpl for Scaler {}
    impl GstObjectImpl for Scaler {}

    impl ElementImpl for Scaler {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Lanczos scaler",
                    "Filter/Converter/Video/Scaler",
                    "Scales I420 pictures by SIMD convolution",
                    "weir",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let caps = gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::I420);
                element::filter_pads(&caps.build())
            });
            &TEMPLATES
        }
    }

    impl BaseTransformImpl for Scaler {
        const MODE: BaseTransformMode = BaseTransformMode::NeverInPlace;
        const PASSTHROUGH_ON_SAME_CAPS: bool = true;
        const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

        fn transform_caps(
            &self,
            _direction: gst::PadDirection,
            caps: &gst::Caps,
            filter: Option<&gst::Caps>,
        ) -> Option<gst::Caps> {
            let mut other = caps.clone();
            for structure in other.make_mut().iter_mut() {
                structure.set("width", gst::IntRange::new(1, i32::MAX));
                structure.set("height", gst::IntRange::new(1, i32::MAX));
                structure.remove_field("pixel-aspect-ratio");
            }
            Some(match filter {
                Some(filter) => filter.intersect_with_mode(&other, gst::CapsIntersectMode::First),
                None => other,
            })
        }
    }

    impl VideoFilterImpl for Scaler {
        fn transform_frame(
            &self,
            from: &gst_video::VideoFrameRef<&gst::BufferRef>,
            to: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
        ) -> Result<gst::FlowSuccess, gst::FlowError> {
            let mut scaler = self.scaler.lock().unwrap_or_else(PoisonError::into_inner);
            for component in 0..3 {
                scale(&mut scaler, from, to, component)
                    .ok_or(gst::FlowError::NotNegotiated)?
                    .map_err(|error| {
                        gst::element_imp_error!(self, gst::StreamError::Failed, ["{error}"]);
                        gst::FlowError::Error
                    })?;
            }
            Ok(gst::FlowSuccess::Ok)
        }
    }

    /// Size and stride of one component of a picture.
    fn layout<T>(frame: &gst_video::VideoFrameRef<T>, component: u32) -> Option<Layout>
    where
        gst_video::VideoFrameRef<T>: VideoFrameExt,
    {
        let stride = frame.plane_stride().get(component as usize)?;
        Some(Layout {
            width: frame.comp_width(component),
            height: frame.comp_height(component),
            stride: u32::try_from(*stride).ok()?,
        })
    }

    fn scale(
        scaler: &mut PlaneScaler,
        from: &gst_video::VideoFrameRef<&gst::BufferRef>,
        to: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
        component: u32,
    ) -> Option<Result<(), plane::Error>> {
        let sharpness = match component {
            0 => Sharpness::Fine,
            _ => Sharpness::Plain,
        };
        let (source, target) = (layout(from, component)?, layout(to, component)?);
        let from = from.plane_data(component).ok()?;
        let to = to.plane_data_mut(component).ok()?;
        Some(scaler.scale((from, source), (to, target), sharpness))
    }
}
