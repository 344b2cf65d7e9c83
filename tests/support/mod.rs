//! What the end-to-end tests stand on: a daemon of their own each, publishers, a camera, clips
//! made once, and a reader of what viewers get. Everything stays on the loopback.

pub mod camera;
pub mod clips;
pub mod daemon;
pub mod doctor;
pub mod http;
pub mod playlist;
pub mod probe;
pub mod process;
pub mod publisher;
pub mod viewer;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(25);

/// Waits until `condition` gives a value and returns it; fails the test, saying `what`, when that
/// takes longer than `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} for {what}");
        std::thread::sleep(POLL);
    }
}

/// Waits until `condition` holds; see [`wait_for`].
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, limit, || condition().then_some(()));
}

/// One test at a time: each keeps all processors of a small machine busy with encoding, and those
/// that measure must not measure each other. Hold it from a test's first line to its end.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The publish key of the streams below.
pub const KEY: &str = "a-key-for-tests";

/// Two small rungs that cost little, and one stream `name` to publish with [`KEY`].
pub fn small_ladder(streams: &[&str]) -> String {
    let rungs = "[[rung]]\nname = \"240p\"\nheight = 240\nbitrate = \"400k\"\naudio = \"96k\"\n\
                 [[rung]]\nname = \"120p\"\nheight = 120\nbitrate = \"150k\"\naudio = \"96k\"\n";
    streams.iter().fold(rungs.to_owned(), |config, stream| {
        config + &push_stream(stream)
    })
}

/// A stream to publish with [`KEY`].
pub fn push_stream(name: &str) -> String {
    format!("[[stream]]\nname = \"{name}\"\nsource = \"push:\"\npublish_key = \"{KEY}\"\n")
}
