//! The target `config`; what it does is in `tests/support/targets/config.rs`.
#![no_main]

#[path = "../../tests/support/targets/config.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::run(input));
