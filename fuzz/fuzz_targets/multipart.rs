//! The target `multipart`; what it does is in `tests/support/targets/multipart.rs`.
#![no_main]

#[path = "../../tests/support/targets/multipart.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::run(input));
