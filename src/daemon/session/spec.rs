//! One stream's part of the settings: what a change of makes a new session.

use std::path::PathBuf;

use super::machine::Schedule;
use crate::daemon::config::settings::{OnFailure, Settings, Source, Stream};
use crate::model::ladder::Rung;
use crate::wire::protocol::{Packaging, SourceSpec, Start};

/// Who supplies a stream's media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supplier {
    /// A publisher, who must be let in.
    Publisher,
    /// The worker, which fetches or generates it.
    Worker,
}

/// Everything that is fixed for a stream's sessions. Neither its key nor its grace is in it:
/// they change without disturbing anybody.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Name in addresses.
    pub name: String,
    /// Where it comes from.
    pub source: SourceSpec,
    /// Its part of the ladder, top first.
    pub rungs: Vec<Rung>,
    /// How the output is cut.
    pub packaging: Packaging,
    /// Encoder families by preference.
    pub order: Vec<String>,
    /// What happens to a rung whose encoder fails.
    pub on_failure: OnFailure,
    /// Folder of the user's own pipeline templates.
    pub pipelines: Option<PathBuf>,
}

impl Spec {
    /// What `settings` say of `stream`.
    pub fn of(settings: &Settings, stream: &Stream, pipelines: Option<PathBuf>) -> Self {
        Self {
            name: stream.name.clone(),
            source: source(&stream.source),
            rungs: stream.rungs.clone(),
            packaging: Packaging {
                segment: settings.hls.segment,
                part: settings.hls.part,
                ts: settings.hls.ts,
            },
            order: settings.encoder.order.clone(),
            on_failure: settings.encoder.on_failure,
            pipelines,
        }
    }

    /// When the stream runs.
    pub fn schedule(&self) -> Schedule {
        match self.source {
            SourceSpec::Push => Schedule::WhilePublished,
            SourceSpec::Test => Schedule::WhileWatched,
            SourceSpec::Pull { .. } => Schedule::Always,
        }
    }

    /// Who supplies the media.
    pub fn supplier(&self) -> Supplier {
        match self.source {
            SourceSpec::Push => Supplier::Publisher,
            SourceSpec::Test | SourceSpec::Pull { .. } => Supplier::Worker,
        }
    }

    /// A worker's orders for a session that begins.
    pub fn start(&self, encoders: Vec<String>) -> Start {
        Start {
            stream: self.name.clone(),
            source: self.source.clone(),
            rungs: self.rungs.clone(),
            packaging: self.packaging,
            encoders,
            plan: None,
            // A player that has seen no sequence number takes 0 for "none yet" (hls.js does).
            first_msn: 1,
            pipelines: self.pipelines.clone(),
        }
    }
}

fn source(source: &Source) -> SourceSpec {
    match source {
        Source::Push { .. } => SourceSpec::Push,
        Source::Test => SourceSpec::Test,
        Source::Pull {
            url,
            user,
            password,
            tls_verify,
        } => SourceSpec::Pull {
            url: url.to_string(),
            user: user.clone(),
            password: password.as_ref().map(|secret| secret.expose().to_owned()),
            tls_verify: *tls_verify,
        },
    }
}
