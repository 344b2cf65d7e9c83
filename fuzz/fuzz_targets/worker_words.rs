//! Feeds what a worker might say to a session's distribution and the origin: no panic, and every
//! playlist can be read. The test `worker_words` does the same with random scripts.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "other tests read more of a playlist")]
#[path = "../../tests/support/playlist.rs"]
mod playlist;
#[path = "../../tests/support/words.rs"]
mod words;

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(words::run(bytes));
});
