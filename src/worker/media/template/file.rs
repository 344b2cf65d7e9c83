//! What a template file says.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::error::Error;
use crate::model::encoder::{Family, TemplateName};

/// How the origin of a shipped template begins.
pub(super) const SHIPPED: &str = "shipped:";

/// What a template makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Raw canvas pictures to H.264 in `avc` form.
    VideoEncoder,
    /// 48 kHz stereo samples to AAC.
    AudioEncoder,
    /// Encoded input to raw media.
    Decoder,
    /// Any raw picture to progressive, upright, square pixels.
    VideoFit,
    /// Any raw sound to the pacer's format.
    AudioFit,
    /// A picture to the size of the next rung.
    Scale,
    /// A picture to JPEG.
    Thumbnail,
    /// The CMAF muxer.
    Cmaf,
    /// The MPEG-TS sink.
    Ts,
    /// The HTTP client of pulls.
    HttpSource,
}

/// A value weir computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variable {
    /// Target bitrate in bits per second.
    BitrateBps,
    /// Target bitrate in thousands of bits per second.
    BitrateKbps,
    /// Longest distance between key frames; weir forces them earlier.
    GopFramesMax,
    /// Threads an encoder may use.
    Threads,
    /// The picture's shorter side, by which rungs are named; for `variant`.
    Lines,
}

/// One template file.
#[derive(Debug, Clone)]
pub struct Template {
    /// File name without folder and ending, such as `x264`.
    pub name: TemplateName,
    /// Where it came from, for errors: a path, or `shipped:encoders/x264.toml`.
    pub origin: String,
    /// The file's text, to turn spans into lines.
    pub(crate) text: String,
    /// What it says.
    pub body: Body,
}

/// The content of a template file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Body {
    /// What it makes.
    pub kind: Kind,
    /// Encoder family, as in `encoder.order`.
    pub family: Option<Family>,
    /// Codec a decoder takes: `h264`, `h265`, `aac`.
    pub codec: Option<String>,
    /// It runs on a GPU or a video block.
    #[serde(default)]
    pub hardware: bool,
    /// Elements in order of flow.
    pub element: Vec<Element>,
}

/// One element of a template.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Element {
    /// GStreamer element factory.
    pub factory: Spanned<String>,
    /// Fixed properties.
    #[serde(default)]
    pub properties: BTreeMap<Spanned<String>, toml::Value>,
    /// Properties weir computes; `property.field` reaches into a structure.
    #[serde(default)]
    pub bind: BTreeMap<Spanned<String>, Variable>,
    /// Other properties for some pictures: the first that fits replaces those it names.
    #[serde(default)]
    pub variant: Vec<Variant>,
}

/// Properties for small pictures, which can be given more effort.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Variant {
    /// Pictures whose shorter side has at most so many pixels.
    pub lines_max: u64,
    /// Fixed properties.
    pub properties: BTreeMap<Spanned<String>, toml::Value>,
}

impl Template {
    pub(super) fn parse(name: &str, origin: String, text: String) -> Result<Self, Error> {
        match toml::from_str(&text) {
            Ok(body) => Ok(Self {
                name: name.into(),
                origin,
                text,
                body,
            }),
            Err(error) => Err(Error::Invalid {
                place: place(&origin, &text, error.span()),
                message: error.message().to_owned(),
            }),
        }
    }

    /// It came with the binary.
    pub fn is_shipped(&self) -> bool {
        self.origin.starts_with(SHIPPED)
    }

    /// `file:line` of a span of this template.
    pub(crate) fn place(&self, span: Range<usize>) -> String {
        place(&self.origin, &self.text, Some(span))
    }

    pub(super) fn build_error(&self, message: impl ToString) -> Error {
        Error::build(&self.origin, message)
    }
}

fn place(origin: &str, text: &str, span: Option<Range<usize>>) -> String {
    let start = span.map_or(0, |span| span.start);
    let line = text.bytes().take(start).filter(|b| *b == b'\n').count() + 1;
    format!("{origin}:{line}")
}
