//! What a probing child process tells the daemon about encoders and decoders, as JSON.

use serde::{Deserialize, Serialize};

use crate::model::encoder::{Family, TemplateName};

/// Every template that a child process found, and what is wrong with the user's own.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Encoders and decoders worth testing, video encoders first.
    pub candidates: Vec<Candidate>,
    /// Names of the user's own templates.
    pub own: Vec<TemplateName>,
    /// Own templates that cannot be read: `file:line: what is wrong`.
    pub mistakes: Vec<String>,
}

/// An encoder or decoder template that can be tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Template.
    pub template: TemplateName,
    /// Encoder family, or the codec where a template names no family.
    pub family: Family,
    /// What the template makes.
    pub kind: Kind,
    /// It runs on a GPU or a video block.
    pub hardware: bool,
}

/// What a candidate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Makes H.264.
    #[serde(rename = "video encoder")]
    VideoEncoder,
    /// Makes AAC.
    #[serde(rename = "audio encoder")]
    AudioEncoder,
    /// Decodes sound or pictures.
    #[serde(rename = "decoder")]
    Decoder,
}

impl Kind {
    /// The kind in words, as in JSON.
    pub const fn text(self) -> &'static str {
        match self {
            Self::VideoEncoder => "video encoder",
            Self::AudioEncoder => "audio encoder",
            Self::Decoder => "decoder",
        }
    }
}

/// Outcome of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What was tested.
    #[serde(flatten)]
    pub candidate: Candidate,
    /// Why it does not work; `None` when it does.
    pub failure: Option<String>,
}

/// One wall of a worker's sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wall {
    /// What it keeps from a worker, such as `files`.
    pub name: String,
    /// What it is made of.
    pub made_of: String,
    /// Why it does not stand; `None` when it does.
    pub missing: Option<String>,
}
