//! Pure core of the pacer: the boundary between a publisher's clock and the output's.
//!
//! Times are `Duration`s on the output clock, which starts at 0 with the session. Decoded frames
//! go through [`timeline::Timeline`], which says when each is due, and wait in
//! [`video::PictureQueue`] and [`audio::SampleQueue`] until the output takes what is due. With
//! no picture for a while [`presence::Presence`] asks for a note on the last one.
//!
//! Nothing here reads a clock, waits or allocates without bound.

pub mod audio;
pub mod presence;
pub mod timeline;
pub mod video;

#[cfg(test)]
mod simulation;
