//! Why a template, or a part of the graph, cannot be built.

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its file has a mistake.
    #[error("{place}: {message}")]
    Invalid {
        /// `file:line`
        place: String,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// This machine lacks an element; the template itself is correct.
    #[error("{template}: GStreamer element `{factory}` is not installed")]
    MissingElement {
        /// Name of the template.
        template: String,
        /// The missing element factory.
        factory: String,
    },
    /// GStreamer refused to connect the elements.
    #[error("{template}: {message}")]
    Build {
        /// Name of the template.
        template: String,
        /// Why.
        message: String,
    },
}

impl Error {
    /// The error of a `template` whose elements GStreamer refused to connect.
    pub fn build(template: &str, message: impl ToString) -> Self {
        Self::Build {
            template: template.to_owned(),
            message: message.to_string(),
        }
    }
}
