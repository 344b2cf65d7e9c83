//! Why a template, or a part of the graph, cannot be built.

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

impl Error {
    /// GStreamer refused to put `template` together.
    pub fn build(template: &str, message: impl ToString) -> Self {
        Self::Build {
            template: template.to_owned(),
            message: message.to_string(),
        }
    }
}
