//! Counts the log lines of a thread instead of writing them.

use std::cell::Cell;
use std::fmt::{Debug, Write};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The lines of one script.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lines {
    pub count: usize,
    pub longest_chars: usize,
    /// A text in them has control characters.
    pub controls: bool,
}

thread_local! {
    static LINES: Cell<Lines> = const { Cell::new(Lines { count: 0, longest_chars: 0, controls: false }) };
}

/// Begins at zero.
pub fn start_counting() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A test that logs by itself has been there first; then nothing is counted.
        let _ = tracing::subscriber::set_global_default(Counter);
    });
    LINES.set(Lines::default());
}

/// The lines since the start.
pub fn stop_counting() -> Lines {
    LINES.take()
}

struct Counter;

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::INFO)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        let mut lines = LINES.get();
        lines.count += 1;
        lines.longest_chars = lines.longest_chars.max(line.0.chars().count());
        lines.controls |= line.0.chars().any(char::is_control);
        LINES.set(lines);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The values of an event, one after the other.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{value:?} ");
    }

    fn record_str(&mut self, _: &Field, value: &str) {
        self.0.push_str(value);
    }
}
