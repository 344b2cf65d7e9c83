//! Pure: which rungs a source gets ([`plan`]) and where every rendition is cut ([`clock`]).
//! Knows no GStreamer, no tokio, no clock of the machine.

pub mod clock;
mod fit;
mod plan;
mod rates;

pub use fit::plan;
pub use plan::{AudioRendition, Canvas, Plan, Rung, SourceFormat, VideoRendition};
pub use rates::{nearest_rate, standard_rates};
