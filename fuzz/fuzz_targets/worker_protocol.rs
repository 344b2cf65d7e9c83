//! The target `worker_protocol`; what it does is in `tests/support/targets/worker_protocol.rs`.
#![no_main]

#[path = "../../tests/support/targets/worker_protocol.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::run(input));
