//! `weirhttpsrc`: the element that fetches one address, for the pull itself and for GStreamer's HLS
//! demuxer, which makes such elements for what a playlist names.

use std::sync::{LazyLock, Once};

use gst::glib;
use gst::prelude::*;

/// Name of the element.
pub const NAME: &str = "weirhttpsrc";
/// Name of the event that goes ahead of a body.
pub const BODY: &str = "weir-body";
/// Field of the event [`BODY`], a `bool`: the body is a sequence of pictures. Each buffer is then one
/// picture, with a time.
pub const PICTURES: &str = "pictures";
/// Field of the event [`BODY`] where the body's length is known, in bytes.
pub const LENGTH: &str = "length";
/// Field of the caps of pictures: the rate at which the camera makes them, once that is known.
pub const FRAMERATE: &str = "framerate";

glib::wrapper! {
    /// The element.
    pub struct HttpSource(ObjectSubclass<imp::HttpSource>)
        @extends gst_base::PushSrc, gst_base::BaseSrc, gst::Element, gst::Object,
        @implements gst::URIHandler;
}

/// Registers the element in this process.
///
/// # Errors
/// When GStreamer refuses the registration.
pub fn register() -> Result<(), glib::BoolError> {
    gst::Element::register(None, NAME, gst::Rank::PRIMARY, HttpSource::static_type())
}

/// Takes every other element that opens addresses out of this process's registry, once: what a
/// playlist names is opened by [`NAME`] or not at all, so `file:` opens nothing.
pub fn make_sole() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let registry = gst::Registry::get();
        for feature in registry.features(gst::ElementFactory::static_type()) {
            let opens = feature
                .downcast_ref::<gst::ElementFactory>()
                .is_some_and(|factory| factory.uri_type() == gst::URIType::Src);
            if opens && feature.name() != NAME {
                registry.remove_feature(&feature);
            }
        }
    });
}

mod imp {
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use gio::prelude::CancellableExt;
    use gst_base::prelude::*;
    use gst_base::subclass::base_src::CreateSuccess;
    use gst_base::subclass::prelude::*;
    use url::Url;

    use super::super::cause::{Cause, Shown};
    use super::super::fetch::{self, Response};
    use super::super::head::Range;
    use super::super::pictures::{Picture, Pictures};
    use super::super::rules::{self, Rules};
    use super::*;

    /// Largest buffer, in bytes.
    const BUFFER_BYTES_MAX: usize = 64 * 1024;
    /// Largest piece of a playlist, in bytes. GStreamer keeps playlists and keys in memory.
    const PIECE_BYTES_MAX: u64 = 256 * 1024 * 1024;

    /// The element's state.
    pub struct HttpSource {
        rules: Option<Arc<Rules>>,
        state: Mutex<State>,
        stop: Mutex<gio::Cancellable>,
    }

    #[derive(Default)]
    struct State {
        url: Option<Url>,
        /// Where a redirect led.
        redirected: Option<Url>,
        live: bool,
        range: Option<Range>,
        response: Option<Response>,
        /// Takes the body apart when it is a sequence of pictures.
        pictures: Option<Pictures>,
        length: Option<u64>,
        /// Bytes of the body so far.
        read: u64,
    }

    impl Default for HttpSource {
        fn default() -> Self {
            Self {
                rules: rules::current(),
                state: Mutex::default(),
                stop: Mutex::new(gio::Cancellable::new()),
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for HttpSource {
        const NAME: &'static str = "WeirHttpSource";
        type Type = super::HttpSource;
        type ParentType = gst_base::PushSrc;
        type Interfaces = (gst::URIHandler,);
    }

    impl HttpSource {
        fn state(&self) -> MutexGuard<'_, State> {
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn stop_handle(&self) -> MutexGuard<'_, gio::Cancellable> {
            self.stop.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn set_url(&self, address: &str) -> Result<(), Cause> {
            let url = Rules::named(address).inspect_err(|cause| self.note(cause))?;
            let mut state = self.state();
            state.url = Some(url);
            state.redirected = None;
            state.range = None;
            Ok(())
        }

        fn note(&self, cause: &Cause) {
            if let Some(rules) = &self.rules {
                rules.note(cause);
            }
        }

        /// The answer that is being read, or a new one.
        fn response(&self) -> Result<Response, Cause> {
            let (url, range) = {
                let mut state = self.state();
                if let Some(response) = state.response.take() {
                    return Ok(response);
                }
                (state.url.clone(), state.range)
            };
            let rules = self.rules.as_ref().ok_or(Cause::Stopped)?;
            let url = url.ok_or_else(|| Cause::Scheme(String::new()))?;
            let stop = self.stop_handle().clone();
            let response = fetch::get(rules, &url, range, &stop)?;
            let mut state = self.state();
            state.redirected = (response.url != url).then(|| response.url.clone());
            state.length = response.length;
            state.read = 0;
            let kind = response.content_type.to_ascii_lowercase();
            let multipart = state.live && kind.starts_with("multipart/");
            state.pictures = multipart.then(Pictures::default);
            drop(state);
            let event = gst::Structure::builder(BODY)
                .field(PICTURES, multipart)
                .field_if_some(LENGTH, response.length)
                .build();
            let src = self.obj().src_pad().clone();
            src.push_event(gst::event::CustomDownstreamSticky::new(event));
            if multipart {
                self.tell_rate(None);
            }
            Ok(response)
        }

        /// Tells the elements behind this one that pictures come, and at which rate.
        fn tell_rate(&self, millihertz: Option<u32>) {
            let rate = millihertz.and_then(|rate| i32::try_from(rate).ok());
            let rate = rate.map(|rate| gst::Fraction::new(rate, 1000));
            let caps = gst::Caps::builder("image/jpeg").field_if_some(FRAMERATE, rate);
            // Where the caps do not fit, the next buffer fails and says so.
            let _ = self.obj().set_caps(&caps.build());
        }

        fn buffer(&self) -> Result<Option<gst::Buffer>, Cause> {
            let mut response = self.response()?;
            let Some(mut pictures) = self.state().pictures.take() else {
                self.state().response = Some(response);
                return self.piece();
            };
            let picture = pictures.next(|into| response.read(into))?;
            let mut state = self.state();
            state.pictures = Some(pictures);
            state.response = Some(response);
            drop(state);
            Ok(picture.map(|picture| self.picture(picture)))
        }

        fn picture(&self, picture: Picture) -> gst::Buffer {
            if picture.millihertz.is_some() {
                self.tell_rate(picture.millihertz);
            }
            let mut buffer = gst::Buffer::from_mut_slice(picture.jpeg);
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(gst::ClockTime::from_nseconds(picture.time_ns));
            }
            buffer
        }

        /// The next piece of the body; `None` at its end.
        fn piece(&self) -> Result<Option<gst::Buffer>, Cause> {
            let mut response = self.response()?;
            let mut bytes = vec![0; BUFFER_BYTES_MAX];
            let read = response.read(&mut bytes)?;
            bytes.truncate(read);
            let mut state = self.state();
            // A web page begins with a tag; a playlist that is served as text/html does not.
            let page = state.read == 0 && response.content_type.starts_with("text/html");
            if page && bytes.trim_ascii_start().first() == Some(&b'<') {
                return Err(Cause::WebPage(Shown::of(&response.url)));
            }
            let first = state.read == 0;
            state.read += read as u64;
            if !state.live && state.read > PIECE_BYTES_MAX {
                return Err(Cause::TooLarge(Shown::of(&response.url)));
            }
            state.response = Some(response);
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            // Only the first buffer has a time, so a demuxer counts all times from there by the clock
            // in the stream. The times of arrival would say when the network was slow.
            if let Some(buffer) = buffer.get_mut().filter(|_| state.live && first) {
                buffer.set_pts(gst::ClockTime::ZERO);
            }
            Ok((read > 0).then_some(buffer))
        }
    }

    impl ObjectImpl for HttpSource {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                vec![
                    glib::ParamSpecString::builder("location").build(),
                    glib::ParamSpecBoolean::builder("is-live").build(),
                ]
            });
            &PROPERTIES
        }

        fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
            match pspec.name() {
                "location" => {
                    let address: String = value.get().unwrap_or_default();
                    // A refused address is noted, and leaves none to be fetched.
                    let _ = self.set_url(&address);
                }
                _ => {
                    let live = value.get().unwrap_or_default();
                    self.state().live = live;
                    self.obj().set_live(live);
                    let format = match live {
                        true => gst::Format::Time,
                        false => gst::Format::Bytes,
                    };
                    self.obj().set_format(format);
                }
            }
        }

        fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
            match pspec.name() {
                "location" => self.uri().to_value(),
                _ => self.state().live.to_value(),
            }
        }

        fn constructed(&self) {
            self.parent_constructed();
            self.obj().set_format(gst::Format::Bytes);
        }
    }

    impl GstObjectImpl for HttpSource {}

    impl ElementImpl for HttpSource {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "HTTP source",
                    "Source/Network",
                    "Fetches what the rules of a pull admit",
                    "weir",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let (direction, always) = (gst::PadDirection::Src, gst::PadPresence::Always);
                let template =
                    gst::PadTemplate::new("src", direction, always, &gst::Caps::new_any());
                template.into_iter().collect()
            });
            &TEMPLATES
        }
    }

    impl URIHandlerImpl for HttpSource {
        const URI_TYPE: gst::URIType = gst::URIType::Src;

        /// The schemes behind the first two are there to be refused with a cause that names them.
        fn protocols() -> &'static [&'static str] {
            &[
                "http", "https", "file", "ftp", "data", "rtmp", "rtsp", "udp",
            ]
        }

        fn uri(&self) -> Option<String> {
            self.state().url.as_ref().map(Url::to_string)
        }

        fn set_uri(&self, uri: &str) -> Result<(), glib::Error> {
            self.set_url(uri).map_err(|cause| {
                glib::Error::new(gst::URIError::UnsupportedProtocol, &cause.to_string())
            })
        }
    }

    impl BaseSrcImpl for HttpSource {
        fn start(&self) -> Result<(), gst::ErrorMessage> {
            self.state().response = None;
            Ok(())
        }

        fn stop(&self) -> Result<(), gst::ErrorMessage> {
            self.state().response = None;
            Ok(())
        }

        fn unlock(&self) -> Result<(), gst::ErrorMessage> {
            self.stop_handle().cancel();
            Ok(())
        }

        fn unlock_stop(&self) -> Result<(), gst::ErrorMessage> {
            *self.stop_handle() = gio::Cancellable::new();
            Ok(())
        }

        fn size(&self) -> Option<u64> {
            self.state().length
        }

        /// A piece of a playlist may be a part of a file (`EXT-X-BYTERANGE`).
        fn is_seekable(&self) -> bool {
            !self.state().live
        }

        fn do_seek(&self, segment: &mut gst::Segment) -> bool {
            // The base class begins with a seek to the start, in time for a live source.
            let Some(bytes) = segment.downcast_mut::<gst::format::Bytes>() else {
                return self.state().live;
            };
            let first = bytes.start().map_or(0, u64::from);
            // A segment ends before its stop; a range includes its last byte.
            let last = bytes
                .stop()
                .map(u64::from)
                .map(|stop| stop.saturating_sub(1));
            let mut state = self.state();
            state.range = (first > 0 || last.is_some()).then_some(Range { first, last });
            state.response = None;
            true
        }

        fn query(&self, query: &mut gst::QueryRef) -> bool {
            if let gst::QueryViewMut::Uri(query) = query.view_mut() {
                let state = self.state();
                query.set_uri(state.url.as_ref().map(Url::as_str));
                // What a playlist names is relative to where the playlist was found.
                if let Some(redirected) = &state.redirected {
                    query.set_redirection(Some(redirected.as_str()), false);
                }
                return true;
            }
            BaseSrcImplExt::parent_query(self, query)
        }
    }

    impl PushSrcImpl for HttpSource {
        fn create(
            &self,
            _buffer: Option<&mut gst::BufferRef>,
        ) -> Result<CreateSuccess, gst::FlowError> {
            match self.buffer() {
                Ok(Some(buffer)) => Ok(CreateSuccess::NewBuffer(buffer)),
                Ok(None) => Err(gst::FlowError::Eos),
                Err(Cause::Stopped) => Err(gst::FlowError::Flushing),
                Err(cause) => {
                    self.note(&cause);
                    gst::element_imp_error!(self, gst::ResourceError::Read, ("{cause}"));
                    Err(gst::FlowError::Error)
                }
            }
        }
    }
}
