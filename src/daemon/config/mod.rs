//! `config.toml` → typed, validated settings; every mistake with its place and a fix.
//!
//! A report has all mistakes at once. Serde stops at the first, so nothing here uses serde: the
//! text becomes a tree whose values know their places (`document`), environment variables replace
//! values in it (`overrides`), and typed readers (`reader`, `values`, `web`) collect what is wrong,
//! one section after the other (`sections`, `tls`, `acme`, `access`, `rungs`, `streams`). `mask` hides
//! secrets in the lines that a report quotes; `exposure` finds secrets that other users may read.

mod access;
mod acme;
mod diff;
mod document;
mod edges;
mod exposure;
mod front_door;
pub mod keys;
mod load;
mod mask;
mod overrides;
mod problem;
mod reader;
mod report;
mod rungs;
mod secrets;
mod sections;
pub mod settings;
mod streams;
mod tls;
mod values;
pub mod watch;
mod web;

pub use diff::{Changes, diff};
pub use exposure::exposed;
pub use load::{default_path, load, validate};
pub use overrides::environment;
pub use report::Report;
pub use sections::ENCODER_FAMILIES;

#[cfg(test)]
mod tests;
