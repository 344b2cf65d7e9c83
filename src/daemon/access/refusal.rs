//! Why somebody may not watch.

use std::time::Duration;

/// Why somebody may not watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing was shown.
    #[error("this stream is not public")]
    Missing,
    /// What was shown does not open this stream.
    #[error("this does not open the stream")]
    Wrong,
    /// What was shown opened this stream once.
    #[error("this has expired")]
    Expired,
    /// Too many wrong ones came from this address.
    #[error("too many attempts")]
    TooMany(Duration),
    /// Whoever has to decide does not answer.
    #[error("it cannot be found out now who may watch")]
    Unavailable,
}
