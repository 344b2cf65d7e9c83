//! The encoding ladder: which renditions a source gets ([`plan`]) and where all renditions are cut
//! into segments and parts ([`clock`]). Pure.

pub mod clock;
mod feasible;
mod fit;
mod plan;
mod rates;

pub use feasible::can_make;
pub use fit::plan;
pub use plan::{AudioRendition, Canvas, Plan, Rung, SourceFormat, VideoRendition};
pub use rates::{nearest_rate, standard_rates};
