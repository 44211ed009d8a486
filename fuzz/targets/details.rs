//! Payload, and a place in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rydes_fuzz::checks::details(bytes));
