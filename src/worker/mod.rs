//! One media process a stream: its protocol, the side that watches it, and its own main loop.
//!
//! Both sides, in reading order: [`protocol`] says what is said, [`codec`] how it looks as bytes.
//! Parent side: [`spawner`] makes processes and [`process`] owns each until it is reaped, [`link`]
//! talks to one, [`spare`] keeps one warm, [`restarts`] decides how soon a lost one is replaced,
//! [`probe`] tries encoders in processes of their own. Child side: [`child`].

pub mod child;
pub mod codec;
pub mod link;
pub mod probe;
pub mod process;
pub mod protocol;
pub mod restarts;
pub mod spare;
pub mod spawner;
mod stderr;
