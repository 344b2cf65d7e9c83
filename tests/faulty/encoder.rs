//! What all test encoders have in common: x264 in a bin, behind pads that make the faults.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::fault::{self, Fault};
use super::pads;
use super::sessions::Session;

/// An encoder that is open.
#[derive(Debug)]
struct Open {
    elements: [gst::Element; 2],
    _session: Session,
}

mod imp {
    use super::*;

    #[derive(Debug)]
    pub struct Encoder {
        sink: gst::GhostPad,
        src: gst::GhostPad,
        pub(super) bitrate_kbps: AtomicU32,
        pub(super) gop_frames_max: AtomicU32,
        /// Frames that this instance has taken.
        frames: AtomicU64,
        fault: Mutex<Fault>,
        open: Mutex<Option<Open>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Encoder {
        const NAME: &'static str = "FaultyEncoder";
        const ABSTRACT: bool = true;
        type Type = super::Encoder;
        type ParentType = gst::Bin;

        fn with_class(class: &Self::Class) -> Self {
            let sink = gst::GhostPad::builder_from_template(&class.pad_template("sink").unwrap());
            let sink = sink.chain_function(|pad, parent, buffer| {
                let refused = || Err(gst::FlowError::Error);
                Self::catch_panic_pad_function(parent, refused, |it| it.take(pad, buffer))
            });
            let sink = sink.event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |it| it.hear(pad, event))
            });
            Self {
                sink: sink.build(),
                src: gst::GhostPad::from_template(&class.pad_template("src").unwrap()),
                bitrate_kbps: AtomicU32::new(0),
                gop_frames_max: AtomicU32::new(0),
                frames: AtomicU64::new(0),
                fault: Mutex::new(Fault::None),
                open: Mutex::new(None),
            }
        }
    }

    impl ObjectImpl for Encoder {
        fn constructed(&self) {
            self.parent_constructed();
            let object = self.obj();
            object.add_pad(&self.sink).unwrap();
            object.add_pad(&self.src).unwrap();
        }
    }

    impl GstObjectImpl for Encoder {}

    impl ElementImpl for Encoder {
        fn pad_templates() -> &'static [gst::PadTemplate] {
            static ALL: LazyLock<[gst::PadTemplate; 2]> = LazyLock::new(pads::templates);
            ALL.as_slice()
        }

        fn change_state(
            &self,
            transition: gst::StateChange,
        ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::NullToReady {
                self.open().map_err(|reason| {
                    gst::element_imp_error!(self, gst::ResourceError::Busy, ("{reason}"));
                    gst::StateChangeError
                })?;
            }
            let changed = self.parent_change_state(transition);
            if transition == gst::StateChange::ReadyToNull {
                self.close();
            }
            changed
        }
    }

    impl BinImpl for Encoder {}

    impl Encoder {
        fn fault(&self) -> Fault {
            *lock(&self.fault)
        }

        /// Opens the encoder, unless its fault is to refuse.
        fn open(&self) -> Result<(), String> {
            let object = self.obj();
            let name = object.factory().map(|it| it.name()).unwrap_or_default();
            let orders = std::env::var(fault::VARIABLE).unwrap_or_default();
            let kbps = self.bitrate_kbps.load(Ordering::Relaxed);
            let fault = fault::of(&orders, &name, kbps)?;
            let open_max = match fault {
                Fault::Refuse => 0,
                Fault::RefuseAfterSessions(open) => open,
                _ => u32::MAX,
            };
            let session = Session::open(&name, open_max).ok_or("no more sessions")?;
            let gop_frames_max = self.gop_frames_max.load(Ordering::Relaxed);
            let elements = pads::x264(kbps, gop_frames_max).map_err(|e| e.to_string())?;
            object.add_many(&elements).map_err(|e| e.to_string())?;
            let [encoder, filter] = &elements;
            encoder.link(filter).map_err(|e| e.to_string())?;
            let (entry, exit) = (encoder.static_pad("sink"), filter.static_pad("src"));
            if let (Fault::GarbageAfter(frames), Some(exit)) = (fault, &exit) {
                pads::garble(exit, frames);
            }
            self.sink
                .set_target(entry.as_ref())
                .map_err(|e| e.to_string())?;
            self.src
                .set_target(exit.as_ref())
                .map_err(|e| e.to_string())?;
            self.frames.store(0, Ordering::Relaxed);
            *lock(&self.fault) = fault;
            let _session = session;
            *lock(&self.open) = Some(Open { elements, _session });
            Ok(())
        }

        fn close(&self) {
            if let Some(open) = lock(&self.open).take() {
                // Both calls fail only for pads and elements of another bin.
                let _ = self.sink.set_target(gst::Pad::NONE);
                let _ = self.src.set_target(gst::Pad::NONE);
                let _ = self.obj().remove_many(&open.elements);
            }
        }

        /// Takes one frame.
        fn take(
            &self,
            pad: &gst::GhostPad,
            buffer: gst::Buffer,
        ) -> Result<gst::FlowSuccess, gst::FlowError> {
            let taken = self.frames.fetch_add(1, Ordering::Relaxed);
            match self.fault() {
                Fault::FailAfter(frames) if taken >= frames => {
                    let reason = "the driver has lost the session";
                    gst::element_imp_error!(self, gst::StreamError::Encode, ("{reason}"));
                    return Err(gst::FlowError::Error);
                }
                Fault::HangAfter(frames) if taken >= frames => hang(),
                Fault::SilentAfter(frames) if taken >= frames => return Ok(gst::FlowSuccess::Ok),
                // The time is the fault itself, and nothing waits for it.
                Fault::Slow(frame) => std::thread::sleep(frame),
                _ => {}
            }
            gst::ProxyPad::chain_default(pad, Some(&*self.obj()), buffer)
        }

        fn hear(&self, pad: &gst::GhostPad, event: gst::Event) -> bool {
            let taken = self.frames.load(Ordering::Relaxed);
            match self.fault() {
                Fault::NoKeyFramesAfter(frames) if taken >= frames && is_key_request(&event) => {
                    true
                }
                _ => gst::Pad::event_default(pad, Some(&*self.obj()), event),
            }
        }
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_key_request(event: &gst::EventRef) -> bool {
    gst_video::DownstreamForceKeyUnitEvent::parse(event).is_ok()
}

/// Holds the calling thread for ever, at no cost.
pub fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

glib::wrapper! {
    /// A test encoder. Each family is a subclass.
    pub struct Encoder(ObjectSubclass<imp::Encoder>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

/// What a family implements.
pub trait EncoderImpl: BinImpl + ObjectSubclass<Type: IsA<Encoder>> {}

// SAFETY: `Encoder` adds no virtual function and no class data.
unsafe impl<T: EncoderImpl> IsSubclassable<T> for Encoder {}

impl Encoder {
    /// Sets a property of a family. Most mean nothing to x264.
    pub fn set(&self, property: &str, value: &glib::Value) {
        let settings = self.imp();
        let setting = match property {
            "bitrate" => &settings.bitrate_kbps,
            "gop-size" | "key-int-max" => &settings.gop_frames_max,
            _ => return,
        };
        setting.store(value.get().unwrap_or_default(), Ordering::Relaxed);
    }
}
