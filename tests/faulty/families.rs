//! One element per hardware family. Each has the properties that the family's template in
//! `pipelines/encoders` sets; only the bitrate and the length of a GOP mean something to the encoder
//! behind it.

use std::sync::OnceLock;

use gst::glib::{self, ParamFlags, ParamSpec, ParamSpecBoolean, ParamSpecEnum, ParamSpecUInt};
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::encoder::{Encoder, EncoderImpl};

/// `rate-control` or `rc-mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "FaultyRateControl")]
pub enum RateControl {
    /// Constant bitrate.
    #[default]
    Cbr,
    /// Variable bitrate.
    Vbr,
}

/// `preset` of `nvh264enc`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "FaultyPreset")]
pub enum Preset {
    /// The driver's own choice.
    #[default]
    Default,
    /// Low latency and high quality.
    LowLatencyHq,
}

fn flag(name: &str) -> ParamSpec {
    let flag = ParamSpecBoolean::builder(name);
    flag.flags(ParamFlags::WRITABLE).build()
}

fn number(name: &str) -> ParamSpec {
    let number = ParamSpecUInt::builder(name);
    number.flags(ParamFlags::WRITABLE).build()
}

fn rate_control(name: &str) -> ParamSpec {
    let mode = ParamSpecEnum::builder::<RateControl>(name);
    mode.flags(ParamFlags::WRITABLE).build()
}

fn preset(name: &str) -> ParamSpec {
    let preset = ParamSpecEnum::builder::<Preset>(name);
    preset.flags(ParamFlags::WRITABLE).build()
}

/// Makes the element `factory` with these properties.
macro_rules! family {
    ($module:ident, $type_name:literal, $factory:literal, [$($property:expr),+ $(,)?]) => {
        mod $module {
            use super::*;

            #[derive(Debug, Default)]
            pub struct Imp;

            #[glib::object_subclass]
            impl ObjectSubclass for Imp {
                const NAME: &'static str = $type_name;
                type Type = Element;
                type ParentType = Encoder;
            }

            impl ObjectImpl for Imp {
                fn properties() -> &'static [ParamSpec] {
                    static ALL: OnceLock<Vec<ParamSpec>> = OnceLock::new();
                    ALL.get_or_init(|| vec![$($property),+])
                }

                fn set_property(&self, _id: usize, value: &glib::Value, property: &ParamSpec) {
                    let object = self.obj();
                    object.upcast_ref::<Encoder>().set(property.name(), value);
                }
            }

            impl GstObjectImpl for Imp {}

            impl ElementImpl for Imp {
                fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
                    static TEXT: OnceLock<gst::subclass::ElementMetadata> = OnceLock::new();
                    Some(TEXT.get_or_init(|| {
                        gst::subclass::ElementMetadata::new(
                            concat!("x264 as ", $factory),
                            "Codec/Encoder/Video",
                            "An encoder for tests that fails when it is told to",
                            "weir",
                        )
                    }))
                }
            }

            impl BinImpl for Imp {}
            impl EncoderImpl for Imp {}

            glib::wrapper! {
                pub struct Element(ObjectSubclass<Imp>)
                    @extends Encoder, gst::Bin, gst::Element, gst::Object,
                    @implements gst::ChildProxy;
            }

            pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
                gst::Element::register(
                    Some(plugin),
                    $factory,
                    gst::Rank::NONE,
                    Element::static_type(),
                )
            }
        }
    };
}

family!(
    nvidia,
    "FaultyNvidia",
    "nvh264enc",
    [
        preset("preset"),
        rate_control("rc-mode"),
        flag("zerolatency"),
        number("bframes"),
        flag("aud"),
        number("bitrate"),
        number("vbv-buffer-size"),
        number("gop-size"),
    ]
);

family!(
    vaapi,
    "FaultyVaapi",
    "vah264enc",
    [
        rate_control("rate-control"),
        number("b-frames"),
        flag("aud"),
        number("bitrate"),
        number("cpb-size"),
        number("key-int-max"),
    ]
);

family!(
    quicksync,
    "FaultyQuicksync",
    "qsvh264enc",
    [
        rate_control("rate-control"),
        number("b-frames"),
        number("bitrate"),
        number("gop-size"),
    ]
);

/// Registers all elements.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    nvidia::register(plugin)?;
    vaapi::register(plugin)?;
    quicksync::register(plugin)
}
