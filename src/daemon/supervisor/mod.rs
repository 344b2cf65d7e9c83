//! Starts, feeds, watches and replaces workers.
//!
//! [`spawner`] makes processes and [`process`] owns each until it is reaped, [`link`] talks to
//! one, [`spare`] keeps one warm, [`restarts`] decides how soon a lost one is replaced, [`probe`]
//! tries encoders in processes of their own.

pub mod link;
pub mod probe;
pub mod process;
pub mod restarts;
pub mod spare;
pub mod spawner;
mod stderr;
