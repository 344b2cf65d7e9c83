//! Counts the encoders that are open in this process, as a driver does that allows only so many.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Number of open sessions by name of element.
static OPEN: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

/// One open encoder. It closes when dropped.
#[derive(Debug)]
pub struct Session {
    element: String,
}

impl Session {
    /// Opens a session of `element`, unless `open_max` sessions are open.
    pub fn open(element: &str, open_max: u32) -> Option<Self> {
        let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = all.entry(element.to_owned()).or_default();
        (*open < open_max).then(|| {
            *open += 1;
            Self {
                element: element.to_owned(),
            }
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = all.get_mut(&self.element) {
            *open -= 1;
        }
    }
}
