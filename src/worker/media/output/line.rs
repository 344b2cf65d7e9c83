//! Keeps the order of pictures of which some go through a step and others past it.

use std::collections::VecDeque;

/// The pictures at one step. One that goes past the step waits for those inside; one that goes through it
/// need not, for the step keeps the order. Whoever comes while another waits, waits behind it.
#[derive(Debug)]
pub struct Line<T> {
    inside: usize,
    waiting: VecDeque<(T, Way)>,
}

/// Which way a picture goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Through the step.
    Through,
    /// Past it.
    Past,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            inside: 0,
            waiting: VecDeque::new(),
        }
    }
}

impl<T> Line<T> {
    /// A picture has come; returns it if it goes on at once.
    pub fn come(&mut self, picture: T, way: Way) -> Option<T> {
        if !self.waiting.is_empty() || !self.is_open(way) {
            self.waiting.push_back((picture, way));
            return None;
        }
        self.go(way);
        Some(picture)
    }

    /// A picture that went through has left the step; [`next`](Self::next) follows.
    pub fn left(&mut self) {
        self.inside = self.inside.saturating_sub(1);
    }

    /// The next of those that waited, if it goes on now.
    pub fn next(&mut self) -> Option<(T, Way)> {
        let (_, way) = self.waiting.front()?;
        let way = *way;
        if !self.is_open(way) {
            return None;
        }
        self.go(way);
        self.waiting.pop_front()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn is_open(&self, way: Way) -> bool {
        way == Way::Through || self.inside == 0
    }

    fn go(&mut self, way: Way) {
        self.inside += usize::from(way == Way::Through);
    }
}

#[cfg(test)]
mod tests {
    use super::Way::{Past, Through};
    use super::*;

    /// What comes out of a step that has got pictures 0, 1, 2, ... on these ways, and gives one back
    /// whenever `gives` says so.
    fn order(ways: &[Way], gives: impl Fn(usize) -> bool) -> Vec<usize> {
        let (mut line, mut step) = (Line::default(), VecDeque::new());
        let mut out = Vec::new();
        let give = |line: &mut Line<usize>, step: &mut VecDeque<usize>, out: &mut Vec<usize>| {
            let Some(picture) = step.pop_front() else {
                return;
            };
            out.push(picture);
            line.left();
            while let Some((picture, way)) = line.next() {
                match way {
                    Through => step.push_back(picture),
                    Past => out.push(picture),
                }
            }
        };
        for (picture, way) in ways.iter().enumerate() {
            match (line.come(picture, *way), way) {
                (Some(picture), Through) => step.push_back(picture),
                (Some(picture), Past) => out.push(picture),
                (None, _) => {}
            }
            if gives(picture) {
                give(&mut line, &mut step, &mut out);
            }
        }
        while !step.is_empty() {
            give(&mut line, &mut step, &mut out);
        }
        assert_eq!(line.waiting(), 0);
        out
    }

    #[test]
    fn nobody_overtakes_whichever_way_it_goes() {
        for bits in 0..1u32 << 10 {
            let way = |at: u32| match bits >> at & 1 {
                0 => Through,
                _ => Past,
            };
            let ways: Vec<Way> = (0..10).map(way).collect();
            for every in 1..=5 {
                let out = order(&ways, |picture| picture % every == 0);
                assert_eq!(out, Vec::from_iter(0..10), "{ways:?}");
            }
        }
    }

    #[test]
    fn pictures_go_through_at_once_while_nobody_waits() {
        let mut line = Line::default();
        assert_eq!(line.come('a', Past), Some('a'));
        assert_eq!(line.come('b', Through), Some('b'));
        assert_eq!(line.come('c', Through), Some('c'));
        assert_eq!(line.come('d', Past), None);
        assert_eq!(line.come('e', Through), None);
        line.left();
        assert_eq!(line.next(), None);
        line.left();
        assert_eq!(line.next(), Some(('d', Past)));
        assert_eq!(line.next(), Some(('e', Through)));
        assert_eq!(line.next(), None);
    }
}
