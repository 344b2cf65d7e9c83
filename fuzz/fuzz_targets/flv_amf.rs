//! The target `flv_amf`; what it does is in `tests/support/targets/flv_amf.rs`.
#![no_main]

#[path = "../../tests/support/targets/flv_amf.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::run(input));
