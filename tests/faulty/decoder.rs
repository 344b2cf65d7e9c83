//! A decoder in hardware that fails when it is told to: libav's in a bin, under another name.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::encoder::{hang, lock};
use super::fault::{self, Fault};

/// Name of the element.
const NAME: &str = "nvh264dec";

mod imp {
    use super::*;

    #[derive(Debug)]
    pub struct Decoder {
        sink: gst::GhostPad,
        src: gst::GhostPad,
        /// Frames that this instance has taken.
        frames: AtomicU64,
        fault: Mutex<Fault>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Decoder {
        const NAME: &'static str = "FaultyDecoder";
        type Type = super::Decoder;
        type ParentType = gst::Bin;

        fn with_class(class: &Self::Class) -> Self {
            let sink = gst::GhostPad::builder_from_template(&class.pad_template("sink").unwrap());
            let sink = sink.chain_function(|pad, parent, buffer| {
                let refused = || Err(gst::FlowError::Error);
                Self::catch_panic_pad_function(parent, refused, |it| it.take(pad, buffer))
            });
            Self {
                sink: sink.build(),
                src: gst::GhostPad::from_template(&class.pad_template("src").unwrap()),
                frames: AtomicU64::new(0),
                fault: Mutex::new(Fault::None),
            }
        }
    }

    impl ObjectImpl for Decoder {
        fn constructed(&self) {
            self.parent_constructed();
            let object = self.obj();
            let decoder = gst::ElementFactory::make("avdec_h264")
                .property("max-threads", 1i32)
                .build()
                .unwrap();
            object.add(&decoder).unwrap();
            let pad = |name| decoder.static_pad(name).unwrap();
            self.sink.set_target(Some(&pad("sink"))).unwrap();
            self.src.set_target(Some(&pad("src"))).unwrap();
            object.add_pad(&self.sink).unwrap();
            object.add_pad(&self.src).unwrap();
        }
    }

    impl GstObjectImpl for Decoder {}

    impl ElementImpl for Decoder {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static TEXT: OnceLock<gst::subclass::ElementMetadata> = OnceLock::new();
            Some(TEXT.get_or_init(|| {
                gst::subclass::ElementMetadata::new(
                    "libav as nvh264dec",
                    "Codec/Decoder/Video/Hardware",
                    "A decoder for tests that fails when it is told to",
                    "weir",
                )
            }))
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static ALL: LazyLock<[gst::PadTemplate; 2]> = LazyLock::new(|| {
                let template = |name, direction, caps: &gst::Caps| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps).unwrap()
                };
                let frames = gst::Caps::builder("video/x-h264")
                    .field("stream-format", gst::List::new(["avc", "byte-stream"]))
                    .field("alignment", "au")
                    .build();
                let pictures = gst::Caps::builder("video/x-raw").build();
                [
                    template("sink", gst::PadDirection::Sink, &frames),
                    template("src", gst::PadDirection::Src, &pictures),
                ]
            });
            ALL.as_slice()
        }

        fn change_state(
            &self,
            transition: gst::StateChange,
        ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::NullToReady {
                let orders = std::env::var(fault::VARIABLE).unwrap_or_default();
                let fault = fault::of(&orders, NAME, 0).unwrap();
                if fault == Fault::Refuse {
                    let reason = "the driver gives no session";
                    gst::element_imp_error!(self, gst::ResourceError::Busy, ("{reason}"));
                    return Err(gst::StateChangeError);
                }
                self.frames.store(0, Ordering::Relaxed);
                *lock(&self.fault) = fault;
            }
            self.parent_change_state(transition)
        }
    }

    impl BinImpl for Decoder {}

    impl Decoder {
        /// Takes one frame.
        fn take(
            &self,
            pad: &gst::GhostPad,
            buffer: gst::Buffer,
        ) -> Result<gst::FlowSuccess, gst::FlowError> {
            let taken = self.frames.fetch_add(1, Ordering::Relaxed);
            let fault = *lock(&self.fault);
            match fault {
                Fault::FailAfter(frames) if taken >= frames => {
                    let reason = "the driver has lost the session";
                    gst::element_imp_error!(self, gst::StreamError::Decode, ("{reason}"));
                    return Err(gst::FlowError::Error);
                }
                Fault::HangAfter(frames) if taken >= frames => hang(),
                Fault::SilentAfter(frames) if taken >= frames => return Ok(gst::FlowSuccess::Ok),
                _ => {}
            }
            gst::ProxyPad::chain_default(pad, Some(&*self.obj()), buffer)
        }
    }
}

glib::wrapper! {
    /// The test decoder.
    pub struct Decoder(ObjectSubclass<imp::Decoder>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

/// Registers the element, with a rank below that of the decoders in software.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    let rank = gst::Rank::SECONDARY;
    gst::Element::register(Some(plugin), NAME, rank, Decoder::static_type())
}
