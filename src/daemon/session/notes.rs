//! What a worker tells a person: lines of the daemon's log, of bounded length and number, without
//! control characters.

use std::time::Instant;

use crate::base::names::NAME_CHARS_MAX;
use crate::base::text::printable;
use crate::daemon::supervisor::voice::Voice;
use crate::model::passthrough::Obstacle;
use crate::wire::protocol::{InputState, Level, Log, Trouble};

/// Longest text of a worker that is logged or shown.
pub const TEXT_CHARS_MAX: usize = 500;

/// A worker whose words are logged.
#[derive(Debug, Clone, Copy)]
pub struct Speaker<'a> {
    /// Name of its stream.
    pub stream: &'a str,
    /// Its process id.
    pub pid: Option<u32>,
    /// Its limits.
    pub voice: &'a Voice,
}

impl Speaker<'_> {
    /// Logs an event that the worker reports.
    pub fn log(self, log: &Log, now: Instant) {
        if !self.passes(now) {
            return;
        }
        let (stream, pid) = (self.stream, self.pid);
        let rung = log
            .rung
            .as_deref()
            .map(|rung| printable(rung, NAME_CHARS_MAX));
        let message = printable(&log.message, TEXT_CHARS_MAX);
        match log.level {
            Level::Error => tracing::error!(stream, rung, pid, "{message}"),
            Level::Warn => tracing::warn!(stream, rung, pid, "{message}"),
            Level::Info => tracing::info!(stream, rung, pid, "{message}"),
            Level::Debug => tracing::debug!(stream, rung, pid, "{message}"),
        }
    }

    /// Logs what went wrong with a rung, in printable words.
    pub fn trouble(self, rung: &str, trouble: &Trouble, now: Instant) {
        if self.passes(now) {
            let (stream, pid) = (self.stream, self.pid);
            let Trouble { cause, next } = trouble;
            tracing::warn!(stream, rung, pid, cause, next, "rung changed");
        }
    }

    /// Logs that the source is passed through, or why it is encoded.
    pub fn passthrough(self, obstacle: Option<&Obstacle>, now: Instant) {
        if !self.passes(now) {
            return;
        }
        let stream = self.stream;
        match obstacle {
            None => tracing::info!(stream, "the source is good for the top rung as it is"),
            Some(obstacle) => {
                let (cause, advice) = (obstacle.to_string(), obstacle.advice());
                tracing::info!(stream, cause, advice, "the top rung is encoded");
            }
        }
    }

    /// Logs what went wrong with a decoder; returns the error to show.
    pub fn decoder(self, decoder: &str, trouble: &Trouble, now: Instant) -> String {
        let decoder = printable(decoder, NAME_CHARS_MAX);
        let cause = printable(&trouble.cause, TEXT_CHARS_MAX);
        let next = printable(&trouble.next, TEXT_CHARS_MAX);
        if self.passes(now) {
            let (stream, pid) = (self.stream, self.pid);
            tracing::warn!(stream, decoder, pid, cause, next, "decoder failed");
        }
        format!("{cause}; {next}")
    }

    /// Logs the state of the worker's input; returns the error to show, if it is one.
    pub fn input(self, state: &InputState, now: Instant) -> Option<String> {
        let (stream, passes) = (self.stream, self.passes(now));
        match state {
            InputState::Connecting if passes => tracing::debug!(stream, "input connecting"),
            InputState::Live { description } if passes => {
                let input = printable(description, TEXT_CHARS_MAX);
                tracing::info!(stream, input, "input live");
            }
            InputState::Connecting | InputState::Live { .. } => {}
            InputState::Lost { reason, retry_in } => {
                let cause = printable(reason, TEXT_CHARS_MAX);
                if passes {
                    tracing::warn!(stream, cause, ?retry_in, "input lost");
                }
                let next = retry_in.map(|wait| format!("; trying again in {wait:?}"));
                return Some(cause + &next.unwrap_or_default());
            }
        }
        None
    }

    /// Whether a line may be logged; says how many were left out before it.
    fn passes(self, now: Instant) -> bool {
        let left_out = self.voice.line(now);
        if let Some(left_out @ 1..) = left_out {
            let (stream, pid) = (self.stream, self.pid);
            tracing::warn!(stream, pid, left_out, "worker writes too much");
        }
        left_out.is_some()
    }
}
