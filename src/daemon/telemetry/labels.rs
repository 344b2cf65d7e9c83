//! Labels of metrics. Their values are configured names and words of this program, never text that
//! a client sent, so their number is bounded.

use std::fmt::Write;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// Kinds of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// A page.
    Page,
    /// A file that pages load.
    Asset,
    /// A multivariant playlist.
    Master,
    /// A DASH manifest.
    Manifest,
    /// A media playlist.
    Playlist,
    /// An init section, part or segment.
    Media,
    /// Which edge a viewer goes to.
    Steering,
    /// A thumbnail.
    Thumbnail,
    /// The JSON API.
    Api,
    /// Metrics.
    Metrics,
    /// Health and readiness.
    Health,
    /// What a certificate authority asks.
    Challenge,
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Self::Page => "page",
            Self::Asset => "asset",
            Self::Master => "master",
            Self::Manifest => "manifest",
            Self::Playlist => "playlist",
            Self::Media => "media",
            Self::Steering => "steering",
            Self::Thumbnail => "thumbnail",
            Self::Api => "api",
            Self::Metrics => "metrics",
            Self::Health => "health",
            Self::Challenge => "challenge",
        })
    }
}

/// Labels of a response.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResponseLabels {
    /// Kind of address.
    pub route: Route,
    /// Status code.
    pub code: u16,
}

/// The label of what is counted by kind of address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    /// Kind of address.
    pub route: Route,
}

/// The label of what was turned away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabels {
    /// Why, such as `per_address`.
    pub reason: &'static str,
}

/// The label of what is counted by stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StreamLabels {
    /// Configured name.
    pub stream: String,
}

impl StreamLabels {
    /// The label of the stream `name`.
    pub fn of(name: &str) -> Self {
        Self {
            stream: name.to_owned(),
        }
    }
}
