//! Shared by the end-to-end tests: a daemon per test, publishers, a camera, clips that are encoded
//! once, and a reader of playlists. All traffic stays on the loopback interface.

pub mod camera;
pub mod clips;
pub mod daemon;
pub mod doctor;
pub mod edge_config;
pub mod faulty;
pub mod freeze;
pub mod http;
pub mod nginx;
pub mod pebble;
pub mod playlist;
pub mod probe;
pub mod process;
pub mod publisher;
pub mod server;
pub mod viewer;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a condition is checked.
const POLL: Duration = Duration::from_millis(25);

/// Waits until `condition` returns a value and returns that value. Fails the test, naming `what`,
/// after `limit`.
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

/// Lets one test run at a time: every test keeps all processors of a small machine busy with
/// encoding, and a test that measures time must run alone. Hold the guard for the whole test.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Publish key of the streams in this file.
pub const KEY: &str = "a-key-for-tests";

/// Configuration of two small rungs that need little CPU, and of streams to publish with [`KEY`].
pub fn small_ladder(streams: &[&str]) -> String {
    let rungs = "[[rung]]\nname = \"240p\"\nheight = 240\nbitrate = \"400k\"\naudio = \"96k\"\n\
                 [[rung]]\nname = \"120p\"\nheight = 120\nbitrate = \"150k\"\naudio = \"96k\"\n";
    streams.iter().fold(rungs.to_owned(), |config, stream| {
        config + &push_stream(stream)
    })
}

/// Configuration of a stream to publish with [`KEY`].
pub fn push_stream(name: &str) -> String {
    format!("[[stream]]\nname = \"{name}\"\nsource = \"push:\"\npublish_key = \"{KEY}\"\n")
}
