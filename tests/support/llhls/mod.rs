//! A checker of live low-latency HLS against draft-pantos-hls-rfc8216bis-22. It shares no code with
//! weir: it reads playlists as a player gets them.
//!
//! Give every [`Fetch`] of one media playlist to one [`Checker`], compare the checkers of all
//! renditions with [`cross`] and, where all encoders are well, with [`pace`], and read the multivariant
//! playlist with [`master`]. A [`Violation`] names the section of the broken rule; `house` marks a
//! promise of weir's own beyond the draft. `docs/HLS.md` lists the rules.

mod cross;
mod history;
mod master;
mod pace;
mod page;
mod parse;

use std::fmt;

pub use cross::{Kind, Rendition, cross};
pub use history::{Checker, Fetch};
pub use master::master;
pub use pace::pace;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Section of the draft, or `house`.
    pub section: &'static str,
    /// What is wrong, and where.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.section, self.what)
    }
}

/// Collects the violations.
#[derive(Debug, Default)]
struct Report(Vec<Violation>);

impl Report {
    /// Reports `what` unless `kept`.
    fn rule(&mut self, section: &'static str, kept: bool, what: impl FnOnce() -> String) {
        if !kept {
            self.0.push(Violation {
                section,
                what: what(),
            });
        }
    }
}

#[cfg(test)]
mod tests;
