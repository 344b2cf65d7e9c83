//! Every mistake of a configuration as text for people, with the lines that the mistakes are in.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};

use super::problem::{Place, Problem, Text};

/// Mistakes that are shown; the rest is counted.
const PROBLEMS_SHOWN_MAX: usize = 100;

/// Every mistake of a configuration. It holds no secret: its texts were masked before.
///
/// `Display` is plain text; [`Report::render`] can colour it.
#[derive(Debug, Clone)]
pub struct Report {
    file: String,
    texts: Vec<Text>,
    problems: Vec<Problem>,
}

impl std::error::Error for Report {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Report {
    /// A report on `problems`, sorted by place. `texts[0]` is the file.
    pub(super) fn new(texts: Vec<Text>, mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        Self {
            file: texts.first().map(|t| t.name.clone()).unwrap_or_default(),
            texts,
            problems,
        }
    }

    /// A report on one mistake that has no place in the file.
    pub(super) fn of_file(file: String, problem: Problem) -> Self {
        Self {
            file,
            texts: Vec::new(),
            problems: vec![problem],
        }
    }

    /// Number of mistakes; at least one.
    pub fn mistakes(&self) -> usize {
        self.problems.len()
    }

    /// The report as text: for each mistake `file:line:column`, the line, what was expected and
    /// how to fix it. `styled` adds terminal colours.
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

    /// The quoted lines of a problem: one snippet per text.
    fn snippets<'a>(&'a self, problem: &'a Problem) -> Vec<Snippet<'a, Annotation<'a>>> {
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
            let Some(text) = self.texts.get(place.text) else {
                continue;
            };
            let annotation = kind.span(first_line(&text.masked, place)).label(label);
            match snippets.iter().position(|(id, _)| *id == place.text) {
                Some(at) => {
                    let (id, snippet) = snippets.remove(at);
                    snippets.insert(at, (id, snippet.annotation(annotation)));
                }
                None => snippets.push((
                    place.text,
                    Snippet::source(text.masked.as_str())
                        .path(text.name.as_str())
                        .annotation(annotation),
                )),
            }
        }
        snippets.into_iter().map(|(_, snippet)| snippet).collect()
    }
}

/// The first line of a place: enough of a table or an array of several lines. The start of the
/// text if the place is not in it.
fn first_line(text: &str, place: &Place) -> Range<usize> {
    let line = |span: &str| span.lines().next().map_or(0, str::len);
    let Range { start, end } = place.span();
    match text.get(start..end) {
        Some(span) => start..start + line(span),
        None => 0..0,
    }
}
