//! What is wrong with a configuration, and how it is shown.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::mask::{mask, mask_variable};

/// Mistakes that are shown; the rest is counted.
const PROBLEMS_SHOWN_MAX: usize = 100;

/// A text that values come from: the file, the built-in ladder, or one environment variable.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// How it is called in a report.
    pub name: String,
    /// What it says.
    pub text: String,
    /// It is an environment variable, `NAME=value`.
    pub is_variable: bool,
}

/// A range of bytes in one of the sources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Index of the source.
    pub source: usize,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

impl Place {
    /// The range `span` of a source.
    pub fn new(source: usize, span: Range<usize>) -> Self {
        Self {
            source,
            start: span.start,
            end: span.end,
        }
    }
}

/// One mistake.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    /// What is wrong, in a line.
    pub title: String,
    /// Where; `None` for what concerns the file as a whole.
    pub place: Option<Place>,
    /// What was expected there.
    pub label: String,
    /// Another place that has to do with it.
    pub context: Option<(Place, String)>,
    /// How it is put right.
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

    /// Adds how it is put right.
    pub fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Adds another place that has to do with it.
    pub fn context(mut self, place: Place, label: impl Into<String>) -> Self {
        self.context = Some((place, label.into()));
        self
    }
}

/// Every mistake of a configuration. Holds no secret: they are masked on the way in.
///
/// `Display` is plain text; [`Report::render`] can colour it.
#[derive(Debug, Clone)]
pub struct Report {
    file: String,
    sources: Vec<Source>,
    problems: Vec<Problem>,
}

impl std::error::Error for Report {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Report {
    /// A report on `problems`, in the order of their places. `sources[0]` is the file.
    pub(super) fn new(sources: Vec<Source>, mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        let masked = |source: Source| Source {
            text: match source.is_variable {
                true => mask_variable(&source.text),
                false => mask(&source.text),
            },
            ..source
        };
        Self {
            file: sources.first().map(|s| s.name.clone()).unwrap_or_default(),
            sources: sources.into_iter().map(masked).collect(),
            problems,
        }
    }

    /// A report of one mistake that has no place in the file.
    pub(super) fn of_file(file: String, problem: Problem) -> Self {
        Self {
            file,
            sources: Vec::new(),
            problems: vec![problem],
        }
    }

    /// How many mistakes there are; at least one.
    pub fn mistakes(&self) -> usize {
        self.problems.len()
    }

    /// The report as text, each mistake with `file:line:column`, the line it is in, what was
    /// expected and how to put it right. `styled` adds terminal colours.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let shown = self.problems.iter().take(PROBLEMS_SHOWN_MAX);
        let mut out: String = shown
            .map(|problem| self.render_problem(&renderer, problem) + "\n\n")
            .collect();
        let (file, count) = (&self.file, self.problems.len());
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        let rest = count.saturating_sub(PROBLEMS_SHOWN_MAX);
        out += &match rest {
            0 => format!("{file}: {count} {noun}\n"),
            rest => format!("{file}: {count} {noun}, {rest} of them not shown\n"),
        };
        out
    }

    fn render_problem(&self, renderer: &Renderer, problem: &Problem) -> String {
        let mut group = Level::ERROR
            .primary_title(problem.title.as_str())
            .elements(self.snippets(problem));
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    /// The quoted lines of a problem: one snippet a source.
    fn snippets<'a>(
        &'a self,
        problem: &'a Problem,
    ) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
        let primary = problem
            .place
            .iter()
            .map(|place| (place, problem.label.as_str(), AnnotationKind::Primary));
        let context = problem
            .context
            .iter()
            .map(|(place, label)| (place, label.as_str(), AnnotationKind::Context));
        let mut snippets: Vec<(usize, Snippet<'a, _>)> = Vec::new();
        for (place, label, kind) in primary.chain(context) {
            let Some(source) = self.sources.get(place.source) else {
                continue;
            };
            let annotation = kind.span(first_line(&source.text, place)).label(label);
            match snippets.iter().position(|(id, _)| *id == place.source) {
                Some(at) => {
                    let (id, snippet) = snippets.remove(at);
                    snippets.insert(at, (id, snippet.annotation(annotation)));
                }
                None => snippets.push((
                    place.source,
                    Snippet::source(source.text.as_str())
                        .path(source.name.as_str())
                        .annotation(annotation),
                )),
            }
        }
        snippets.into_iter().map(|(_, snippet)| snippet).collect()
    }
}

/// The first line of a place: a table or an array that goes on for lines is shown by its
/// beginning. The start of the text when the place is not in it.
fn first_line(text: &str, place: &Place) -> Range<usize> {
    let line = |span: &str| span.lines().next().map_or(0, str::len);
    match text.get(place.start..place.end) {
        Some(span) => place.start..place.start + line(span),
        None => 0..0,
    }
}
