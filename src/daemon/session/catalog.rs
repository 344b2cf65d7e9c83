//! What the web side asks of the streams.

use super::viewers::Viewer;
use crate::model::hls::Packaging;
use crate::model::status::StreamStatus;

/// All streams, as the web side sees them: the registry in the daemon, a stub in tests.
pub trait Catalog: Clone + Send + Sync + 'static {
    /// Every configured stream, in the order of the file.
    fn list(&self) -> Vec<StreamStatus>;
    /// One stream.
    fn status(&self, name: &str) -> Option<StreamStatus>;
    /// A viewer asked for a multivariant playlist, which is how watching begins: counts the viewer
    /// and starts a stream that runs while it is watched.
    fn demand(&self, name: &str, packaging: Packaging, viewer: &Viewer<'_>) -> Demand;
    /// A viewer asked for a playlist of a session that exists: counts the viewer and keeps a stream
    /// awake that runs while it is watched, but starts none. `rung` is the one whose playlist it is.
    /// False when no stream of that name is configured.
    fn watching(&self, name: &str, viewer: &Viewer<'_>, rung: Option<&str>) -> bool;
    /// At least one encoder has passed its test, so streams can be made.
    fn ready(&self) -> bool;
}

/// What a request for a stream finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// No stream of that name is configured.
    Unknown,
    /// The stream is configured, but not in this packaging, or nobody publishes it and nothing can
    /// be started.
    Nothing,
    /// A session is being made, perhaps because of this very request; wait for the origin.
    Starting,
    /// There is a session to play, perhaps one that has ended.
    Playable,
}
