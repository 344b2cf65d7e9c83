//! `weirscale`: the scaler of the cascade, an element of weir's own.
//!
//! `videoscale`'s bilinear method reads two lines whatever the ratio, which aliases and blurs:
//! three steps of it cost a 360p rung half of its VMAF. This one convolves with Lanczos over as
//! many lines as the ratio needs, by `fast_image_resize` (SIMD), for about the same CPU time.

use std::sync::LazyLock;

use gst::glib;
use gst_video::prelude::*;

/// Name of the element.
const NAME: &str = "weirscale";

glib::wrapper! {
    /// The element.
    pub struct Scaler(ObjectSubclass<imp::Scaler>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Makes the element known to this process.
///
/// # Errors
/// When GStreamer refuses.
pub fn register() -> Result<(), glib::BoolError> {
    gst::Element::register(None, NAME, gst::Rank::NONE, Scaler::static_type())
}

mod imp {
    use std::sync::{Mutex, PoisonError};

    use fast_image_resize as fir;
    use gst_base::subclass::BaseTransformMode;
    use gst_base::subclass::prelude::*;
    use gst_video::subclass::prelude::*;

    use super::*;

    /// Three steps of anything softer show: with Catmull-Rom a 360p rung loses 2.5 of VMAF.
    const LUMA: fir::FilterType = fir::FilterType::Lanczos3;
    /// Nobody sees sharper colour.
    const CHROMA: fir::FilterType = fir::FilterType::Bilinear;

    /// Holds the resizer, whose buffers are used again for each picture.
    #[derive(Default)]
    pub struct Scaler {
        resizer: Mutex<fir::Resizer>,
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
                let caps = gst_video::VideoCapsBuilder::new()
                    .format(gst_video::VideoFormat::I420)
                    .build();
                let template = |name, direction| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
                };
                let sink = template("sink", gst::PadDirection::Sink);
                let src = template("src", gst::PadDirection::Src);
                sink.into_iter().chain(src).collect()
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
            let mut resizer = self.resizer.lock().unwrap_or_else(PoisonError::into_inner);
            for component in 0..3 {
                let source = Plane::of(from, component);
                let target = Plane::of(to, component);
                let (Some(source), Some(target)) = (source, target) else {
                    return Err(gst::FlowError::NotNegotiated);
                };
                let filter = if component == 0 { LUMA } else { CHROMA };
                scale(&mut resizer, filter, from, source, to, target).map_err(|error| {
                    gst::element_imp_error!(self, gst::StreamError::Failed, ["{error}"]);
                    gst::FlowError::Error
                })?;
            }
            Ok(gst::FlowSuccess::Ok)
        }
    }

    /// Where a component lies and how large it is.
    #[derive(Clone, Copy)]
    struct Plane {
        index: u32,
        width: u32,
        height: u32,
        stride: u32,
    }

    impl Plane {
        fn of<T>(frame: &gst_video::VideoFrameRef<T>, component: u32) -> Option<Self>
        where
            gst_video::VideoFrameRef<T>: VideoFrameExt,
        {
            let stride = frame.plane_stride().get(component as usize)?;
            Some(Self {
                index: component,
                width: frame.comp_width(component),
                height: frame.comp_height(component),
                stride: u32::try_from(*stride).ok()?,
            })
        }
    }

    /// Rows may be longer than the picture: the resizer gets them whole, and a view of the part
    /// that is picture.
    fn scale(
        resizer: &mut fir::Resizer,
        filter: fir::FilterType,
        from: &gst_video::VideoFrameRef<&gst::BufferRef>,
        source: Plane,
        to: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
        target: Plane,
    ) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let data = from.plane_data(source.index).map_err(|e| text(&e))?;
        let rows = fir::images::ImageRef::new(
            source.stride,
            source.height,
            exactly(data, source)?,
            fir::PixelType::U8,
        )
        .map_err(|e| text(&e))?;
        let data = to.plane_data_mut(target.index).map_err(|e| text(&e))?;
        let bytes = target.stride as usize * target.height as usize;
        let data = data.get_mut(..bytes).ok_or("a plane is too short")?;
        let mut all = fir::images::Image::from_slice_u8(
            target.stride,
            target.height,
            data,
            fir::PixelType::U8,
        )
        .map_err(|e| text(&e))?;
        let mut picture =
            fir::images::CroppedImageMut::new(&mut all, 0, 0, target.width, target.height)
                .map_err(|e| text(&e))?;
        let options = fir::ResizeOptions::new()
            .resize_alg(fir::ResizeAlg::Convolution(filter))
            .crop(0.0, 0.0, f64::from(source.width), f64::from(source.height))
            .use_alpha(false);
        resizer
            .resize(&rows, &mut picture, &options)
            .map_err(|e| text(&e))
    }

    fn exactly(data: &[u8], plane: Plane) -> Result<&[u8], String> {
        let bytes = plane.stride as usize * plane.height as usize;
        data.get(..bytes)
            .ok_or_else(|| "a plane is too short".to_owned())
    }
}
