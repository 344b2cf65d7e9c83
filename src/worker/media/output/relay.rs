//! Keeps the order of things that several sources make one after the other.

use std::collections::VecDeque;

/// Passes on what sources make, those of the first source first. What a later source makes meanwhile
/// waits until every source before it has ended.
#[derive(Debug)]
pub struct Relay<T> {
    lines: VecDeque<Line<T>>,
}

#[derive(Debug)]
struct Line<T> {
    source: u64,
    waiting: Vec<T>,
    ended: bool,
}

impl<T> Default for Relay<T> {
    fn default() -> Self {
        Self {
            lines: VecDeque::new(),
        }
    }
}

impl<T> Relay<T> {
    /// The source called `source` comes after all that have begun so far.
    pub fn begin(&mut self, source: u64) {
        self.lines.push_back(Line {
            source,
            waiting: Vec::new(),
            ended: false,
        });
    }

    /// Takes what `source` made; returns what is due now. What a source makes that has ended, was
    /// forgotten or never began is lost.
    pub fn take(&mut self, source: u64, item: T) -> Option<T> {
        let first = self.lines.front().map(|line| line.source);
        if first == Some(source) {
            return Some(item);
        }
        if let Some(line) = self.lines.iter_mut().find(|line| line.source == source) {
            line.waiting.push(item);
        }
        None
    }

    /// A source has ended; returns what is due now.
    pub fn ended(&mut self, source: u64) -> Vec<T> {
        if let Some(line) = self.lines.iter_mut().find(|line| line.source == source) {
            line.ended = true;
        }
        let mut due = Vec::new();
        while self.lines.front().is_some_and(|line| line.ended) {
            self.lines.pop_front();
            if let Some(line) = self.lines.front_mut() {
                due.append(&mut line.waiting);
            }
        }
        due
    }

    /// Forgets all sources, and what waits.
    pub fn forget(&mut self) {
        self.lines.clear();
    }

    /// How many things wait.
    pub fn waiting(&self) -> usize {
        self.lines.iter().map(|line| line.waiting.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_source_waits_for_the_one_before() {
        let mut relay = Relay::default();
        relay.begin(1);
        relay.begin(2);
        relay.begin(3);
        assert_eq!(relay.take(1, "a"), Some("a"));
        assert_eq!(relay.take(3, "e"), None);
        assert_eq!(relay.take(2, "c"), None);
        assert_eq!(relay.take(1, "b"), Some("b"));
        assert!(relay.ended(2).is_empty());
        assert_eq!(relay.waiting(), 2);
        assert_eq!(relay.ended(1), ["c", "e"]);
        assert_eq!(relay.take(3, "f"), Some("f"));
        assert_eq!(relay.take(1, "late"), None);
        assert!(relay.ended(3).is_empty());
        assert_eq!(relay.take(3, "late"), None);
    }

    #[test]
    fn what_a_forgotten_source_makes_is_lost() {
        let mut relay = Relay::default();
        relay.begin(1);
        relay.begin(2);
        relay.take(2, "held");
        relay.forget();
        relay.begin(3);
        assert_eq!(relay.take(1, "a"), None);
        assert!(relay.ended(1).is_empty());
        assert_eq!(relay.take(3, "b"), Some("b"));
    }
}
