//! The target `worker_words`; what it does is in `tests/support/words.rs`.
#![no_main]

#[allow(dead_code, reason = "other tests read more of a playlist")]
#[path = "../../tests/support/playlist.rs"]
mod playlist;
#[path = "../../tests/support/words.rs"]
mod words;

libfuzzer_sys::fuzz_target!(|input: &[u8]| words::run(input));
