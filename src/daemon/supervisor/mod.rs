//! Starts, feeds, watches and replaces workers.
//!
//! [`spawner`] starts processes, [`process`] owns each process until it is reaped, [`link`]
//! exchanges messages with a worker and queues them in its [`inbox`], [`spare`] keeps one worker
//! ready, a [`meter`] tells how much CPU a worker uses, [`restarts`] decides how soon a lost worker is replaced, [`probe`] tests encoders in
//! child processes, [`capacity`] how many ladders the machine sustains. A worker's [`voice`] bounds what it may say besides media.

pub mod capacity;
pub mod inbox;
pub mod link;
pub mod meter;
pub mod orders;
pub mod probe;
pub mod process;
pub mod restarts;
pub mod spare;
pub mod spawner;
mod stderr;
pub mod voice;
