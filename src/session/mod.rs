//! One task a stream: lifecycle, grace, take-over.

pub mod status;
