//! The content of a template file.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::error::Error;
use crate::model::encoder::{Family, TemplateName};

/// Prefix of a shipped template's origin.
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

/// A value that weir computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variable {
    /// Target bitrate in bits per second.
    BitrateBps,
    /// Target bitrate in thousands of bits per second.
    BitrateKbps,
    /// Longest distance between key frames; weir forces key frames earlier.
    GopFramesMax,
    /// Number of threads that an encoder may use.
    Threads,
    /// The picture's shorter side, by which rungs are named; for `variant`.
    Lines,
}

/// One template file.
#[derive(Debug, Clone)]
pub struct Template {
    /// File name without folder and extension, such as `x264`.
    pub name: TemplateName,
    /// Where the template came from, for errors: a path, or `shipped:encoders/x264.toml`.
    pub origin: String,
    /// The file's text, from which spans become line numbers.
    pub(crate) text: String,
    /// The parsed content.
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
    /// Whether it runs on a GPU or a video block.
    #[serde(default)]
    pub hardware: bool,
    /// What its elements need of the machine's files.
    #[serde(default)]
    pub sandbox: Opening,
    /// Elements in the order of data flow.
    pub element: Vec<Element>,
}

/// What a worker's wall before files leaves open for a template. A path is absolute; a `*` at its
/// end stands for any end of the last name. Paths that do not exist are left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Opening {
    /// Devices that are read, written and controlled.
    #[serde(default)]
    devices: Vec<Spanned<String>>,
    /// Files and folders that are read; where there are `devices`, only if one of them exists.
    #[serde(default)]
    read: Vec<Spanned<String>>,
    /// Files and folders that are written too; likewise.
    #[serde(default)]
    write: Vec<Spanned<String>>,
    /// Whether the driver opens Unix sockets of its own; likewise.
    #[serde(default)]
    pub unix_sockets: bool,
}

impl Opening {
    /// Devices that are read, written and controlled.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(|path| path.get_ref().as_str())
    }

    /// Files and folders that are read.
    pub fn read(&self) -> impl Iterator<Item = &str> {
        self.read.iter().map(|path| path.get_ref().as_str())
    }

    /// Files and folders that are read and written.
    pub fn write(&self) -> impl Iterator<Item = &str> {
        self.write.iter().map(|path| path.get_ref().as_str())
    }

    /// Where a path is not absolute.
    fn mistake(&self) -> Option<Range<usize>> {
        let mut paths = self.devices.iter().chain(&self.read).chain(&self.write);
        let wrong = paths.find(|path| !path.get_ref().starts_with('/'))?;
        Some(wrong.span())
    }
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
    /// Properties that weir computes; `property.field` names a field of a structure.
    #[serde(default)]
    pub bind: BTreeMap<Spanned<String>, Variable>,
    /// Other properties for small pictures. The first variant that fits replaces the properties
    /// that it names.
    #[serde(default)]
    pub variant: Vec<Variant>,
    /// Other properties for a machine that is too slow: the encoder does as little as it can. They
    /// replace those of the same name, also those of a variant.
    #[serde(default)]
    pub cheaper: BTreeMap<Spanned<String>, toml::Value>,
}

/// Properties for small pictures, on which an encoder can spend more effort.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Variant {
    /// The variant fits pictures whose shorter side has at most this many pixels.
    pub lines_max: u64,
    /// Fixed properties.
    pub properties: BTreeMap<Spanned<String>, toml::Value>,
}

impl Template {
    pub(super) fn parse(name: &str, origin: String, text: String) -> Result<Self, Error> {
        let invalid = |span, message: &str| Error::Invalid {
            place: place(&origin, &text, span),
            message: message.to_owned(),
        };
        let body: Body =
            toml::from_str(&text).map_err(|error| invalid(error.span(), error.message()))?;
        if let Some(span) = body.sandbox.mistake() {
            return Err(invalid(Some(span), "expected an absolute path"));
        }
        Ok(Self {
            name: name.into(),
            origin,
            text,
            body,
        })
    }

    /// Whether it has other properties for a machine that is too slow.
    pub fn has_cheaper(&self) -> bool {
        let mut elements = self.body.element.iter();
        elements.any(|element| !element.cheaper.is_empty())
    }

    /// Whether the template came with the binary.
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
