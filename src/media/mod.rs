//! The only user of GStreamer: templates, graph, encoders, packaging. Runs in workers only.

pub mod pacer;
pub mod picture;
