//! Pipeline templates: what GStreamer builds, as data.
//!
//! A template is a TOML file that names elements in order, their properties, and which values
//! weir computes for them. The shipped ones are in the binary; a file of the same name in the
//! user's folder replaces one, any other file adds one. Values reach GStreamer as typed,
//! range-checked properties, never as launch-line text. Topology is code.

mod build;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use rust_embed::RustEmbed;
use serde::Deserialize;
use toml::Spanned;

pub use build::{Chain, Values, build};

/// Largest template file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Where the shipped templates say they come from.
const SHIPPED: &str = "shipped:";

#[derive(RustEmbed)]
#[folder = "pipelines/"]
struct Shipped;

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
    pub name: String,
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
    pub family: Option<String>,
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

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its file is wrong: place and what is wrong.
    #[error("{place}: {message}")]
    Invalid {
        /// `file:line`
        place: String,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// This machine lacks an element; the template is unavailable, not wrong.
    #[error("{template}: GStreamer element `{factory}` is not installed")]
    MissingElement {
        /// Template.
        template: String,
        /// Element factory.
        factory: String,
    },
    /// GStreamer refused to put the elements together.
    #[error("{template}: {message}")]
    Build {
        /// Template.
        template: String,
        /// Why.
        message: String,
    },
}

impl Template {
    fn parse(name: &str, origin: String, text: String) -> Result<Self, Error> {
        match toml::from_str(&text) {
            Ok(body) => Ok(Self {
                name: name.to_owned(),
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

    fn build_error(&self, message: impl ToString) -> Error {
        Error::Build {
            template: self.origin.clone(),
            message: message.to_string(),
        }
    }
}

fn place(origin: &str, text: &str, span: Option<Range<usize>>) -> String {
    let start = span.map_or(0, |span| span.start);
    let line = text.bytes().take(start).filter(|b| *b == b'\n').count() + 1;
    format!("{origin}:{line}")
}

/// Every usable template, by name.
#[derive(Debug, Clone, Default)]
pub struct Library {
    templates: BTreeMap<String, Template>,
}

impl Library {
    /// The shipped templates and those in `folder`, and what is wrong with the latter.
    pub fn load(folder: Option<&Path>) -> (Self, Vec<Error>) {
        let mut library = Self::default();
        let mut errors = Vec::new();
        for path in Shipped::iter() {
            let Some(file) = Shipped::get(&path) else {
                continue;
            };
            let text = String::from_utf8_lossy(&file.data).into_owned();
            library.add(
                Path::new(path.as_ref()),
                format!("{SHIPPED}{path}"),
                text,
                &mut errors,
            );
        }
        if let Some(folder) = folder {
            library.add_folder(folder, 0, &mut errors);
        }
        (library, errors)
    }

    fn add(&mut self, path: &Path, origin: String, text: String, errors: &mut Vec<Error>) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        match Template::parse(&name, origin, text) {
            Ok(template) => {
                self.templates.insert(name.into_owned(), template);
            }
            Err(error) => errors.push(error),
        }
    }

    fn add_folder(&mut self, folder: &Path, depth: usize, errors: &mut Vec<Error>) {
        const DEPTH_MAX: usize = 2;
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() && depth < DEPTH_MAX {
                self.add_folder(&path, depth + 1, errors);
            } else if path.extension().is_some_and(|ending| ending == "toml") {
                match read_bounded(&path) {
                    Ok(text) => self.add(&path, path.display().to_string(), text, errors),
                    Err(message) => errors.push(Error::Invalid {
                        place: path.display().to_string(),
                        message,
                    }),
                }
            }
        }
    }

    /// Templates of a kind, in order of their names.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Template> {
        self.templates.values().filter(move |t| t.body.kind == kind)
    }

    /// The template called `name`.
    pub fn get(&self, name: &str) -> Option<&Template> {
        self.templates.get(name)
    }

    /// Every template.
    pub fn iter(&self) -> impl Iterator<Item = &Template> {
        self.templates.values()
    }

    /// Builds the first template of a kind that this machine can build.
    ///
    /// # Errors
    /// The last reason when none can be built.
    pub fn build_first(
        &self,
        wanted: impl Fn(&Body) -> bool,
        values: &Values,
    ) -> Result<Chain, Error> {
        let mut last = Error::Build {
            template: "pipelines".to_owned(),
            message: "no template of this kind".to_owned(),
        };
        for template in self.templates.values().filter(|t| wanted(&t.body)) {
            match build(template, values) {
                Ok(chain) => return Ok(chain),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Builds the first usable template of `kind`.
    ///
    /// # Errors
    /// As [`Library::build_first`].
    pub fn build_kind(&self, kind: Kind, values: &Values) -> Result<Chain, Error> {
        self.build_first(|body| body.kind == kind, values)
    }
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!(
            "is {length} bytes long; at most {FILE_BYTES_MAX} are read"
        ));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}
