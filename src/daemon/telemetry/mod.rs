//! Logs and metrics.

pub mod labels;
pub mod logs;
pub mod metrics;
mod process;
pub mod scrape;
