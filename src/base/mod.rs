//! Small words that every other room uses: units, names, addresses, bounds.

pub mod flood;
pub mod names;
pub mod network;
pub mod units;
