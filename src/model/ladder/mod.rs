//! The encoding ladder: which renditions a source gets ([`plan`]), and where all renditions are cut
//! into segments and parts ([`lengths`], [`cuts`]). Pure.

pub mod cuts;
mod feasible;
mod fit;
pub mod lengths;
mod plan;
mod rates;
mod rung_set;

pub use feasible::can_make;
pub use fit::plan;
pub use plan::{AudioRendition, Canvas, Plan, Rung, SourceFormat, VideoRendition};
pub use rates::{nearest_rate, standard_rates};
pub use rung_set::RungSet;
