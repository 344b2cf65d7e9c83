//! What a session needs of the origin; a recording one stands in for it in tests.

use bytes::Bytes;

use crate::daemon::origin::{Origin, SessionSpec, SessionWriter};
use crate::model::hls::{Part, TrackId, TsSegment};

/// Where sessions are opened: the [`Origin`].
pub trait Shelf: Clone + Send + Sync + 'static {
    /// One session's writing end.
    type Writer: Writer;
    /// Lets viewers wait for a session; see [`Origin::expect`].
    fn expect(&self, stream: &str);
    /// Lets them wait no longer; see [`Origin::give_up`].
    fn give_up(&self, stream: &str);
    /// Opens a session; see [`Origin::open`].
    fn open(&self, stream: &str, spec: SessionSpec) -> Self::Writer;
}

/// What a worker makes goes here: a [`SessionWriter`]. The methods are its own.
pub trait Writer: Send + 'static {
    /// [`SessionWriter::init`]
    fn init(&mut self, track: TrackId, codec: &str, data: Bytes);
    /// [`SessionWriter::part`]
    fn part(&mut self, part: Part) -> bool;
    /// [`SessionWriter::ts_segment`]
    fn ts_segment(&mut self, segment: TsSegment);
    /// [`SessionWriter::thumbnail`]
    fn thumbnail(&mut self, jpeg: Bytes);
    /// [`SessionWriter::interrupt`]
    fn interrupt(&mut self) -> u64;
    /// [`SessionWriter::playable`]
    fn playable(&self) -> bool;
    /// [`SessionWriter::end`]
    fn end(self);
}

impl Shelf for Origin {
    type Writer = SessionWriter;

    fn expect(&self, stream: &str) {
        Origin::expect(self, stream);
    }

    fn give_up(&self, stream: &str) {
        Origin::give_up(self, stream);
    }

    fn open(&self, stream: &str, spec: SessionSpec) -> SessionWriter {
        Origin::open(self, stream, spec)
    }
}

impl Writer for SessionWriter {
    fn init(&mut self, track: TrackId, codec: &str, data: Bytes) {
        SessionWriter::init(self, track, codec, data);
    }

    fn part(&mut self, part: Part) -> bool {
        SessionWriter::part(self, part)
    }

    fn ts_segment(&mut self, segment: TsSegment) {
        SessionWriter::ts_segment(self, segment);
    }

    fn thumbnail(&mut self, jpeg: Bytes) {
        SessionWriter::thumbnail(self, jpeg);
    }

    fn interrupt(&mut self) -> u64 {
        SessionWriter::interrupt(self)
    }

    fn playable(&self) -> bool {
        SessionWriter::playable(self)
    }

    fn end(self) {
        SessionWriter::end(self);
    }
}
