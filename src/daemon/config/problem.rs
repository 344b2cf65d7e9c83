//! One mistake in a configuration, and its place in the texts that the configuration comes from.

use std::ops::Range;

/// A text that values come from: the file, the built-in ladder, or one environment variable.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// What a report calls it.
    pub name: String,
    /// Its content, with every secret masked.
    pub masked: String,
}

impl Text {
    /// A text with this name.
    pub fn new(name: &str, masked: String) -> Self {
        Self {
            name: name.to_owned(),
            masked,
        }
    }
}

/// A range of bytes in one of the texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Index of the text.
    pub text: usize,
    start: usize,
    end: usize,
}

impl Place {
    /// The range `span` of the text with this index.
    pub fn new(text: usize, span: Range<usize>) -> Self {
        Self {
            text,
            start: span.start,
            end: span.end,
        }
    }

    /// The range in its text, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// One mistake.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    /// What is wrong, in one line.
    pub title: String,
    /// Where; `None` if the file as a whole is wrong.
    pub place: Option<Place>,
    /// What was expected there.
    pub label: String,
    /// A related place and what is there.
    pub context: Option<(Place, String)>,
    /// How to fix it.
    pub help: Option<String>,
}

impl Problem {
    /// A mistake at a place.
    pub fn at(place: Place, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            place: Some(place),
            label: label.into(),
            context: None,
            help: None,
        }
    }

    /// A mistake of the file as a whole.
    pub fn of_file(title: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            place: None,
            label: String::new(),
            context: None,
            help: Some(help.into()),
        }
    }

    /// Adds how to fix it.
    pub fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Adds a related place and what is there.
    pub fn context(mut self, place: Place, label: impl Into<String>) -> Self {
        self.context = Some((place, label.into()));
        self
    }
}
