//! The input half of a worker's graph. Each publisher and each attempt at a pull gets a new one: it
//! decodes, fits every picture to the canvas, converts sound to 48 kHz stereo, and hands both to
//! the [`Intake`].

mod decoder;
mod decoders;
mod elements;
mod feeding;
mod fit;
mod formats;
mod gate;
pub mod http;
mod intake;
mod pull;
mod push;
mod ranking;
mod rest;
mod upright;
mod watch;
mod watches;

pub use decoders::Decoders;
pub use feeding::Feeding;
pub use http::Rules;
pub use intake::{Intake, Media, Opening};
pub use pull::Puller;
pub use push::Push;
