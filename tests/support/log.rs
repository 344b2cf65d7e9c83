//! The log of a test.

use std::fs;
use std::sync::Arc;

use tempfile::NamedTempFile;
use tracing::subscriber::DefaultGuard;

/// Takes down all that this thread logs; a `#[tokio::test]` has its tasks on its own thread.
pub struct Captured {
    file: NamedTempFile,
    _guard: DefaultGuard,
}

impl Captured {
    /// From now on, in full detail.
    pub fn start() -> Self {
        let file = NamedTempFile::new().unwrap();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(Arc::new(file.reopen().unwrap()))
            .finish();
        Self {
            file,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// What was logged so far.
    pub fn text(&self) -> String {
        fs::read_to_string(self.file.path()).unwrap()
    }
}
