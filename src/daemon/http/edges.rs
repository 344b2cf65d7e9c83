//! The edges that viewers are sent to, and the names of their seats.

use std::sync::{Arc, PoisonError, RwLock};

use crate::model::steering::{Edge, SEATS};

/// The edges that are in use. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Steering(Arc<RwLock<Arc<[Edge]>>>);

impl Steering {
    /// From now on, these are in use.
    pub fn set(&self, edges: &[Edge]) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if **current != *edges {
            *current = edges.into();
        }
    }

    /// Those that are in use.
    pub(super) fn edges(&self) -> Arc<[Edge]> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
}

/// The seat in the last part of `/live/NAME/steering/SEAT.json`; each has exactly one name.
pub(super) fn seat_of(file: &str) -> Option<u16> {
    let digits = file.strip_suffix(".json")?;
    let seat: u16 = digits.parse().ok()?;
    (seat < SEATS && seat.to_string() == digits).then_some(seat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_has_one_name() {
        for (file, expected) in [
            ("0.json", Some(0)),
            ("255.json", Some(255)),
            ("256.json", None),
            ("00.json", None),
            ("+1.json", None),
            ("1", None),
            (".json", None),
        ] {
            assert_eq!(seat_of(file), expected, "{file}");
        }
    }
}
