//! One stream's part of the settings. A change to any of these starts a new session.

use super::machine::Schedule;
use crate::daemon::config::settings::{Settings, Stream};
use crate::model::encoder::{Family, OnFailure, TemplateName};
use crate::model::ladder::Rung;
use crate::model::passthrough::Policy;
use crate::model::source::Source;
use crate::wire::protocol::{Cutting, Start};

/// Who supplies a stream's media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supplier {
    /// A publisher, who must be let in.
    Publisher,
    /// The worker, which fetches or generates it.
    Worker,
}

/// All settings that are fixed for a stream's sessions. The key and the grace period are not among
/// them: they may change during a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Name in addresses.
    pub name: String,
    /// Where the media comes from.
    pub source: Source,
    /// The stream's rungs, the highest first.
    pub rungs: Vec<Rung>,
    /// How the output is cut.
    pub cutting: Cutting,
    /// Encoder families in order of preference.
    pub order: Vec<Family>,
    /// What happens when an encoder fails.
    pub on_failure: OnFailure,
    /// Rungs that nobody watches may sleep.
    pub rungs_on_demand: bool,
    /// Whether the publisher's frames may be the top rung's.
    pub passthrough: Policy,
    /// A source that the worker fetches is fetched only while somebody watches.
    pub on_demand: bool,
}

impl Spec {
    /// What `settings` say about `stream`.
    pub fn of(settings: &Settings, stream: &Stream) -> Self {
        Self {
            name: stream.name.clone(),
            source: stream.source.clone(),
            rungs: stream.rungs.clone(),
            cutting: Cutting {
                segment: settings.hls.segment,
                part: settings.hls.part,
                ts: settings.hls.ts,
            },
            order: settings.encoder.order.clone(),
            on_failure: settings.encoder.on_failure,
            rungs_on_demand: stream
                .rungs_on_demand
                .unwrap_or(settings.encoder.rungs_on_demand),
            passthrough: stream.passthrough.unwrap_or(settings.encoder.passthrough),
            on_demand: stream.on_demand,
        }
    }

    /// When the stream runs.
    pub fn schedule(&self) -> Schedule {
        match self.source {
            Source::Push => Schedule::WhilePublished,
            Source::Test => Schedule::WhileWatched,
            Source::Pull(_) if self.on_demand => Schedule::FetchedWhileWatched,
            Source::Pull(_) => Schedule::Always,
        }
    }

    /// Who supplies the media.
    pub fn supplier(&self) -> Supplier {
        match self.source {
            Source::Push => Supplier::Publisher,
            Source::Test | Source::Pull(_) => Supplier::Worker,
        }
    }

    /// The orders to a worker that begins a session.
    pub fn start(&self, encoders: Vec<TemplateName>) -> Start {
        Start {
            stream: self.name.clone(),
            source: self.source.clone(),
            rungs: self.rungs.clone(),
            cutting: self.cutting,
            encoders,
            on_failure: self.on_failure,
            passthrough: self.passthrough,
            plan: None,
            // A player that has seen no sequence number takes 0 for "none yet" (hls.js does).
            first_msn: 1,
            resume: None,
            shed: 0,
        }
    }
}
