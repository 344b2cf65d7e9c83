//! The target `rtmp_connection`; what it does is in `tests/support/targets/rtmp_connection.rs`.
#![no_main]

#[path = "../../tests/support/targets/rtmp_connection.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::run(input));
