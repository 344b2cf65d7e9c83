//! Captures what a test logs.

use std::fs;
use std::sync::{Arc, Once};

use tempfile::NamedTempFile;
use tracing::subscriber::DefaultGuard;

/// Captures everything that this thread logs. All tasks of a `#[tokio::test]` run on the test's own
/// thread.
pub struct Captured {
    file: NamedTempFile,
    _guard: DefaultGuard,
}

impl Captured {
    /// Starts to capture, at every level.
    pub fn start() -> Self {
        attend();
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

    /// Everything logged so far.
    pub fn text(&self) -> String {
        fs::read_to_string(self.file.path()).unwrap()
    }
}

/// Makes this process interested in every line. Otherwise a line that a test on another thread would
/// have logged first, while nobody captured there, could be remembered as one that nobody wants.
fn attend() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let nowhere = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(std::io::sink)
            .finish();
        tracing::subscriber::set_global_default(nowhere).unwrap();
    });
}
