//! Dates as programs send them.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

use crate::base::time::rfc3339;

/// A date, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    /// Milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

impl TryFrom<String> for Date {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let date = DateTime::parse_from_rfc3339(&text).ok();
        let unix_ms = date.and_then(|date| u64::try_from(date.timestamp_millis()).ok());
        let unix_ms = unix_ms.ok_or("a date is written as 2026-05-01T12:00:00.000Z (RFC 3339)")?;
        Ok(Self { unix_ms })
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        // "SHOULD indicate a time zone and fractional parts of seconds, to at least millisecond accuracy."
        rfc3339(date.unix_ms, SecondsFormat::Millis)
    }
}
